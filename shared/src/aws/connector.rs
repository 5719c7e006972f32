//! Our client of HTTP behind the SDK's interface for connectors.

use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture},
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
};
use aws_smithy_types::body::SdkBody;
use http::{Request, Response};
use http_body_util::BodyExt as _;

use crate::outbound::HttpClient;

/// Answers are handed over whole.
#[derive(Debug)]
pub(super) struct Connector(pub(super) HttpClient);

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let request: Request<SdkBody> = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        };
        let sent = self.0.request(request);
        HttpConnectorFuture::new(async move {
            let (head, body) = sent.await.map_err(|error| ConnectorError::io(error.into()))?.into_parts();
            let body = body.collect().await.map_err(|error| ConnectorError::io(error.into()))?.to_bytes();
            HttpResponse::try_from(Response::from_parts(head, SdkBody::from(body)))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::Roots;

    #[tokio::test]
    async fn nobody_there_is_an_error_of_the_network() {
        let mut request = HttpRequest::empty();
        request.set_uri("http://127.0.0.1:1/").unwrap();
        let error = Connector(HttpClient::new(Roots::Amazon)).call(request).await.unwrap_err();
        assert!(error.is_io(), "{error:?}");
    }
}
