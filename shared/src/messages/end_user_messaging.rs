//! Text messages through AWS End User Messaging.

use aws_config::{SdkConfig, retry::RetryConfig};
use aws_sdk_pinpointsmsvoicev2::{
    Client,
    config::Builder,
    error::{ProvideErrorMetadata as _, SdkError},
    types::MessageType,
};

use super::{DeliveryError, Message};
use crate::contact::Phone;

/// End User Messaging in the function's region.
#[derive(Clone)]
pub(super) struct EndUserMessaging {
    client: Client,
    origination_identity: String,
}

impl EndUserMessaging {
    pub(super) fn new(aws: &SdkConfig, origination_identity: String) -> Self {
        // A call whose answer was lost may have sent the message: it is not made again.
        let config = Builder::from(aws).retry_config(RetryConfig::disabled()).build();
        Self { client: Client::from_conf(config), origination_identity }
    }

    pub(super) async fn send(&self, to: &Phone, message: &Message) -> Result<(), DeliveryError> {
        let sent = self
            .client
            .send_text_message()
            .destination_phone_number(to.e164())
            .origination_identity(&self.origination_identity)
            .message_body(message.text.as_str())
            .message_type(MessageType::Transactional)
            .send()
            .await;
        match sent {
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
