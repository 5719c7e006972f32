//! Messages to people: what they say, and who carries them.
//!
//! Which carrier a deployment uses is its configuration ([`MailConfig`], [`SmsConfig`]); a function links those that
//! its cargo features name. A message is handed over at most once: no carrier tries again, because one that does not
//! answer may have sent it all the same.

#[cfg(feature = "sms")]
mod aliyun;
mod config;
#[cfg(feature = "end-user-messaging")]
mod end_user_messaging;
mod outbox;
#[cfg(any(feature = "mail", feature = "sms"))]
mod over_http;
#[cfg(feature = "ses")]
mod ses;
#[cfg(feature = "mail")]
mod smtp;
#[cfg(any(feature = "mail", feature = "sms"))]
mod webhook;

use std::time::Duration;

use jiff::Timestamp;

pub use self::{
    config::{AliyunConfig, MailConfig, SmsConfig, SmtpConfig, SmtpSecurity, WebhookConfig},
    outbox::{Outbox, Sent},
};
use crate::{
    app::{AppId, AppRecord},
    clock::Stopwatch,
    codes::Purpose,
    contact::{Address, Channel, Email},
    entropy::Entropy,
    log::{mask, notes},
    secret::VerificationCode,
    settings::Language,
    user::User,
};

/// Why a message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It carries a code.
    Code(Purpose),
    /// Somebody has signed up.
    Welcome,
}

impl Reason {
    /// The word for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Code(purpose) => purpose.as_str(),
            Self::Welcome => "welcome",
        }
    }
}

/// One message to one recipient.
#[derive(Clone, Debug)]
pub struct Message {
    /// Random, so that a carrier can recognise a message that it gets twice.
    pub id: String,
    /// The app that sends it.
    pub app: AppId,
    /// To whom.
    pub to: Address,
    /// Why.
    pub reason: Reason,
    /// The code that it carries, for carriers that compose the text themselves.
    pub code: Option<VerificationCode>,
    /// An e-mail's subject, on one line.
    pub subject: String,
    /// Plain text.
    pub text: Text,
    /// When it was made.
    pub at: Timestamp,
}

/// What a message says; it may contain a code, so that it does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct Text(String);

impl Text {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Text(***)")
    }
}

impl Message {
    /// A message with a code, in the app's own words or the built-in ones.
    pub fn code(
        app: &AppRecord,
        to: Address,
        purpose: Purpose,
        code: VerificationCode,
        entropy: &dyn Entropy,
        at: Timestamp,
    ) -> Self {
        let templates = match to.channel() {
            Channel::Sms => &app.settings.templates.sms,
            Channel::Email => &app.settings.templates.mail,
        };
        let name = one_line(&app.card.name);
        let (subject, built_in) = match (app.language, purpose) {
            (Language::Zh, Purpose::SignUp) => ("注册验证码", "您正在注册，验证码"),
            (Language::Zh, Purpose::SignIn) => ("登录验证码", "您正在登录，验证码"),
            (Language::Zh, Purpose::ForgetPwd) => ("重置密码验证码", "您正在重置密码，验证码"),
            (Language::En, Purpose::SignUp) => ("Your sign-up code", "Your sign-up code is"),
            (Language::En, Purpose::SignIn) => ("Your sign-in code", "Your sign-in code is"),
            (Language::En, Purpose::ForgetPwd) => ("Your password reset code", "Your password reset code is"),
        };
        let digits = code.expose();
        let text = match (templates.get(&purpose), app.language) {
            (Some(template), _) => template.replacen("{code}", digits, 1),
            (None, Language::Zh) => {
                format!("【{name}】{built_in} {digits}，5 分钟内有效。请勿告诉他人；如非本人操作，请忽略。")
            }
            (None, Language::En) => format!(
                "{name}: {built_in} {digits}. It works for 5 minutes. Tell it to nobody. If you did not ask for it, \
                 ignore this message."
            ),
        };
        let subject = match app.language {
            Language::Zh => format!("【{name}】{subject}"),
            Language::En => format!("{name}: {subject}"),
        };
        let reason = Reason::Code(purpose);
        Self { id: entropy.hex::<16>(), app: app.app_id, to, reason, code: Some(code), subject, text: Text(text), at }
    }

    /// A first mail to somebody who has signed up.
    pub fn welcome(app: &AppRecord, to: Email, user: &User, entropy: &dyn Entropy, at: Timestamp) -> Self {
        let name = one_line(&app.card.name);
        let person = one_line(if user.nick_name.is_empty() { &user.user_name } else { &user.nick_name });
        let (subject, text) = match app.language {
            Language::Zh => (format!("欢迎加入{name}"), format!("{person}，您好！\n\n欢迎加入{name}。")),
            Language::En => (format!("Welcome to {name}"), format!("Hello {person},\n\nwelcome to {name}.")),
        };
        Self {
            id: entropy.hex::<16>(),
            app: app.app_id,
            to: Address::Email(to),
            reason: Reason::Welcome,
            code: None,
            subject,
            text: Text(text),
            at,
        }
    }
}

/// The text without anything that could begin a new line, and with it a new header.
fn one_line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}')).collect()
}

/// Why a message was not handed over. It is logged: never what a carrier said in prose, which may name the recipient.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The deployment has no carrier for the channel.
    #[error("no carrier is configured")]
    NoCarrier,
    /// The carrier did not take it in time. It may have been sent.
    #[error("the carrier did not answer in time")]
    TimedOut,
    /// The carrier could not be reached.
    #[error("the carrier cannot be reached")]
    Unreachable,
    /// The carrier said no, in its own code.
    #[error("the carrier refused: {0}")]
    Refused(String),
    /// The carrier said something that is neither yes nor no.
    #[error("the carrier's answer makes no sense")]
    Nonsense,
    /// The message cannot be expressed for the carrier.
    #[error("the carrier cannot take such a message")]
    Unsuitable,
}

impl DeliveryError {
    /// A refusal with a carrier's code. What does not look like a code is not repeated: it may name the recipient.
    pub fn refused(code: &str) -> Self {
        let is_code = code.len() <= 64
            && code.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
            && code.chars().filter(char::is_ascii_digit).count() <= 5;
        Self::Refused(if is_code { code } else { "no code" }.to_owned())
    }
}

/// Who carries the mail.
#[derive(Clone)]
enum Mail {
    Outbox(Outbox),
    #[cfg(feature = "mail")]
    Smtp(smtp::Smtp),
    #[cfg(feature = "mail")]
    Webhook(webhook::Webhook),
    #[cfg(feature = "ses")]
    Ses(ses::Ses),
}

/// Who carries text messages.
#[derive(Clone)]
enum Sms {
    Outbox(Outbox),
    #[cfg(feature = "sms")]
    Webhook(webhook::Webhook),
    #[cfg(feature = "sms")]
    Aliyun(aliyun::Aliyun),
    #[cfg(feature = "end-user-messaging")]
    EndUserMessaging(end_user_messaging::EndUserMessaging),
}

/// Everything that carries messages.
#[derive(Clone, Default)]
pub struct Messages {
    mail: Option<Mail>,
    sms: Option<Sms>,
    deadline: Duration,
}

impl Messages {
    /// How long a carrier may take, unless the deployment says otherwise.
    pub const DEADLINE: Duration = Duration::from_secs(2);

    /// The carriers of these configurations. Those of AWS need its settings.
    pub fn new(
        mail: Option<&MailConfig>,
        sms: Option<&SmsConfig>,
        aws: Option<&crate::aws::Access>,
        deadline: Duration,
    ) -> Result<Self, String> {
        // Everything that a test or a developer reads is one list, in the order in which it was sent.
        let outbox = Outbox::default();
        Ok(Self {
            mail: mail.map(|config| config.carrier(&outbox, aws)).transpose()?,
            sms: sms.map(|config| config.carrier(&outbox, aws)).transpose()?,
            deadline,
        })
    }

    /// What was put into the outbox, if there is one.
    pub fn outbox(&self) -> Option<&Outbox> {
        match (&self.mail, &self.sms) {
            (Some(Mail::Outbox(outbox)), _) | (_, Some(Sms::Outbox(outbox))) => Some(outbox),
            _ => None,
        }
    }

    /// Hands a message over, and returns when that is done or has failed. The failure is the log's business: nobody
    /// who asks for a message may learn from the answer what became of it.
    pub async fn deliver(&self, message: &Message) {
        let stopwatch = Stopwatch::start();
        let outcome = match tokio::time::timeout(self.patience(message.to.channel()), self.hand_over(message)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(DeliveryError::TimedOut),
        };
        let millis = u64::try_from(stopwatch.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (id, app) = (message.id.as_str(), message.app.get());
        let (channel, reason) = (message.to.channel().as_str(), message.reason.as_str());
        let to = mask::text(message.to.emitted()).into_owned();
        notes::message(outcome.is_ok());
        match outcome {
            Ok(()) => tracing::info!(id, app, to, channel, reason, millis, "message delivered"),
            Err(error) => tracing::error!(id, app, to, channel, reason, millis, %error, "message not delivered"),
        }
    }

    /// Takes as long for no message as for one: what is sent to those who are known only is not to be seen by the time
    /// that the answer takes. A carrier that needs longer than its deadline is given up, so that no answer is later.
    pub async fn deliver_unseen(&self, channel: Channel, message: Option<&Message>) {
        let deliver = async {
            if let Some(message) = message {
                self.deliver(message).await;
            }
        };
        if self.takes_time(channel) {
            tokio::join!(deliver, tokio::time::sleep(self.deadline));
        } else {
            deliver.await;
        }
    }

    #[cfg_attr(
        not(any(feature = "mail", feature = "sms")),
        expect(clippy::unused_async, reason = "only carriers that are elsewhere are waited for")
    )]
    async fn hand_over(&self, message: &Message) -> Result<(), DeliveryError> {
        match &message.to {
            #[cfg_attr(not(feature = "mail"), expect(unused_variables, reason = "an outbox reads the message itself"))]
            Address::Email(email) => match self.mail.as_ref().ok_or(DeliveryError::NoCarrier)? {
                Mail::Outbox(outbox) => {
                    outbox.put(message);
                    Ok(())
                }
                #[cfg(feature = "mail")]
                Mail::Smtp(smtp) => smtp.send(email, message).await,
                #[cfg(feature = "mail")]
                Mail::Webhook(webhook) => webhook.send(message).await,
                #[cfg(feature = "ses")]
                Mail::Ses(ses) => ses.send(email, message).await,
            },
            #[cfg_attr(not(feature = "sms"), expect(unused_variables, reason = "an outbox reads the message itself"))]
            Address::Phone(phone) => match self.sms.as_ref().ok_or(DeliveryError::NoCarrier)? {
                Sms::Outbox(outbox) => {
                    outbox.put(message);
                    Ok(())
                }
                #[cfg(feature = "sms")]
                Sms::Webhook(webhook) => webhook.send(message).await,
                #[cfg(feature = "sms")]
                Sms::Aliyun(aliyun) => aliyun.send(phone, message).await,
                #[cfg(feature = "end-user-messaging")]
                Sms::EndUserMessaging(carrier) => carrier.send(phone, message).await,
            },
        }
    }

    /// Whether the channel's carrier is somewhere else.
    fn takes_time(&self, channel: Channel) -> bool {
        match channel {
            Channel::Email => self.mail.as_ref().is_some_and(|mail| !matches!(mail, Mail::Outbox(_))),
            Channel::Sms => self.sms.as_ref().is_some_and(|sms| !matches!(sms, Sms::Outbox(_))),
        }
    }

    fn patience(&self, channel: Channel) -> Duration {
        if self.takes_time(channel) { self.deadline } else { Self::DEADLINE }
    }
}

impl std::fmt::Debug for Messages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Messages")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_begins_a_new_header() {
        assert_eq!(one_line("Shop\r\nBcc: x@y\u{2028}z"), "ShopBcc: x@yz");
    }

    #[test]
    fn a_refusal_is_a_code_and_no_prose() {
        for code in ["isv.BUSINESS_LIMIT_CONTROL", "550", "InvalidAccessKeyId.NotFound"] {
            assert_eq!(DeliveryError::refused(code).to_string(), format!("the carrier refused: {code}"));
        }
        for prose in ["no such user <a@example.com>", "13800138000", "to.13800138000", &"x".repeat(65)] {
            assert_eq!(DeliveryError::refused(prose).to_string(), "the carrier refused: no code");
        }
    }
}
