//! HTTP/1.1 to AWS, over TLS or plain: hyper behind the SDK's own interface for connectors.
//!
//! The SDK's default connector speaks HTTP/2 too, which DynamoDB does not, and cannot be built without it.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture},
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
};
use aws_smithy_types::body::SdkBody;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Builder, Client, connect::HttpConnector as Tcp},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, crypto::aws_lc_rs};

use super::roots::Roots;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Two clients, each made when the first request asks for its scheme: who calls nothing over TLS sets none up. Answers
/// are handed over whole.
#[derive(Clone, Debug)]
pub(super) struct Http(Arc<Clients>);

#[derive(Debug)]
struct Clients {
    roots: Roots,
    plain: OnceLock<Client<Tcp, SdkBody>>,
    tls: OnceLock<Client<HttpsConnector<Tcp>, SdkBody>>,
}

impl Http {
    pub(super) fn new(roots: Roots) -> Self {
        Self(Arc::new(Clients { roots, plain: OnceLock::new(), tls: OnceLock::new() }))
    }

    fn plain(&self) -> &Client<Tcp, SdkBody> {
        self.0.plain.get_or_init(|| builder().build(tcp()))
    }

    fn tls(&self) -> &Client<HttpsConnector<Tcp>, SdkBody> {
        self.0.tls.get_or_init(|| {
            let mut tcp = tcp();
            tcp.enforce_http(false);
            let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap_or_else(|error| unreachable!("the provider has the default versions: {error}"))
                .with_root_certificates(self.0.roots.store())
                .with_no_client_auth();
            builder().build(
                HttpsConnectorBuilder::new().with_tls_config(config).https_only().enable_http1().wrap_connector(tcp),
            )
        })
    }
}

fn builder() -> Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_timer(TokioTimer::new());
    builder
}

fn tcp() -> Tcp {
    let mut tcp = Tcp::new();
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    tcp
}

impl HttpConnector for Http {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let is_plain = request.uri().starts_with("http://");
        let request: Request<SdkBody> = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        };
        let sent = if is_plain { self.plain().request(request) } else { self.tls().request(request) };
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
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn tls_is_set_up_by_the_first_request_over_it() {
        let http = Http::new(Roots::Amazon);
        let call = |uri: &str| {
            let mut request = HttpRequest::empty();
            request.set_uri(uri).unwrap();
            http.call(request)
        };
        drop(call("http://127.0.0.1:8000/"));
        assert!(http.0.plain.get().is_some() && http.0.tls.get().is_none());
        drop(call("https://dynamodb.eu-west-1.amazonaws.com/"));
        assert!(http.0.tls.get().is_some());
    }

    /// A server behind a certificate that it made itself for these names, and the certificate.
    #[expect(clippy::disallowed_methods, reason = "the server is there until the test ends")]
    async fn server(names: &[&str]) -> (String, Vec<u8>) {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names).unwrap();
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![cert.der().clone()],
                rustls::pki_types::PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap(),
            )
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut asked = [0; 1024];
                let read = stream.read(&mut asked).await.unwrap();
                assert!(asked[..read].starts_with(b"GET / HTTP/1.1\r\n"), "{asked:?}");
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await.unwrap();
                stream.shutdown().await.unwrap();
            }
        });
        (url, cert.pem().into_bytes())
    }

    async fn ask(roots: Roots, url: &str) -> Result<HttpResponse, ConnectorError> {
        let mut request = HttpRequest::empty();
        request.set_uri(url).unwrap();
        Http::new(roots).call(request).await
    }

    #[tokio::test]
    async fn over_tls_only_who_is_trusted_and_meant_is_heard() {
        let (url, certificate) = server(&["localhost"]).await;
        let answer = ask(Roots::File(certificate.clone()), &url).await.unwrap();
        assert_eq!(answer.body().bytes(), Some(&b"hello"[..]));
        for strangers in [Roots::Amazon, Roots::System] {
            let error = ask(strangers.clone(), &url).await.unwrap_err();
            assert!(format!("{error:?}").contains("UnknownIssuer"), "{strangers:?}: {error:?}");
        }
        let (url, certificate) = server(&["elsewhere.example"]).await;
        let error = ask(Roots::File(certificate), &url).await.unwrap_err();
        assert!(format!("{error:?}").contains("NotValidForName"), "{error:?}");
    }

    #[tokio::test]
    async fn nobody_there_is_an_error_of_the_network() {
        let error = ask(Roots::Amazon, "http://127.0.0.1:1/").await.unwrap_err();
        assert!(error.is_io(), "{error:?}");
    }
}
