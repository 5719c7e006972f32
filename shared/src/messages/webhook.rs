//! Messages handed to a service of yours: a signed HTTP POST, so that any carrier fits.
//!
//! The body is JSON. `x-tessera-signature` is `v1=` and the hexadecimal HMAC-SHA-256, under the shared secret, of the
//! header `x-tessera-timestamp` (seconds since 1970), a full stop, and the body as it was sent. A receiver compares it,
//! refuses a timestamp that is minutes old, and treats an `id` that it has seen as done. Any status from 200 to 299
//! means that it took the message.

use aws_lc_rs::hmac;
use http::{Request, Uri};
use serde::Serialize;

use super::{DeliveryError, Message, WebhookConfig, over_http};
use crate::{
    contact::Address,
    entropy::hex,
    outbound::{HttpClient, OutboundError},
    secret::VerificationCode,
};

/// A service of yours.
#[derive(Clone)]
pub(super) struct Webhook {
    client: HttpClient,
    url: Uri,
    key: std::sync::Arc<hmac::Key>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'a> {
    id: &'a str,
    app_id: u32,
    channel: &'static str,
    /// E.164, or an e-mail address.
    to: &'a str,
    purpose: &'static str,
    code: Option<&'a str>,
    subject: Option<&'a str>,
    text: &'a str,
}

impl Webhook {
    pub(super) fn new(config: &WebhookConfig) -> Result<Self, String> {
        let url = over_http::url(&config.url)?;
        if config.secret.chars().count() < 32 {
            return Err("secret must have at least 32 characters".to_owned());
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, config.secret.as_bytes());
        Ok(Self { client: over_http::client(), url, key: key.into() })
    }

    pub(super) async fn send(&self, message: &Message) -> Result<(), DeliveryError> {
        let (to, subject) = match &message.to {
            Address::Phone(phone) => (phone.e164(), None),
            Address::Email(email) => (email.as_str(), Some(message.subject.as_str())),
        };
        let body = serde_json::to_string(&Payload {
            id: &message.id,
            app_id: message.app.get(),
            channel: message.to.channel().as_str(),
            to,
            purpose: message.reason.as_str(),
            code: message.code.as_ref().map(VerificationCode::expose),
            subject,
            text: message.text.as_str(),
        })
        .map_err(|_| DeliveryError::Unsuitable)?;
        let timestamp = message.at.as_second();
        let request = Request::post(&self.url)
            .header("content-type", "application/json")
            .header("x-tessera-timestamp", timestamp)
            .header("x-tessera-signature", sign(&self.key, timestamp, &body))
            .body(body.into())
            .map_err(OutboundError::from)?;
        let answer = self.client.request(request).await.map_err(OutboundError::from)?;
        if answer.status().is_success() { Ok(()) } else { Err(DeliveryError::refused(answer.status().as_str())) }
    }
}

fn sign(key: &hmac::Key, timestamp: i64, body: &str) -> String {
    format!("v1={}", hex(hmac::sign(key, format!("{timestamp}.{body}").as_bytes()).as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_a_plain_hmac() {
        // printf '%s' '1700000000.{"id":"1"}' | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"0123456789abcdef0123456789abcdef");
        assert_eq!(
            sign(&key, 1_700_000_000, r#"{"id":"1"}"#),
            "v1=e97957e90a053fb41f7859afbe3a7e90ee114550457a5fdf0e05bf42ee308c7f"
        );
    }

    #[test]
    fn codes_do_not_travel_in_the_clear() {
        let webhook = |url: &str, secret: &str| {
            Webhook::new(&WebhookConfig { url: url.to_owned(), secret: secret.to_owned() }).map(|_| ())
        };
        let secret = "0123456789abcdef0123456789abcdef";
        assert_eq!(webhook("https://sms.example/hook", secret), Ok(()));
        assert_eq!(webhook("http://127.0.0.1:9/hook", secret), Ok(()));
        assert!(webhook("http://sms.example/hook", secret).is_err());
        assert!(webhook("ftp://127.0.0.1/", secret).is_err());
        assert!(webhook("/hook", secret).is_err());
        assert!(webhook("https://user:password@sms.example/hook", secret).is_err());
        assert!(webhook("https://sms.example/hook", "short").is_err());
    }
}
