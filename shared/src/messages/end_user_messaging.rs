//! Text messages through AWS End User Messaging.

use aws_sdk_pinpointsmsvoicev2::{
    error::{ProvideErrorMetadata as _, SdkError},
    operation::send_text_message::SendTextMessageInput,
    types::MessageType,
};

use super::{DeliveryError, Message};
use crate::{
    aws::{Access, Client, Retries, Service},
    contact::Phone,
};

/// End User Messaging in the function's region.
#[derive(Clone)]
pub(super) struct EndUserMessaging {
    client: Client,
    origination_identity: String,
}

impl EndUserMessaging {
    pub(super) fn new(aws: &Access, origination_identity: String) -> Self {
        // A call whose answer was lost may have sent the message: it is not made again.
        let client = aws.clone().with_retries(Retries::none()).client(Service::EndUserMessaging);
        Self { client, origination_identity }
    }

    pub(super) async fn send(&self, to: &Phone, message: &Message) -> Result<(), DeliveryError> {
        let call = SendTextMessageInput::builder()
            .destination_phone_number(to.e164())
            .origination_identity(&self.origination_identity)
            .message_body(message.text.as_str())
            .message_type(MessageType::Transactional);
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
