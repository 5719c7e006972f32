//! What carriers that are reached by HTTP have in common.

use std::sync::Arc;

use tokio::sync::OnceCell;

use super::DeliveryError;

/// A client that follows nothing, and asks the environment for nothing.
///
/// The first message makes it: it reads the certificates that the operating system trusts, which would be most of the
/// work of a function's start.
#[derive(Clone, Default)]
pub(super) struct HttpClient(Arc<OnceCell<reqwest::Client>>);

impl HttpClient {
    pub(super) async fn get(&self) -> Result<&reqwest::Client, DeliveryError> {
        let make =
            || async { reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build() };
        self.0.get_or_try_init(make).await.map_err(|error| {
            tracing::error!(%error, "no HTTP client can be made");
            DeliveryError::Unreachable
        })
    }
}

/// Why a request brought no answer.
pub(super) fn http_error(error: &reqwest::Error) -> DeliveryError {
    if error.is_timeout() { DeliveryError::TimedOut } else { DeliveryError::Unreachable }
}

/// Whether secrets and codes may be sent to this URL: over TLS, or to this computer.
pub(super) fn check_url(url: &str) -> Result<(), String> {
    let url = reqwest::Url::parse(url).map_err(|_| "url is not a URL".to_owned())?;
    let is_local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_local => Ok(()),
        _ => Err("url must begin with https://".to_owned()),
    }
}
