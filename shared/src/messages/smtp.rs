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
use tokio::sync::OnceCell;

use super::{DeliveryError, Message, SmtpConfig, SmtpSecurity};
use crate::contact::Email;

type Transport = AsyncSmtpTransport<Tokio1Executor>;

/// A mail server.
#[derive(Clone)]
pub(super) struct Smtp {
    host: String,
    port: u16,
    security: SmtpSecurity,
    authority: Option<Certificate>,
    credentials: Credentials,
    from: Mailbox,
    // Made by the first message: TLS reads the certificates that the operating system trusts, which would be most of
    // the work of a function's start.
    transport: Arc<OnceCell<Transport>>,
}

impl Smtp {
    pub(super) fn new(config: &SmtpConfig) -> Result<Self, String> {
        let authority = match &config.certificate_authority {
            Some(pem) => {
                Some(Certificate::from_pem(pem.as_bytes()).map_err(|_| "certificateAuthority is not PEM".to_owned())?)
            }
            None => None,
        };
        let from = config.from.parse().map_err(|_| "from is not a mailbox".to_owned())?;
        let default_port = match config.security {
            SmtpSecurity::Tls => 465,
            SmtpSecurity::StartTls => 587,
        };
        Ok(Self {
            host: config.host.clone(),
            port: config.port.unwrap_or(default_port),
            security: config.security,
            authority,
            credentials: Credentials::new(config.user.clone(), config.password.clone()),
            from,
            transport: Arc::default(),
        })
    }

    fn connect(&self) -> Result<Transport, lettre::transport::smtp::Error> {
        let mut tls = TlsParameters::builder(self.host.clone());
        if let Some(authority) = &self.authority {
            tls = tls.add_root_certificate(authority.clone());
        }
        let tls = tls.build_rustls()?;
        let tls = match self.security {
            SmtpSecurity::Tls => Tls::Wrapper(tls),
            SmtpSecurity::StartTls => Tls::Required(tls),
        };
        let transport = Transport::builder_dangerous(self.host.clone()).port(self.port).tls(tls);
        Ok(transport.credentials(self.credentials.clone()).build())
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
        let transport = self.transport.get_or_try_init(|| async { self.connect() }).await.map_err(|error| {
            tracing::error!(%error, "TLS cannot be set up");
            DeliveryError::Unreachable
        })?;
        match transport.send(mail).await {
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
