//! Calls to one service: the SDK's models on both ends, and in between no more than a call needs.
//!
//! The SDK's own client builds its configuration, its interceptors and its endpoint anew for each call, which is most of
//! what a call through it computes.

use std::{pin::pin, sync::Arc, time::Duration};

use aws_smithy_runtime_api::client::{
    http::{HttpConnector as _, SharedHttpConnector},
    interceptors::context::{Error, Input, Output},
    orchestrator::{HttpRequest, HttpResponse},
    result::SdkError,
    ser_de::{DeserializeResponse as _, SerializeRequest as _},
};
use aws_smithy_types::config_bag::ConfigBag;
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    operation::{Call, Operation},
    retries::{Retries, may_pass},
    signature::Signer,
};
use crate::clock::{Clock as _, SystemClock};

/// A call that does not answer is given up while the client still waits for us.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
const CALL_TIMEOUT: Duration = Duration::from_secs(8);

/// Who calls one service.
#[derive(Clone, Debug)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    http: SharedHttpConnector,
    /// Scheme, authority and the path before that of an operation, without a slash behind it.
    endpoint: String,
    host: String,
    /// Without one nothing is signed.
    signer: Option<Signer>,
    retries: Retries,
}

/// What came of a call, before its types are known again.
type Answer = Result<Output, SdkError<Error, HttpResponse>>;

impl Client {
    /// The connector must hand over answers whole.
    pub(super) fn new(http: SharedHttpConnector, endpoint: &str, signer: Option<Signer>, retries: Retries) -> Self {
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        let (scheme, rest) = endpoint.split_once("://").unwrap_or(("https", &endpoint));
        let authority = rest.split_once('/').map_or(rest, |(authority, _)| authority);
        // As the connector writes the header.
        let default_port = if scheme == "http" { ":80" } else { ":443" };
        let host = authority.strip_suffix(default_port).unwrap_or(authority).to_owned();
        Self(Arc::new(Inner { http, endpoint, host, signer, retries }))
    }

    #[cfg(test)]
    pub(super) fn endpoint(&self) -> &str {
        &self.0.endpoint
    }

    /// Makes a call, again if need be.
    pub async fn send<C: Call>(&self, call: C) -> Result<C::Output, SdkError<C::Error, HttpResponse>> {
        let input = call.into_input().map_err(SdkError::construction_failure)?;
        let foreign = || unreachable!("an operation answers with its own output");
        let unforeseen = || unreachable!("an operation fails with its own error");
        // Boxed: the futures of all who call would be copied about with room for it.
        match Box::pin(self.0.call(C::operation(), input)).await {
            Ok(output) => Ok(output.downcast().unwrap_or_else(|_| foreign())),
            Err(error) => Err(error.map_service_error(|error| error.downcast().unwrap_or_else(|_| unforeseen()))),
        }
    }
}

impl Inner {
    async fn call(&self, operation: &Operation, input: Input) -> Answer {
        let end = Instant::now() + CALL_TIMEOUT;
        let mut settings = ConfigBag::base();
        let written = operation.serializer().serialize_input(input, &mut settings);
        let mut request = written.map_err(SdkError::construction_failure)?;
        // What is written names a path alone.
        let uri = [&self.endpoint, request.uri()].concat();
        request.set_uri(uri).map_err(SdkError::construction_failure)?;
        let mut attempt = 1;
        loop {
            let copy = request.try_clone().unwrap_or_else(|| unreachable!("the body is in memory"));
            // Pinned here, since a future that is handed over is copied.
            let answer = pin!(self.attempt(operation, copy, &settings));
            let answer = match timeout_at(end.min(Instant::now() + ATTEMPT_TIMEOUT), answer).await {
                Ok(answer) => answer,
                Err(elapsed) => Err(SdkError::timeout_error(elapsed)),
            };
            let Err(error) = &answer else {
                self.retries.succeeded();
                return answer;
            };
            if !may_pass(error, operation) {
                return answer;
            }
            let Some(pause) = self.retries.pause_after(attempt) else { return answer };
            sleep(pause).await;
            attempt += 1;
        }
    }

    async fn attempt(&self, operation: &Operation, mut request: HttpRequest, settings: &ConfigBag) -> Answer {
        if let Some(signer) = &self.signer {
            let signed = signer.sign(&mut request, &self.host, SystemClock.now()).await;
            signed.map_err(SdkError::construction_failure)?;
        }
        let response = self.http.call(request).await.map_err(SdkError::dispatch_failure)?;
        if response.body().bytes().is_none() {
            return Err(SdkError::response_error("the connector did not read the answer", response));
        }
        let read = operation.deserializer().deserialize_nonstreaming_with_config(&response, settings);
        read.map_err(|error| {
            let mut said = None;
            let unread = error.map_operation_error(|error| said = Some(error));
            match said {
                Some(said) => SdkError::service_error(said, response),
                None => SdkError::response_error(format!("{unread:?}"), response),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, sync::Mutex};

    use aws_sdk_dynamodb::operation::{get_item::GetItemInput, put_item::PutItemInput};
    use aws_smithy_runtime_api::{
        client::{
            http::{HttpConnector, HttpConnectorFuture},
            result::ConnectorError,
        },
        http::StatusCode,
    };
    use aws_smithy_types::body::SdkBody;

    use super::*;
    use crate::aws::{Access, Service};

    /// What a call meets.
    #[derive(Clone, Copy, Debug)]
    enum Meets {
        Answer(u16, &'static str),
        NoNetwork,
        Silence,
    }

    const FOUND: Meets = Meets::Answer(200, r#"{"Item":{"pk":{"S":"a"}}}"#);
    const THROTTLED: Meets = Meets::Answer(400, r#"{"__type":"com.amazon#ThrottlingException"}"#);
    const CONFLICTING: Meets = Meets::Answer(400, r#"{"__type":"com.amazon#TransactionConflictException"}"#);
    const REFUSED: Meets = Meets::Answer(400, r#"{"__type":"com.amazon#ConditionalCheckFailedException"}"#);
    const INVALID: Meets = Meets::Answer(400, r#"{"__type":"com.amazon#ValidationException"}"#);
    const BROKEN: Meets = Meets::Answer(500, r#"{"__type":"com.amazon#InternalServerError"}"#);
    const NONSENSE: Meets = Meets::Answer(200, "<html>");

    /// Answers in order, and keeps what it was asked.
    #[derive(Clone, Debug, Default)]
    struct Wire(Arc<Mutex<(VecDeque<Meets>, Vec<HttpRequest>)>>);

    impl HttpConnector for Wire {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            let mut wire = self.0.lock().unwrap();
            wire.1.push(request);
            let meets = wire.0.pop_front().expect("no further call");
            HttpConnectorFuture::new(async move {
                match meets {
                    Meets::Answer(status, body) => {
                        Ok(HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(body)))
                    }
                    Meets::NoNetwork => Err(ConnectorError::io("no route".into())),
                    Meets::Silence => std::future::pending().await,
                }
            })
        }
    }

    impl Wire {
        fn meeting(meets: impl IntoIterator<Item = Meets>) -> Self {
            Self(Arc::new(Mutex::new((meets.into_iter().collect(), Vec::new()))))
        }

        fn client(&self, retries: Retries) -> Client {
            Access::new(self.clone(), None, "eu-west-1").with_retries(retries).client(Service::DynamoDb)
        }

        fn asked(&self) -> Vec<HttpRequest> {
            std::mem::take(&mut self.0.lock().unwrap().1)
        }
    }

    fn get() -> aws_sdk_dynamodb::operation::get_item::builders::GetItemInputBuilder {
        GetItemInput::builder()
            .table_name("Users")
            .key("pk", aws_sdk_dynamodb::types::AttributeValue::S("a".to_owned()))
    }

    #[tokio::test(start_paused = true)]
    async fn what_passes_is_asked_again_and_what_does_not_is_not() {
        for (meets, calls) in [
            (vec![FOUND], 1),
            (vec![THROTTLED, FOUND], 2),
            (vec![CONFLICTING, FOUND], 2),
            (vec![BROKEN, Meets::NoNetwork, FOUND], 3),
            (vec![Meets::NoNetwork, Meets::Silence, FOUND], 3),
        ] {
            let wire = Wire::meeting(meets.clone());
            let answer = wire.client(Retries::standard()).send(get()).await.unwrap();
            assert!(answer.item.is_some(), "{meets:?}");
            assert_eq!(wire.asked().len(), calls, "{meets:?}");
        }
        for (meets, calls) in [
            (vec![INVALID], 1),
            (vec![REFUSED], 1),
            (vec![BROKEN, BROKEN, THROTTLED], 3),
            (vec![Meets::NoNetwork; 3], 3),
            (vec![NONSENSE], 1),
        ] {
            let wire = Wire::meeting(meets.clone());
            wire.client(Retries::standard()).send(get()).await.unwrap_err();
            assert_eq!(wire.asked().len(), calls, "{meets:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_says_what_it_was() {
        let failure = async |meets| {
            let wire = Wire::meeting([meets]);
            let put = PutItemInput::builder().table_name("Users").set_item(Some(std::collections::HashMap::new()));
            wire.client(Retries::none()).send(put).await.unwrap_err()
        };
        assert!(failure(REFUSED).await.as_service_error().unwrap().is_conditional_check_failed_exception());
        assert!(matches!(failure(Meets::NoNetwork).await, SdkError::DispatchFailure(it) if it.is_io()));
        assert!(matches!(failure(Meets::Silence).await, SdkError::TimeoutError(_)));
        assert_eq!(failure(NONSENSE).await.as_service_error().unwrap().meta().code(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_nobody_answers_ends_in_time() {
        let wire = Wire::meeting([Meets::Silence; 3]);
        let started = tokio::time::Instant::now();
        let failure = wire.client(Retries::standard()).send(get()).await.unwrap_err();
        assert!(matches!(failure, SdkError::TimeoutError(_)));
        assert!(started.elapsed() <= CALL_TIMEOUT, "{:?}", started.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_is_down_is_asked_less_often() {
        let wire = Wire::meeting([BROKEN; 400]);
        let client = wire.client(Retries::standard());
        for _ in 0..150 {
            client.send(get()).await.unwrap_err();
        }
        // Fifty calls were made three times, and then each once.
        assert_eq!(wire.asked().len(), 50 * 3 + 100);
        // Five that succeed earn one that is made again.
        *wire.0.lock().unwrap() = ([FOUND; 5].into_iter().chain([BROKEN, FOUND]).collect(), Vec::new());
        for _ in 0..6 {
            client.send(get()).await.unwrap();
        }
        assert_eq!(wire.asked().len(), 7);
    }

    #[tokio::test]
    async fn a_request_is_what_the_service_expects() {
        let wire = Wire::meeting([FOUND; 3]);
        let credentials = aws_credential_types::Credentials::from_keys("AKIDEXAMPLE", "secret", None);
        let provider = aws_credential_types::provider::SharedCredentialsProvider::new(credentials);
        let access = Access::new(wire.clone(), Some(provider), "eu-west-1");
        access.client(Service::DynamoDb).send(get()).await.unwrap();
        access
            .clone()
            .with_endpoint(Some("http://localhost:80/db/"))
            .client(Service::DynamoDb)
            .send(get())
            .await
            .unwrap();
        wire.client(Retries::none()).send(get()).await.unwrap();

        let [own, elsewhere, unsigned] = <[_; 3]>::try_from(wire.asked()).unwrap();
        assert_eq!((own.method(), own.uri()), ("POST", "https://dynamodb.eu-west-1.amazonaws.com/"));
        assert_eq!(own.headers().get("x-amz-target"), Some("DynamoDB_20120810.GetItem"));
        assert_eq!(own.body().bytes(), Some(&br#"{"TableName":"Users","Key":{"pk":{"S":"a"}}}"#[..]));
        let authorization = own.headers().get("authorization").unwrap();
        assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"), "{authorization}");
        assert!(
            authorization.contains("/eu-west-1/dynamodb/aws4_request, SignedHeaders=content-type;host;x-amz-date;")
        );
        assert_eq!(elsewhere.uri(), "http://localhost:80/db/");
        assert_eq!(unsigned.headers().get("authorization"), None);
    }
}
