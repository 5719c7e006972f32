//! What carriers that are reached by HTTP have in common.

use http::Uri;

use super::DeliveryError;
use crate::outbound::{HttpClient, OutboundError, Roots};

/// A client for carriers: they stand on any certificate that the operating system trusts.
pub(super) fn client() -> HttpClient {
    HttpClient::new(Roots::System)
}

impl From<OutboundError> for DeliveryError {
    fn from(error: OutboundError) -> Self {
        match error {
            OutboundError::Request(_) => Self::Unsuitable,
            OutboundError::Connection(_) | OutboundError::BrokenOff(_) => Self::Unreachable,
            OutboundError::TooLong => Self::Nonsense,
        }
    }
}

/// A URL that secrets and codes may be sent to: over TLS, or on this computer.
pub(super) fn url(text: &str) -> Result<Uri, String> {
    let url: Uri = text.parse().map_err(|_| "url is not a URL".to_owned())?;
    if url.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("url must not contain a user name".to_owned());
    }
    let is_local = matches!(url.host(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match url.scheme_str() {
        Some("https") => Ok(url),
        Some("http") if is_local => Ok(url),
        _ => Err("url must begin with https://".to_owned()),
    }
}
