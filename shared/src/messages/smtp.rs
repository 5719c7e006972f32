//! Mail through a mail server, over TLS and with a password.

use std::sync::Arc;

use lettre::{
    Address as SmtpAddress, AsyncSmtpTransport, AsyncTransport as _, Message as Mail, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
    },
};

use super::{DeliveryError, Message, SmtpConfig, SmtpSecurity};
use crate::contact::Email;

/// A mail server.
#[derive(Clone)]
pub(super) struct Smtp {
    transport: Arc<AsyncSmtpTransport<Tokio1Executor>>,
    from: Mailbox,
}

impl Smtp {
    pub(super) fn new(config: &SmtpConfig) -> Result<Self, String> {
        let mut tls = TlsParameters::builder(config.host.clone());
        if let Some(pem) = &config.certificate_authority {
            let authority =
                Certificate::from_pem(pem.as_bytes()).map_err(|_| "certificateAuthority is not PEM".to_owned())?;
            tls = tls.add_root_certificate(authority);
        }
        let tls = tls.build_rustls().map_err(|error| format!("TLS cannot be set up: {error}"))?;
        let (tls, port) = match config.security {
            SmtpSecurity::Tls => (Tls::Wrapper(tls), 465),
            SmtpSecurity::StartTls => (Tls::Required(tls), 587),
        };
        let transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(config.host.clone())
            .port(config.port.unwrap_or(port))
            .tls(tls)
            .credentials(Credentials::new(config.user.clone(), config.password.clone()))
            .build();
        let from = config.from.parse().map_err(|_| "from is not a mailbox".to_owned())?;
        Ok(Self { transport: Arc::new(transport), from })
    }

    pub(super) async fn send(&self, to: &Email, message: &Message) -> Result<(), DeliveryError> {
        let to: SmtpAddress = to.as_str().parse().map_err(|_| DeliveryError::Unsuitable)?;
        let domain = self.from.email.domain();
        let mail = Mail::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(&message.subject)
            .message_id(Some(format!("<{}@{domain}>", message.id)))
            .header(ContentType::TEXT_PLAIN)
            .body(message.text.as_str().to_owned())
            .map_err(|_| DeliveryError::Unsuitable)?;
        match self.transport.send(mail).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_timeout() => Err(DeliveryError::TimedOut),
            Err(error) => Err(match error.status() {
                Some(code) => DeliveryError::refused(&code.to_string()),
                None if error.is_response() => DeliveryError::Nonsense,
                None => DeliveryError::Unreachable,
            }),
        }
    }
}
