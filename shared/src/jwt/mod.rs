//! Access tokens: signed with the deployment's active key, verified with the key that the token names.
//!
//! The key decides the algorithm, never the token. A header that says anything beside `alg`, `typ` and `kid` is
//! refused, so that no token brings or fetches a key of its own.

mod keys;
mod remembered;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use jsonwebtoken::Validation;
use serde::{Deserialize, Serialize};

pub use self::keys::{KeyError, KeyRing, SigningKey, SigningKeySet};
use self::remembered::Remembered;
use crate::{
    app::{AppId, AppRecord},
    consent::{ConsentId, GrantId},
    entropy::Entropy,
    secret::AccessToken,
    user::{User, UserId},
};

/// The longest token, in bytes: existing clients keep it in one cookie.
pub const MAX_TOKEN_BYTES: usize = 3_800;
/// The longest that a token lives, in days. A key that signed is kept as long: [`crate::key_rotation`].
pub const MAX_TOKEN_DAYS: u32 = 99;
/// The longest avatar, in bytes, that becomes the `picture` claim.
const MAX_PICTURE_BYTES: usize = 255;
/// How far the clocks of two instances may differ, in seconds.
const CLOCK_SKEW: i64 = 30;

/// How a user signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GrantType {
    /// User name and password.
    Account,
    /// The user's own external identity.
    UnionId,
    /// A code sent to the phone.
    Phone,
    /// A code sent to the mailbox.
    Email,
    /// A phone confirmed for a page.
    QrCode,
    /// A bound external account.
    External,
}

impl GrantType {
    /// The claim's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::UnionId => "unionid",
            Self::Phone => "phone",
            Self::Email => "email",
            Self::QrCode => "qrcode",
            Self::External => "external",
        }
    }
}

/// What a deployment writes into its tokens.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// `iss` and `aud`: the public URL with a trailing slash.
    pub url: String,
    /// `tenant_id`.
    pub tenant_id: String,
    /// `tenant_name`.
    pub tenant_name: String,
}

/// Issues and verifies tokens.
pub struct Tokens {
    ring: KeyRing,
    issuer: Issuer,
    /// What was verified with this ring.
    remembered: Remembered,
}

/// What a token is asked for.
#[derive(Clone, Copy, Debug)]
pub struct TokenRequest<'a> {
    /// The app that it is good for.
    pub app: &'a AppRecord,
    /// The user who signed in.
    pub user: &'a User,
    /// How.
    pub grant_type: GrantType,
    /// Days until it expires.
    pub days: u32,
    /// What it was granted for; only for tokens that an authorization code was exchanged for.
    pub oauth: Option<OAuthClaims<'a>>,
}

/// What a token says about the consent that it was issued under.
#[derive(Clone, Copy, Debug)]
pub struct OAuthClaims<'a> {
    /// The scopes as they were asked for.
    pub scope: &'a str,
    /// The consent: the token ends with it.
    pub consent: ConsentId,
    /// The grant: the token ends when its code is used again.
    pub grant: &'a GrantId,
}

/// The answer of every sign-in and sign-up.
#[derive(Clone, Debug, Serialize)]
pub struct TokenResponse {
    #[serde(serialize_with = "expose")]
    access_token: AccessToken,
    token_type: &'static str,
    expires_in: u32,
}

fn expose<S: serde::Serializer>(token: &AccessToken, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(token.expose())
}

#[derive(Serialize)]
struct Claims<'a> {
    jti: String,
    appid: String,
    nameid: String,
    unique_name: &'a str,
    given_name: &'a str,
    role: &'a str,
    picture: &'a str,
    platform: &'a str,
    unionid: &'a str,
    email: &'a str,
    mobile: &'a str,
    grant_type: &'a str,
    groupsid: &'a str,
    permission: String,
    tenant_id: &'a str,
    tenant_name: &'a str,
    scope: &'a str,
    sub: String,
    iss: &'a str,
    aud: &'a str,
    nbf: i64,
    iat: i64,
    exp: i64,
    ver: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gid: Option<&'a str>,
}

/// What a verified token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedToken {
    /// The app that it is good for.
    pub app: AppId,
    /// Whom it speaks for.
    pub user: UserId,
    /// The user's token version when it was issued.
    pub version: u64,
    /// The consent and the grant that it depends on, if it came of an authorization code.
    pub oauth: Option<(ConsentId, GrantId)>,
}

/// A token whose signature is ours.
#[derive(Clone, Debug)]
struct SignedToken {
    token: VerifiedToken,
    validity: Validity,
}

/// When a token is good, in seconds since 1970.
#[derive(Clone, Copy, Debug)]
struct Validity {
    from: i64,
    /// Not good any more at this time.
    until: i64,
}

impl Validity {
    fn contains(self, now: Timestamp) -> bool {
        let now = now.as_second();
        now < self.until && self.from <= now + CLOCK_SKEW
    }
}

/// The token is not one of ours, not for now, or not well formed. Which of these is nobody's business.
#[derive(Debug)]
pub struct BadToken;

impl<E: std::error::Error> From<E> for BadToken {
    fn from(_: E) -> Self {
        Self
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedHeader {
    alg: String,
    typ: String,
    kid: String,
}

#[derive(Deserialize)]
struct ExpectedClaims {
    appid: String,
    nameid: String,
    sub: String,
    iss: String,
    aud: String,
    nbf: i64,
    iat: i64,
    exp: i64,
    ver: String,
    cid: Option<String>,
    gid: Option<String>,
}

impl Tokens {
    /// Tokens of this deployment.
    pub fn new(ring: KeyRing, issuer: Issuer) -> Self {
        Self { ring, issuer, remembered: Remembered::new() }
    }

    /// The same with other keys, with which nothing was verified yet.
    pub(crate) fn with_keys(&self, ring: KeyRing) -> Self {
        Self::new(ring, self.issuer.clone())
    }

    /// The key set that everybody may know.
    pub fn public_keys(&self) -> serde_json::Value {
        self.ring.public_keys()
    }

    /// Signs a token.
    pub(crate) fn issue(
        &self,
        request: TokenRequest<'_>,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<TokenResponse, SigningError> {
        let (header, key) = self.ring.active.as_ref().ok_or(SigningError::NoKey)?;
        let TokenRequest { app, user, grant_type, days, oauth } = request;
        let lifetime = days * 86_400;
        let mut claims = Claims {
            jti: entropy.hex::<16>(),
            appid: app.app_id.to_string(),
            nameid: user.id.to_string(),
            unique_name: &user.user_name,
            given_name: &user.nick_name,
            role: &user.role,
            picture: if user.avatar.len() > MAX_PICTURE_BYTES { "" } else { &user.avatar },
            platform: &user.platform,
            unionid: &user.union_id,
            email: user.email.proven(),
            mobile: user.phone.proven(),
            grant_type: grant_type.as_str(),
            groupsid: "app",
            permission: app.permissions(&user.role),
            tenant_id: &self.issuer.tenant_id,
            tenant_name: &self.issuer.tenant_name,
            scope: oauth.map_or("", |oauth| oauth.scope),
            sub: user.id.to_string(),
            iss: &self.issuer.url,
            aud: &self.issuer.url,
            nbf: now.as_second(),
            iat: now.as_second(),
            exp: now.as_second() + i64::from(lifetime),
            ver: user.token_version.to_string(),
            cid: oauth.map(|oauth| oauth.consent.to_string()),
            gid: oauth.map(|oauth| oauth.grant.as_str()),
        };
        let mut token = jsonwebtoken::encode(header, &claims, key)?;
        if token.len() > MAX_TOKEN_BYTES {
            claims.permission.clear();
            token = jsonwebtoken::encode(header, &claims, key)?;
        }
        if token.len() > MAX_TOKEN_BYTES {
            claims.scope = "";
            token = jsonwebtoken::encode(header, &claims, key)?;
        }
        Ok(TokenResponse { access_token: AccessToken::new(token), token_type: "Bearer", expires_in: lifetime })
    }

    /// Verifies a token as of now.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<VerifiedToken, BadToken> {
        // Longer than any of ours: not worth a look.
        if token.len() > 2 * MAX_TOKEN_BYTES {
            return Err(BadToken);
        }
        let signed = self.remembered.get_or_try_insert(token, || self.verify_signature(token))?;
        if signed.validity.contains(now) { Ok(signed.token) } else { Err(BadToken) }
    }

    /// Everything about a token that does not depend on the time.
    fn verify_signature(&self, token: &str) -> Result<SignedToken, BadToken> {
        let header = token.split('.').next().unwrap_or_default();
        let header: ExpectedHeader = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header)?)?;
        let (algorithm, key) = self.ring.verifying.get(&header.kid).ok_or(BadToken)?;
        if header.typ != "JWT" || header.alg != format!("{algorithm:?}") {
            return Err(BadToken);
        }
        let mut validation = Validation::new(*algorithm);
        // The validity is compared with each request's own clock.
        validation.validate_exp = false;
        validation.set_issuer(&[&self.issuer.url]);
        validation.set_audience(&[&self.issuer.url]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let claims = jsonwebtoken::decode::<ExpectedClaims>(token, key, &validation)?.claims;
        if claims.iss != self.issuer.url || claims.aud != self.issuer.url || claims.sub != claims.nameid {
            return Err(BadToken);
        }
        let token = VerifiedToken {
            app: AppId::parse(&claims.appid).ok_or(BadToken)?,
            user: UserId::parse(&claims.nameid).ok_or(BadToken)?,
            version: claims.ver.parse()?,
            oauth: match (claims.cid, claims.gid) {
                (None, None) => None,
                (Some(cid), Some(gid)) => {
                    Some((ConsentId::parse(&cid).ok_or(BadToken)?, GrantId::parse(gid).ok_or(BadToken)?))
                }
                _ => return Err(BadToken),
            },
        };
        Ok(SignedToken { token, validity: Validity { from: claims.nbf.max(claims.iat), until: claims.exp } })
    }
}

/// A token could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// This function was not given a signing key.
    #[error("this function has no signing key")]
    NoKey,
    /// The key does not sign.
    #[error("the token cannot be signed: {0}")]
    Jwt(#[from] jsonwebtoken::errors::Error),
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
