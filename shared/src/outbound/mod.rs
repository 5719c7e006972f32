//! HTTP/1.1 to other servers, over TLS or plain: hyper and rustls. Nothing is followed, and no proxy of the environment is
//! asked.

mod connector;
mod roots;

use std::sync::Arc;

use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper_util::{
    client::legacy::{self, Client, ResponseFuture},
    rt::{TokioExecutor, TokioTimer},
};

pub use hyper::body::Incoming;

use self::connector::Connector;
pub use self::roots::Roots;

/// A client, with its connections. It is cheap to make, and its clones share the connections.
#[derive(Clone, Debug)]
pub struct HttpClient(Arc<Client<Connector, SdkBody>>);

/// Why there is no answer, or none that can be used. It names no address: there may be secrets in it.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// The request could not be put together.
    #[error("no request: {0}")]
    Request(#[from] http::Error),
    /// The server could not be reached, or did not speak HTTP.
    #[error("{0}{cause}", cause = Cause(.0))]
    Connection(#[from] legacy::Error),
    /// The answer broke off.
    #[error("the answer broke off: {0}")]
    BrokenOff(Box<dyn std::error::Error + Send + Sync>),
    /// The answer is longer than anything that is expected.
    #[error("the answer is too long")]
    TooLong,
}

/// What an error is because of.
struct Cause<'a>(&'a legacy::Error);

impl std::fmt::Display for Cause<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::error::Error::source(self.0).map_or(Ok(()), |source| write!(f, ": {source}"))
    }
}

impl HttpClient {
    /// A client that believes these certificates. It reads them when the first request goes out over TLS.
    pub fn new(roots: Roots) -> Self {
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new());
        Self(Arc::new(builder.build(Connector::new(roots))))
    }

    /// Sends a request to an absolute URL. The time that it may take is the caller's to limit.
    pub fn request(&self, request: Request<SdkBody>) -> ResponseFuture {
        self.0.request(request)
    }
}

/// The whole body of an answer, if it has no more than so many bytes.
pub async fn body(answer: Response<Incoming>, longest: usize) -> Result<Bytes, OutboundError> {
    match Limited::new(answer.into_body(), longest).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(OutboundError::TooLong),
        Err(error) => Err(OutboundError::BrokenOff(error)),
    }
}

#[cfg(test)]
mod tests {
    use rustls::crypto::aws_lc_rs;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

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

    async fn ask(roots: Roots, url: &str) -> Result<Bytes, OutboundError> {
        let request = Request::get(url).body(SdkBody::empty())?;
        body(HttpClient::new(roots).request(request).await?, "hello".len()).await
    }

    #[tokio::test]
    async fn over_tls_only_who_is_trusted_and_meant_is_heard() {
        let (url, certificate) = server(&["localhost"]).await;
        assert_eq!(ask(Roots::File(certificate.clone()), &url).await.unwrap(), "hello");
        for strangers in [Roots::Amazon, Roots::System] {
            let error = ask(strangers.clone(), &url).await.unwrap_err();
            assert!(format!("{error:?}").contains("UnknownIssuer"), "{strangers:?}: {error:?}");
        }
        let (url, certificate) = server(&["elsewhere.example"]).await;
        let error = ask(Roots::File(certificate), &url).await.unwrap_err();
        assert!(format!("{error:?}").contains("NotValidForName"), "{error:?}");
    }

    /// What comes of an answer in these words.
    #[expect(clippy::disallowed_methods, reason = "the server is there until the test ends")]
    async fn answered(words: &'static str) -> Result<Bytes, OutboundError> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = [0; 1024];
            assert_ne!(stream.read(&mut asked).await.unwrap(), 0);
            stream.write_all(words.as_bytes()).await.unwrap();
        });
        ask(Roots::Amazon, &url).await
    }

    #[tokio::test]
    async fn an_answer_is_whole_and_no_longer_than_expected() {
        assert_eq!(answered("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await.unwrap(), "hello");
        let long = answered("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhello!").await;
        assert!(matches!(long, Err(OutboundError::TooLong)), "{long:?}");
        let short = answered("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell").await;
        assert!(matches!(short, Err(OutboundError::BrokenOff(_))), "{short:?}");
        let none = answered("who is there?\r\n\r\n").await;
        assert!(matches!(none, Err(OutboundError::Connection(_))), "{none:?}");
    }

    #[tokio::test]
    async fn an_error_says_why_and_not_where() {
        let error = ask(Roots::Amazon, "http://127.0.0.1:1/?access_token=secret").await.unwrap_err();
        assert_eq!(error.to_string(), "client error (Connect): tcp connect error");
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }

    #[tokio::test]
    async fn nothing_is_followed() {
        let moved = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 2\r\n\r\nno";
        assert_eq!(answered(moved).await.unwrap(), "no");
    }
}
