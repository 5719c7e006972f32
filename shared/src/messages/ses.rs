//! Mail through Amazon Simple Email Service.

use aws_sdk_sesv2::{
    error::{ProvideErrorMetadata as _, SdkError},
    operation::send_email::SendEmailInput,
    types::{Body, Content, Destination, EmailContent, Message as Mail},
};

use super::{DeliveryError, Message};
use crate::{
    aws::{Access, Client, Retries, Service},
    contact::Email,
};

/// SES in the function's region.
#[derive(Clone)]
pub(super) struct Ses {
    client: Client,
    from: String,
    configuration_set: Option<String>,
}

impl Ses {
    pub(super) fn new(aws: &Access, from: &str, configuration_set: Option<String>) -> Result<Self, String> {
        if !from.contains('@') || from.chars().any(char::is_control) {
            return Err("from is not a mailbox".to_owned());
        }
        // A call whose answer was lost may have sent the mail: it is not made again.
        let client = aws.clone().with_retries(Retries::none()).client(Service::Email);
        Ok(Self { client, from: from.to_owned(), configuration_set })
    }

    pub(super) async fn send(&self, to: &Email, message: &Message) -> Result<(), DeliveryError> {
        let content = |text: &str| Content::builder().data(text).charset("UTF-8").build();
        let unsuitable = |_| DeliveryError::Unsuitable;
        let mail = Mail::builder()
            .subject(content(&message.subject).map_err(unsuitable)?)
            .body(Body::builder().text(content(message.text.as_str()).map_err(unsuitable)?).build())
            .build();
        let call = SendEmailInput::builder()
            .from_email_address(&self.from)
            .set_configuration_set_name(self.configuration_set.clone())
            .destination(Destination::builder().to_addresses(to.as_str()).build())
            .content(EmailContent::builder().simple(mail).build());
        match self.client.send(call).await {
            Ok(answer) if answer.message_id().is_some() => Ok(()),
            Ok(_) | Err(SdkError::ResponseError(_)) => Err(DeliveryError::Nonsense),
            Err(SdkError::TimeoutError(_)) => Err(DeliveryError::TimedOut),
            Err(SdkError::ServiceError(error)) => {
                Err(error.err().code().map_or(DeliveryError::Nonsense, DeliveryError::refused))
            }
            Err(_) => Err(DeliveryError::Unreachable),
        }
    }
}
