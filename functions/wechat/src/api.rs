//! WeChat's API for mini programs: access tokens and codes.
//!
//! Access tokens come from the stable interface: it gives every caller the same token while that lives, so that
//! instances, each with a cache of its own, do not end each other's. No error from here carries an address: the access
//! token is in its query.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use axum::{body::Bytes, http::Request};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use shared::{
    outbound::{self, HttpClient, OutboundError, Roots},
    settings::MiniProgram,
};
use tokio::time::{error::Elapsed, timeout};

use crate::picture::Picture;

/// How long WeChat may take over one call.
const PATIENCE: Duration = Duration::from_secs(4);
/// A token is not used in its last minutes, in seconds: it must outlive the call.
const MARGIN: i64 = 300;
/// The longest answer that is read: a code of the largest width has some hundred KiB.
const MAX_ANSWER_BYTES: usize = 2 << 20;
/// The narrowest code that WeChat draws, in pixels.
const MIN_WIDTH: u32 = 280;

/// The access token is wrong, malformed, or has expired.
const TOKEN_ERRORS: [i64; 3] = [40_001, 40_014, 42_001];
/// The mini program has no such page, or the path cannot be one.
const PAGE_ERRORS: [i64; 2] = [41_030, 40_159];

/// Why there is no code.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WeChatError {
    /// The path leads to no page of the mini program.
    #[error("the mini program has no such page")]
    NoSuchPage,
    /// WeChat refused: it is busy, or the mini program's credentials or quota are not in order.
    #[error("WeChat refused with {code}: {message}")]
    Refused {
        /// WeChat's number for it.
        code: i64,
        /// WeChat's words for it.
        message: String,
    },
    /// WeChat could not be reached.
    #[error("WeChat does not answer: {0}")]
    Unreachable(#[from] OutboundError),
    /// WeChat takes too long.
    #[error("WeChat does not answer in time")]
    TimedOut(#[from] Elapsed),
    /// WeChat answered with something else than a picture or an error.
    #[error("WeChat's answer is no answer: {0}")]
    Nonsense(&'static str),
}

/// WeChat, with the access tokens that it gave.
pub(crate) struct WeChat {
    http: HttpClient,
    /// By the mini program: a new secret does not use the old one's token.
    tokens: Mutex<HashMap<(String, String), AccessToken>>,
}

#[derive(Clone, PartialEq, Eq)]
struct AccessToken {
    text: String,
    usable_until: Timestamp,
}

/// What WeChat made of a request for a code.
enum Drawn {
    Picture(Picture),
    TokenRefused,
}

impl WeChat {
    pub(crate) fn new() -> Self {
        Self { http: HttpClient::new(Roots::System), tokens: Mutex::default() }
    }

    /// The code of a path, at least as wide as WeChat makes them.
    pub(crate) async fn code(
        &self,
        base_url: &str,
        program: &MiniProgram,
        path: &str,
        width: u32,
        now: Timestamp,
    ) -> Result<Picture, WeChatError> {
        // A second time when the token that is kept was ended before its time.
        for _ in 0..2 {
            let token = self.token(base_url, program, now).await?;
            match self.draw(base_url, &token, path, width).await? {
                Drawn::Picture(picture) => return Ok(picture),
                Drawn::TokenRefused => self.forget(program, &token),
            }
        }
        Err(WeChatError::Nonsense("new access tokens are refused, too"))
    }

    async fn draw(&self, base_url: &str, token: &str, path: &str, width: u32) -> Result<Drawn, WeChatError> {
        let url = format!("{base_url}/wxa/getwxacode?access_token={token}");
        let bytes = self.post(&url, &json!({"path": path, "width": width.max(MIN_WIDTH)})).await?;
        let bytes = match serde_json::from_slice::<Refusal>(&bytes) {
            Ok(refusal) if TOKEN_ERRORS.contains(&refusal.code) => return Ok(Drawn::TokenRefused),
            Ok(refusal) => return Err(refusal.into()),
            Err(_) => bytes,
        };
        Picture::recognise(bytes).map(Drawn::Picture).ok_or(WeChatError::Nonsense("neither a picture nor an error"))
    }

    /// The mini program's access token: the one that is kept, or a new one.
    async fn token(&self, base_url: &str, program: &MiniProgram, now: Timestamp) -> Result<String, WeChatError> {
        let kept = self.tokens.lock().unwrap_or_else(PoisonError::into_inner).get(&owner(program)).cloned();
        if let Some(token) = kept.filter(|token| now < token.usable_until) {
            return Ok(token.text);
        }
        let body = json!({
            "grant_type": "client_credential",
            "appid": program.app_id,
            "secret": program.secret.expose(),
        });
        let bytes = self.post(&format!("{base_url}/cgi-bin/stable_token"), &body).await?;
        if let Ok(refusal) = serde_json::from_slice::<Refusal>(&bytes) {
            return Err(refusal.into());
        }
        let granted: Granted =
            serde_json::from_slice(&bytes).map_err(|_| WeChatError::Nonsense("neither a token nor an error"))?;
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
        if granted.access_token.is_empty() || !granted.access_token.bytes().all(is_plain) {
            return Err(WeChatError::Nonsense("the access token has characters that none has"));
        }
        let lifetime = granted.expires_in.clamp(0, 86_400) - MARGIN;
        let usable_until = Timestamp::from_second(now.as_second() + lifetime).unwrap_or(now);
        let token = AccessToken { text: granted.access_token.clone(), usable_until };
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).insert(owner(program), token);
        Ok(granted.access_token)
    }

    /// Forgets a token, unless another request has replaced it already.
    fn forget(&self, program: &MiniProgram, refused: &str) {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.get(&owner(program)).is_some_and(|token| token.text == refused) {
            tokens.remove(&owner(program));
        }
    }

    async fn post(&self, url: &str, body: &serde_json::Value) -> Result<Bytes, WeChatError> {
        let request = Request::post(url).header("content-type", "application/json").body(body.to_string().into());
        let request = request.map_err(OutboundError::from)?;
        let exchange = async {
            let answer = self.http.request(request).await.map_err(OutboundError::from)?;
            if !answer.status().is_success() {
                return Err(WeChatError::Nonsense("the status is not a success"));
            }
            Ok(outbound::body(answer, MAX_ANSWER_BYTES).await?)
        };
        timeout(PATIENCE, exchange).await?
    }
}

fn owner(program: &MiniProgram) -> (String, String) {
    (program.app_id.clone(), program.secret.expose().to_owned())
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: i64,
}

/// WeChat's way to say no, with HTTP 200.
#[derive(Deserialize)]
struct Refusal {
    #[serde(rename = "errcode")]
    code: i64,
    #[serde(default, rename = "errmsg")]
    message: String,
}

impl From<Refusal> for WeChatError {
    fn from(Refusal { code, message }: Refusal) -> Self {
        if PAGE_ERRORS.contains(&code) {
            return Self::NoSuchPage;
        }
        // Enough to see what is wrong; an answer of any length does not fill the log.
        Self::Refused { code, message: message.chars().take(200).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_error_carries_the_access_token() {
        // Nothing answers there.
        let error = WeChat::new().draw("http://127.0.0.1:9", "an-access-token", "a", 430).await.err().unwrap();
        let text = format!("{error} {error:?}");
        assert!(text.starts_with("WeChat does not answer") && !text.contains("an-access-token"), "{text}");
    }
}
