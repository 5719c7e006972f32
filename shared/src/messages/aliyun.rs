//! Text messages through Alibaba Cloud's SMS service: `SendSms` of the API of 2017-05-25, requests signed by its
//! method V3 (`ACS3-HMAC-SHA256`).
//!
//! The service knows approved templates only: the text is theirs, the code is its one parameter.

use aws_lc_rs::{digest, hmac};
use aws_smithy_types::body::SdkBody;
use http::{Uri, uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::{AliyunConfig, DeliveryError, Message, Reason, over_http};
use crate::{
    contact::Phone,
    entropy::hex,
    outbound::{self, HttpClient, OutboundError},
};

/// RFC 3986: what stays as it is.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The longest answer that is read.
const MAX_ANSWER: usize = 16 * 1024;

/// The service, with an access key.
#[derive(Clone)]
pub(super) struct Aliyun {
    client: HttpClient,
    url: Uri,
    access_key_id: String,
    key: std::sync::Arc<hmac::Key>,
    sign_name: String,
    templates: std::collections::BTreeMap<crate::codes::Purpose, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    code: String,
}

impl Aliyun {
    pub(super) fn new(config: &AliyunConfig) -> Result<Self, String> {
        let url = over_http::url(&config.url)?;
        if config.templates.is_empty() {
            return Err("templates names no template".to_owned());
        }
        Ok(Self {
            client: over_http::client(),
            url,
            access_key_id: config.access_key_id.clone(),
            key: hmac::Key::new(hmac::HMAC_SHA256, config.access_key_secret.as_bytes()).into(),
            sign_name: config.sign_name.clone(),
            templates: config.templates.clone(),
        })
    }

    pub(super) async fn send(&self, to: &Phone, message: &Message) -> Result<(), DeliveryError> {
        let (Reason::Code(purpose), Some(code)) = (message.reason, &message.code) else {
            return Err(DeliveryError::Unsuitable);
        };
        let template = self.templates.get(&purpose).ok_or(DeliveryError::Unsuitable)?;
        let parameters = serde_json::json!({"code": code.expose()}).to_string();
        // 11 digits within China, country code and number without a plus elsewhere.
        let phone = to.emitted().trim_start_matches('+');
        let query = canonical_query(&[
            ("OutId", &message.id),
            ("PhoneNumbers", phone),
            ("SignName", &self.sign_name),
            ("TemplateCode", template),
            ("TemplateParam", &parameters),
        ]);
        let request = Request {
            host: self.url.authority().map_or("", uri::Authority::as_str),
            action: "SendSms",
            version: "2017-05-25",
            date: message.at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            nonce: &message.id,
            query: &query,
        };
        let url = uri::Builder::from(self.url.clone()).path_and_query(format!("/?{query}")).build();
        let mut call = http::Request::post(url.map_err(OutboundError::from)?)
            .header("authorization", request.authorization(&self.access_key_id, &self.key));
        for (name, value) in request.headers() {
            call = call.header(name, value);
        }
        let call = call.body(SdkBody::empty()).map_err(OutboundError::from)?;
        let answer = self.client.request(call).await.map_err(OutboundError::from)?;
        let status = answer.status();
        let body = outbound::body(answer, MAX_ANSWER).await?;
        // Refusals come with any status, and some of them with 200: the body decides.
        let Ok(Answer { code }) = serde_json::from_slice(&body) else { return Err(DeliveryError::Nonsense) };
        if code == "OK" && status.is_success() { Ok(()) } else { Err(DeliveryError::refused(&code)) }
    }
}

/// What is signed of a request without a body.
struct Request<'a> {
    host: &'a str,
    action: &'a str,
    version: &'a str,
    date: String,
    nonce: &'a str,
    query: &'a str,
}

impl Request<'_> {
    /// The signed headers, in the order of their names.
    fn headers(&self) -> [(&'static str, String); 6] {
        [
            ("host", self.host.to_owned()),
            ("x-acs-action", self.action.to_owned()),
            ("x-acs-content-sha256", sha256(b"")),
            ("x-acs-date", self.date.clone()),
            ("x-acs-signature-nonce", self.nonce.to_owned()),
            ("x-acs-version", self.version.to_owned()),
        ]
    }

    fn authorization(&self, access_key_id: &str, key: &hmac::Key) -> String {
        let headers = self.headers();
        let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let lines: String = headers.iter().flat_map(|(name, value)| [*name, ":", value, "\n"]).collect();
        let canonical = format!("POST\n/\n{}\n{lines}\n{names}\n{}", self.query, sha256(b""));
        let to_sign = format!("ACS3-HMAC-SHA256\n{}", sha256(canonical.as_bytes()));
        let signature = hex(hmac::sign(key, to_sign.as_bytes()).as_ref());
        format!("ACS3-HMAC-SHA256 Credential={access_key_id},SignedHeaders={names},Signature={signature}")
    }
}

/// Parameters, which must come sorted by name.
fn canonical_query(parameters: &[(&str, &str)]) -> String {
    let encode = |text| utf8_percent_encode(text, UNRESERVED).to_string();
    let pairs: Vec<_> = parameters.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    pairs.join("&")
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_of_the_published_example() {
        // "V3 request structure and signature" in Alibaba Cloud's documentation, its fixed example.
        let query = canonical_query(&[
            ("ImageId", "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"),
            ("RegionId", "cn-shanghai"),
        ]);
        let request = Request {
            host: "ecs.cn-shanghai.aliyuncs.com",
            action: "RunInstances",
            version: "2014-05-26",
            date: "2023-10-26T10:22:32Z".to_owned(),
            nonce: "3156853299f313e23d1673dc12e1703d",
            query: &query,
        };
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"YourAccessKeySecret");
        assert_eq!(
            request.authorization("YourAccessKeyId", &key),
            "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;\
             x-acs-signature-nonce;x-acs-version,\
             Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
        );
    }

    #[test]
    fn parameters_are_encoded_as_rfc_3986_says() {
        assert_eq!(
            canonical_query(&[("a", "1 +*~\u{e9}"), ("b", "{\"c\":1}")]),
            "a=1%20%2B%2A~%C3%A9&b=%7B%22c%22%3A1%7D"
        );
    }
}
