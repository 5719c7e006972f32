//! Which carrier a deployment uses, as its operator writes it: one JSON object for mail and one for text messages.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Mail, Outbox, Sms};
use crate::codes::Purpose;

/// Who carries the mail.
#[derive(Deserialize)]
#[serde(tag = "carrier", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum MailConfig {
    /// Nobody: messages stay on this computer.
    Outbox,
    /// Amazon Simple Email Service.
    Ses {
        /// The sender, an identity that SES has verified.
        from: String,
        /// A configuration set, for events of what became of a mail.
        configuration_set: Option<String>,
    },
    /// A mail server.
    Smtp(SmtpConfig),
    /// A service of yours.
    Webhook(WebhookConfig),
}

/// Who carries text messages.
#[derive(Deserialize)]
#[serde(tag = "carrier", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum SmsConfig {
    /// Nobody: messages stay on this computer.
    Outbox,
    /// AWS End User Messaging.
    EndUserMessaging {
        /// A phone number, pool or sender id to send from.
        origination_identity: String,
    },
    /// Alibaba Cloud's SMS service.
    Aliyun(AliyunConfig),
    /// A service of yours.
    Webhook(WebhookConfig),
}

/// A mail server.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SmtpConfig {
    /// Its name, which its certificate must have.
    pub host: String,
    /// Its port; 465 or 587 unless it is given.
    pub port: Option<u16>,
    /// How the connection is secured; there is no other than a secured one.
    #[serde(default)]
    pub security: SmtpSecurity,
    /// The user name.
    pub user: String,
    /// The password.
    pub password: String,
    /// The sender, `no-reply@shop.example` or `Shop <no-reply@shop.example>`.
    pub from: String,
    /// Another certificate authority than the public ones, PEM.
    pub certificate_authority: Option<String>,
}

/// How the connection to a mail server is secured.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SmtpSecurity {
    /// TLS from the first byte, port 465.
    #[default]
    Tls,
    /// TLS by STARTTLS, without which nothing is sent, port 587.
    StartTls,
}

/// A service of yours.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WebhookConfig {
    /// Where messages are posted to.
    pub url: String,
    /// What they are signed with, at least 32 characters.
    pub secret: String,
}

/// Alibaba Cloud's SMS service.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AliyunConfig {
    /// The access key's id.
    pub access_key_id: String,
    /// The access key's secret.
    pub access_key_secret: String,
    /// The approved signature.
    pub sign_name: String,
    /// The approved template by purpose; each takes one parameter, `code`.
    pub templates: BTreeMap<Purpose, String>,
    /// The service's URL.
    #[serde(default = "AliyunConfig::url")]
    pub url: String,
}

impl AliyunConfig {
    fn url() -> String {
        "https://dysmsapi.aliyuncs.com/".to_owned()
    }
}

impl MailConfig {
    /// Reads the JSON object.
    pub fn parse(json: &str) -> Result<Self, String> {
        // The error is not passed on: it may quote a secret.
        serde_json::from_str(json).map_err(|error| format!("is not understood at column {}", error.column()))
    }

    #[cfg_attr(not(feature = "mail"), expect(unused_variables, reason = "what is not linked needs nothing"))]
    pub(super) fn carrier(&self, outbox: &Outbox, aws: Option<&crate::aws::Access>) -> Result<Mail, String> {
        match self {
            Self::Outbox => Ok(Mail::Outbox(outbox.clone())),
            #[cfg(feature = "ses")]
            Self::Ses { from, configuration_set } => {
                let aws = aws.ok_or("ses is for deployed functions")?;
                Ok(Mail::Ses(super::ses::Ses::new(aws, from, configuration_set.clone())?))
            }
            #[cfg(feature = "mail")]
            Self::Smtp(config) => super::smtp::Smtp::new(config).map(Mail::Smtp),
            #[cfg(feature = "mail")]
            Self::Webhook(config) => super::webhook::Webhook::new(config).map(Mail::Webhook),
            #[cfg(not(all(feature = "mail", feature = "ses")))]
            _ => Err("this function sends no mail that way".to_owned()),
        }
    }
}

impl SmsConfig {
    /// Reads the JSON object.
    pub fn parse(json: &str) -> Result<Self, String> {
        serde_json::from_str(json).map_err(|error| format!("is not understood at column {}", error.column()))
    }

    #[cfg_attr(not(feature = "sms"), expect(unused_variables, reason = "what is not linked needs nothing"))]
    pub(super) fn carrier(&self, outbox: &Outbox, aws: Option<&crate::aws::Access>) -> Result<Sms, String> {
        match self {
            Self::Outbox => Ok(Sms::Outbox(outbox.clone())),
            #[cfg(feature = "end-user-messaging")]
            Self::EndUserMessaging { origination_identity } => {
                let aws = aws.ok_or("endUserMessaging is for deployed functions")?;
                let carrier = super::end_user_messaging::EndUserMessaging::new(aws, origination_identity.clone());
                Ok(Sms::EndUserMessaging(carrier))
            }
            #[cfg(feature = "sms")]
            Self::Aliyun(config) => super::aliyun::Aliyun::new(config).map(Sms::Aliyun),
            #[cfg(feature = "sms")]
            Self::Webhook(config) => super::webhook::Webhook::new(config).map(Sms::Webhook),
            #[cfg(not(all(feature = "sms", feature = "end-user-messaging")))]
            _ => Err("this function sends no text messages that way".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carriers_are_read_and_mistakes_are_named_without_their_values() {
        assert!(matches!(MailConfig::parse(r#"{"carrier":"outbox"}"#), Ok(MailConfig::Outbox)));
        let smtp = r#"{"carrier":"smtp","host":"h","user":"u","password":"p","from":"a@x","security":"startTls"}"#;
        assert!(matches!(MailConfig::parse(smtp), Ok(MailConfig::Smtp(_))));
        let ses = r#"{"carrier":"ses","from":"a@x"}"#;
        assert!(matches!(MailConfig::parse(ses), Ok(MailConfig::Ses { .. })));
        let aliyun = r#"{"carrier":"aliyun","accessKeyId":"i","accessKeySecret":"s","signName":"n","templates":{"signup":"SMS_1"}}"#;
        assert!(matches!(SmsConfig::parse(aliyun), Ok(SmsConfig::Aliyun(_))));
        let aws = r#"{"carrier":"endUserMessaging","originationIdentity":"pool-1"}"#;
        assert!(matches!(SmsConfig::parse(aws), Ok(SmsConfig::EndUserMessaging { .. })));
        for bad in
            ["", "{}", r#"{"carrier":"pigeon"}"#, r#"{"carrier":"webhook","url":"https://x","secert":"hunter2"}"#]
        {
            let error = SmsConfig::parse(bad).err().unwrap();
            assert!(error.starts_with("is not understood") && !error.contains("hunter2"), "{error}");
        }
    }
}
