//! Signature version 4, as the JSON services of AWS want it: requests without a query, whose body is at hand.
//!
//! The key that signs is derived once a day from the credentials, where the SDK derives it for every request.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use std::{
    fmt::Write as _,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials as _, SharedCredentialsProvider, error::CredentialsError},
};
use aws_lc_rs::{digest, hmac};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use jiff::{Timestamp, tz::Offset};

use crate::entropy::hex;

/// Credentials that end sooner than this are fetched anew.
const MARGIN: Duration = Duration::from_secs(30);
/// What changes on the way to the service, or says nothing that it acts upon.
const UNSIGNED: [&str; 2] = ["content-length", "user-agent"];

/// Signs the requests to one service in one region.
#[derive(Debug)]
pub(super) struct Signer {
    provider: SharedCredentialsProvider,
    region: String,
    service: &'static str,
    current: Mutex<Option<Arc<DayKey>>>,
}

/// What signs until the day or the credentials end.
#[derive(Debug)]
struct DayKey {
    credentials: Credentials,
    day: String,
    /// Day, region and service.
    scope: String,
    key: hmac::Key,
}

impl Signer {
    pub(super) fn new(provider: SharedCredentialsProvider, region: &str, service: &'static str) -> Self {
        Self { provider, region: region.to_owned(), service, current: Mutex::default() }
    }

    /// Signs a request to the host.
    pub(super) async fn sign(
        &self,
        request: &mut HttpRequest,
        host: &str,
        now: Timestamp,
    ) -> Result<(), CredentialsError> {
        let at = date_time(now);
        let key = self.key(&at[..DAY], now).await?;
        let headers = request.headers_mut();
        headers.insert("x-amz-date", at.clone());
        if let Some(token) = key.credentials.session_token() {
            headers.insert("x-amz-security-token", token.to_owned());
        }
        let authorization = authorization(request, host, &at, &key);
        request.headers_mut().insert("authorization", authorization);
        Ok(())
    }

    /// The key of the day, with credentials that still hold.
    async fn key(&self, day: &str, now: Timestamp) -> Result<Arc<DayKey>, CredentialsError> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let holds = |key: &Arc<DayKey>| {
            let soon = SystemTime::from(now) + MARGIN;
            key.day == day && key.credentials.expiry().is_none_or(|expiry| soon < expiry)
        };
        if let Some(key) = current.filter(holds) {
            return Ok(key);
        }
        let credentials = self.provider.provide_credentials().await?;
        let key = Arc::new(DayKey::new(credentials, day, &self.region, self.service));
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&key));
        Ok(key)
    }
}

impl DayKey {
    fn new(credentials: Credentials, day: &str, region: &str, service: &str) -> Self {
        let start = hmac::Key::new(hmac::HMAC_SHA256, format!("AWS4{}", credentials.secret_access_key()).as_bytes());
        let key = [day, region, service, TERMINATOR]
            .iter()
            .fold(start, |key, part| hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref()));
        Self { credentials, day: day.to_owned(), scope: format!("{day}/{region}/{service}/{TERMINATOR}"), key }
    }
}

const TERMINATOR: &str = "aws4_request";
/// How much of a date and time is the day.
const DAY: usize = 8;

/// `yyyyMMdd'T'HHmmss'Z'`.
fn date_time(at: Timestamp) -> String {
    let at = Offset::UTC.to_datetime(at);
    let (date, time) = (at.date(), at.time());
    let mut text = String::with_capacity(16);
    let (year, month, day, hour) = (date.year(), date.month(), date.day(), time.hour());
    _ = write!(text, "{year:04}{month:02}{day:02}T{hour:02}{:02}{:02}Z", time.minute(), time.second());
    text
}

/// The header that names the credentials and carries the signature.
fn authorization(request: &HttpRequest, host: &str, at: &str, key: &DayKey) -> String {
    let mut headers: Vec<(&str, &str)> =
        request.headers().iter().filter(|(name, _)| !UNSIGNED.contains(name)).chain([("host", host)]).collect();
    headers.sort_unstable();

    let mut canonical = String::with_capacity(1024);
    canonical.push_str(request.method());
    canonical.push('\n');
    canonical.push_str(path(request.uri()));
    // No query.
    canonical.push_str("\n\n");
    for (name, value) in &headers {
        canonical.extend([name, ":", value.trim(), "\n"]);
    }
    canonical.push('\n');
    let mut names = String::with_capacity(128);
    for (name, _) in &headers {
        names.extend([if names.is_empty() { "" } else { ";" }, name]);
    }
    canonical.push_str(&names);
    canonical.push('\n');
    canonical.push_str(&sha256(request.body().bytes().unwrap_or_default()));

    let mut to_sign = String::with_capacity(160);
    to_sign.extend(["AWS4-HMAC-SHA256\n", at, "\n", &key.scope, "\n"]);
    to_sign.push_str(&sha256(canonical.as_bytes()));

    let mut authorization = String::with_capacity(256);
    let id = key.credentials.access_key_id();
    authorization.extend(["AWS4-HMAC-SHA256 Credential=", id, "/", &key.scope, ", SignedHeaders=", &names]);
    authorization.extend([", Signature=", &hex(hmac::sign(&key.key, to_sign.as_bytes()).as_ref())]);
    authorization
}

/// What follows the authority. No service of these has paths that would have to be encoded.
fn path(uri: &str) -> &str {
    let authority = uri.find("://").map_or(0, |scheme| scheme + 3);
    uri[authority..].find('/').map_or("/", |path| &uri[authority + path..])
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

#[cfg(test)]
mod tests {
    use aws_sigv4::{
        http_request::{SignableBody, SignableRequest, SigningSettings},
        sign::v4::SigningParams,
    };
    use aws_smithy_types::body::SdkBody;
    use proptest::prelude::*;

    use super::*;

    fn signer(credentials: Credentials) -> Signer {
        Signer::new(SharedCredentialsProvider::new(credentials), "eu-west-1", "dynamodb")
    }

    /// A request as one of the SDK's serialisers makes it.
    fn request(target: &str, body: &str) -> HttpRequest {
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method("POST").unwrap();
        request.set_uri("https://dynamodb.eu-west-1.amazonaws.com/").unwrap();
        let headers = request.headers_mut();
        headers.insert("content-type", "application/x-amz-json-1.0");
        headers.insert("content-length", body.len().to_string());
        headers.insert("x-amz-target", target.to_owned());
        request
    }

    /// What the SDK's own crate writes into the header.
    fn expected(request: &HttpRequest, credentials: &Credentials, now: Timestamp) -> String {
        let identity = credentials.clone().into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region("eu-west-1")
            .name("dynamodb")
            .time(now.into())
            .settings(SigningSettings::default())
            .build()
            .unwrap()
            .into();
        let body = SignableBody::Bytes(request.body().bytes().unwrap());
        let headers = request.headers().iter();
        let signable = SignableRequest::new(request.method(), request.uri(), headers, body).unwrap();
        let (instructions, _) = aws_sigv4::http_request::sign(signable, &params).unwrap().into_parts();
        let (headers, _) = instructions.into_parts();
        headers.iter().find(|it| it.name() == "authorization").unwrap().value().to_owned()
    }

    proptest! {
        #[test]
        fn a_signature_is_the_one_of_the_sdk(
            target in "[A-Za-z0-9_.]{1,60}",
            body in "\\PC{0,400}",
            id in "[A-Z0-9]{16,20}",
            secret in "[A-Za-z0-9/+]{0,80}",
            token in proptest::option::of("[A-Za-z0-9/+=]{1,900}"),
            second in 0_i64..4_000_000_000,
        ) {
            let now = Timestamp::from_second(second).unwrap();
            let credentials = Credentials::new(id, secret, token, None, "test");
            let signer = signer(credentials.clone());
            let mut signed = request(&target, &body);
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let host = "dynamodb.eu-west-1.amazonaws.com";
            runtime.block_on(signer.sign(&mut signed, host, now)).unwrap();
            let mut unsigned = request(&target, &body);
            unsigned.headers_mut().remove("content-length");
            let expected = expected(&unsigned, &credentials, now);
            prop_assert_eq!(signed.headers().get("authorization"), Some(&*expected));
        }
    }

    #[tokio::test]
    async fn a_key_is_kept_for_its_day_and_as_long_as_its_credentials_hold() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let expiry = SystemTime::from(at("2026-03-02T12:00:00Z"));
        let signer = signer(Credentials::new("id", "secret", None, Some(expiry), "test"));
        let key = async |now: &str| {
            let now = at(now);
            signer.key(&date_time(now)[..DAY], now).await.unwrap()
        };
        let first = key("2026-03-01T23:59:58Z").await;
        assert!(Arc::ptr_eq(&first, &key("2026-03-01T23:59:59Z").await));
        let next_day = key("2026-03-02T00:00:00Z").await;
        assert!(!Arc::ptr_eq(&first, &next_day));
        assert_eq!(next_day.scope, "20260302/eu-west-1/dynamodb/aws4_request");
        assert!(Arc::ptr_eq(&next_day, &key("2026-03-02T11:59:29Z").await));
        assert!(!Arc::ptr_eq(&next_day, &key("2026-03-02T11:59:30Z").await));
    }

    #[test]
    fn no_secret_is_shown() {
        let credentials = Credentials::new("id", "top-secret", Some("session-secret".to_owned()), None, "test");
        let key = DayKey::new(credentials, "20260301", "eu-west-1", "dynamodb");
        let shown = format!("{key:?}");
        assert!(!shown.contains("top-secret") && !shown.contains("session-secret"), "{shown}");
    }
}
