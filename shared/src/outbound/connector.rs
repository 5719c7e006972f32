//! How connections come about.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use http::{Uri, uri::Scheme};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector as Tcp;
use rustls::{ClientConfig, crypto::aws_lc_rs};
use tower::{Service, ServiceExt as _};

use super::Roots;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Connects by TLS or without, as the URL says. Who calls nothing over TLS sets none up.
#[derive(Clone)]
pub(super) struct Connector {
    tcp: Tcp,
    tls: Arc<Tls>,
}

struct Tls {
    roots: Roots,
    connector: OnceLock<HttpsConnector<Tcp>>,
}

impl Connector {
    pub(super) fn new(roots: Roots) -> Self {
        let mut tcp = Tcp::new();
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        // The schemes are told apart here.
        tcp.enforce_http(false);
        Self { tcp, tls: Arc::new(Tls { roots, connector: OnceLock::new() }) }
    }

    fn tls(&self) -> &HttpsConnector<Tcp> {
        self.tls.connector.get_or_init(|| {
            let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap_or_else(|error| unreachable!("the provider has the default versions: {error}"))
                .with_root_certificates(self.tls.roots.store())
                .with_no_client_auth();
            HttpsConnectorBuilder::new()
                .with_tls_config(config)
                .https_only()
                .enable_http1()
                .wrap_connector(self.tcp.clone())
        })
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<<Tcp as Service<Uri>>::Response>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        if url.scheme() == Some(&Scheme::HTTP) {
            let connecting = self.tcp.clone().oneshot(url);
            Box::pin(async { Ok(MaybeHttpsStream::Http(connecting.await?)) })
        } else {
            Box::pin(self.tls().clone().oneshot(url))
        }
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("roots", &self.tls.roots).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tls_is_set_up_by_the_first_connection_over_it() {
        let mut connector = Connector::new(Roots::Amazon);
        drop(connector.call(Uri::from_static("http://127.0.0.1:8000/")));
        assert!(connector.tls.connector.get().is_none());
        drop(connector.call(Uri::from_static("https://dynamodb.eu-west-1.amazonaws.com/")));
        assert!(connector.tls.connector.get().is_some());
    }
}
