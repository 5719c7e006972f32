//! Operations of which the service needs so little that the SDK's model of their whole service is not worth its size.
//! <https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html>

use std::{fmt::Debug, marker::PhantomData};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::context::{Error, Input, Output},
        orchestrator::{HttpRequest, HttpResponse, OrchestratorError},
        ser_de::{DeserializeResponse, SerializeRequest, SharedRequestSerializer, SharedResponseDeserializer},
    },
};
use aws_smithy_types::{
    body::SdkBody,
    config_bag::{ConfigBag, FrozenLayer, Layer},
    error::{ErrorMetadata, operation::BuildError},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::operation::{Call, Operation};

/// An input that serde writes. What fails is said by a code and a sentence, as an [`ErrorMetadata`].
pub trait JsonInput: Debug + Serialize + Send + Sync + 'static {
    /// The service and the operation, for example `AmazonSSM.GetParameters`.
    const TARGET: &'static str;

    /// What comes back.
    type Output: Debug + DeserializeOwned + Send + Sync + 'static;

    /// An [`Operation::json`] of this input, in a static.
    fn model() -> &'static Operation;
}

impl<I: JsonInput> Call for I {
    type Output = I::Output;
    type Error = ErrorMetadata;

    fn operation() -> &'static Operation {
        I::model()
    }

    fn into_input(self) -> Result<Input, BuildError> {
        Ok(Input::erase(self))
    }
}

/// What the client has to know of such an operation.
pub(super) fn model<I: JsonInput>() -> FrozenLayer {
    let mut layer = Layer::new(I::TARGET);
    layer.store_put(SharedRequestSerializer::new(Json::<I>(PhantomData)));
    layer.store_put(SharedResponseDeserializer::new(Json::<I>(PhantomData)));
    layer.freeze()
}

#[derive(Debug)]
struct Json<I>(PhantomData<I>);

impl<I: JsonInput> SerializeRequest for Json<I> {
    fn serialize_input(&self, input: Input, _: &mut ConfigBag) -> Result<HttpRequest, BoxError> {
        let input: I = input.downcast().map_err(|_| "the input of another operation")?;
        let mut request = HttpRequest::new(SdkBody::from(serde_json::to_string(&input)?));
        request.set_method("POST")?;
        request.set_uri("/")?;
        request.headers_mut().insert("content-type", "application/x-amz-json-1.1");
        request.headers_mut().insert("x-amz-target", I::TARGET);
        Ok(request)
    }
}

/// Where an answer cannot be read. What stands there may be a secret.
fn unread(error: &serde_json::Error) -> OrchestratorError<Error> {
    OrchestratorError::other(format!("{:?} at column {} of the answer", error.classify(), error.column()))
}

/// How a service refuses.
#[derive(Deserialize)]
struct Refusal {
    /// May begin with a namespace and `#`, and end with `:` and an address.
    #[serde(rename = "__type")]
    code: String,
    #[serde(alias = "Message")]
    message: Option<String>,
}

impl<I: JsonInput> DeserializeResponse for Json<I> {
    fn deserialize_nonstreaming_with_config(
        &self,
        response: &HttpResponse,
        _: &ConfigBag,
    ) -> Result<Output, OrchestratorError<Error>> {
        let body = response.body().bytes().unwrap_or_default();
        if response.status().is_success() {
            let output: I::Output = serde_json::from_slice(body).map_err(|error| unread(&error))?;
            return Ok(Output::erase(output));
        }
        let Refusal { code, message } = serde_json::from_slice(body).map_err(|error| unread(&error))?;
        let code = code.rsplit('#').next().and_then(|code| code.split(':').next()).unwrap_or_default();
        let mut said = ErrorMetadata::builder().code(code);
        if let Some(message) = message {
            said = said.message(message);
        }
        Err(OrchestratorError::operation(Error::erase(said.build())))
    }
}
