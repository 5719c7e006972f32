//! Access tokens: signed with the deployment's active key, verified with the key that the token names.
//!
//! The key decides the algorithm, never the token. A header that says anything beside `alg`, `typ` and `kid` is
//! refused, so that no token brings or fetches a key of its own.

use std::collections::HashMap;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    app::{AppId, AppRecord},
    consent::{ConsentId, GrantId},
    entropy::Entropy,
    key_rotation::KeyHistory,
    secret::AccessToken,
    user::{User, UserId},
    weak_key,
};

/// The longest token, in bytes: existing clients keep it in one cookie.
pub const MAX_TOKEN_BYTES: usize = 3_800;
/// The longest that a token lives, in days. A key that signed is kept as long: [`crate::key_rotation`].
pub const MAX_TOKEN_DAYS: u32 = 99;
/// The longest avatar, in bytes, that becomes the `picture` claim.
const MAX_PICTURE_BYTES: usize = 255;
/// How far the clocks of two instances may differ, in seconds.
const CLOCK_SKEW: i64 = 30;

/// A key file or parameter that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It is not the expected JSON.
    #[error("the keys are not valid JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A key is broken, too short, or there twice.
    #[error("key {kid}: {problem}")]
    Key {
        /// The key's id.
        kid: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The active key is not among the keys.
    #[error("the active key is not among the keys")]
    NoActiveKey,
}

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

/// The signing keys as they are kept: all of them verify, one of them signs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningKeySet {
    /// The id of the key that signs.
    pub active: String,
    /// All keys.
    pub keys: Vec<SigningKey>,
    /// What happened to them when.
    #[serde(default, skip_serializing_if = "KeyHistory::is_empty")]
    pub history: KeyHistory,
}

/// One signing key as it is kept.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "alg")]
pub enum SigningKey {
    /// ECDSA on P-256: resource servers verify with the public half.
    ES256 {
        /// The key's id.
        kid: String,
        /// The private key, PKCS #8, base64.
        pkcs8: String,
    },
    /// A secret shared with resource servers that cannot verify anything else.
    HS256 {
        /// The key's id.
        kid: String,
        /// At least 32 bytes, base64.
        secret: String,
    },
}

impl SigningKeySet {
    /// One new ES256 key.
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, KeyError> {
        let mut set = Self { active: String::new(), keys: Vec::new(), history: KeyHistory::new() };
        set.active = set.add_key(entropy)?;
        Ok(set)
    }

    /// Adds a new ES256 key, which verifies and does not sign. Returns its id.
    pub(crate) fn add_key(&mut self, entropy: &dyn Entropy) -> Result<String, KeyError> {
        let kid = entropy.hex::<8>();
        let pkcs8 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .and_then(|pair| pair.to_pkcs8v1())
            .map_err(|_| broken(&kid, "cannot be made"))?;
        self.keys.push(SigningKey::ES256 { kid: kid.clone(), pkcs8: STANDARD.encode(pkcs8.as_ref()) });
        Ok(kid)
    }

    /// Forgets a key.
    pub(crate) fn drop_key(&mut self, kid: &str) {
        self.keys.retain(|key| key.kid() != kid);
        self.history.remove(kid);
    }

    /// The ids of all keys.
    pub fn kids(&self) -> Vec<String> {
        self.keys.iter().map(|key| key.kid().to_owned()).collect()
    }
}

impl SigningKey {
    /// The key's id.
    pub fn kid(&self) -> &str {
        match self {
            Self::ES256 { kid, .. } | Self::HS256 { kid, .. } => kid,
        }
    }

    /// What it signs with.
    pub const fn algorithm(&self) -> &'static str {
        match self {
            Self::ES256 { .. } => "ES256",
            Self::HS256 { .. } => "HS256",
        }
    }
}

impl std::fmt::Debug for SigningKeySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKeySet").field("active", &self.active).finish_non_exhaustive()
    }
}

fn broken(kid: &str, problem: &'static str) -> KeyError {
    KeyError::Key { kid: kid.to_owned(), problem }
}

/// A key that verifies, as in a JSON Web Key Set (RFC 7517). The `oct` ones are secrets and never published.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "kty")]
enum VerificationKey {
    #[serde(rename = "EC")]
    Ec { kid: String, crv: String, x: String, y: String },
    #[serde(rename = "oct")]
    Oct { kid: String, k: String },
}

#[derive(Clone, Serialize, Deserialize)]
struct VerificationKeySet {
    keys: Vec<VerificationKey>,
}

/// Whoever can verify tokens, and perhaps sign them.
#[derive(Clone)]
pub struct KeyRing {
    active: Option<(Header, EncodingKey)>,
    verifying: HashMap<String, (Algorithm, DecodingKey)>,
    set: VerificationKeySet,
}

impl KeyRing {
    /// A ring that signs and verifies, from the JSON of a [`SigningKeySet`].
    pub fn signing(text: &str) -> Result<Self, KeyError> {
        Self::of_signing(&serde_json::from_str(text)?)
    }

    /// A ring that signs and verifies.
    pub fn of_signing(set: &SigningKeySet) -> Result<Self, KeyError> {
        let mut active = None;
        let mut keys = Vec::new();
        for key in &set.keys {
            let (kid, algorithm, encoding) = match key {
                SigningKey::ES256 { kid, pkcs8 } => {
                    let der = STANDARD.decode(pkcs8).map_err(|_| broken(kid, "is not base64"))?;
                    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der)
                        .map_err(|_| broken(kid, "is no P-256 key"))?;
                    // An uncompressed point: a byte that says so, then the two coordinates.
                    let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                    let encode = |coordinate| URL_SAFE_NO_PAD.encode(coordinate);
                    keys.push(VerificationKey::Ec {
                        kid: kid.clone(),
                        crv: "P-256".to_owned(),
                        x: encode(x),
                        y: encode(y),
                    });
                    (kid, Algorithm::ES256, EncodingKey::from_ec_der(&der))
                }
                SigningKey::HS256 { kid, secret } => {
                    let secret = STANDARD.decode(secret).map_err(|_| broken(kid, "is not base64"))?;
                    keys.push(VerificationKey::Oct { kid: kid.clone(), k: URL_SAFE_NO_PAD.encode(&secret) });
                    (kid, Algorithm::HS256, EncodingKey::from_secret(&secret))
                }
            };
            if *kid == set.active {
                let mut header = Header::new(algorithm);
                header.kid = Some(kid.clone());
                active = Some((header, encoding));
            }
        }
        let active = active.ok_or(KeyError::NoActiveKey)?;
        Ok(Self { active: Some(active), ..Self::of(VerificationKeySet { keys })? })
    }

    /// A ring that only verifies, from a JSON Web Key Set as [`KeyRing::verification_keys`] writes it.
    pub fn verifying(text: &str) -> Result<Self, KeyError> {
        Self::of(serde_json::from_str(text)?)
    }

    fn of(set: VerificationKeySet) -> Result<Self, KeyError> {
        let mut verifying = HashMap::new();
        for key in &set.keys {
            let (kid, entry) = match key {
                VerificationKey::Ec { kid, crv, x, y } => {
                    let key = DecodingKey::from_ec_components(x, y).map_err(|_| broken(kid, "is no P-256 key"))?;
                    if crv != "P-256" {
                        return Err(broken(kid, "is no P-256 key"));
                    }
                    (kid, (Algorithm::ES256, key))
                }
                VerificationKey::Oct { kid, k } => {
                    let secret = URL_SAFE_NO_PAD.decode(k).map_err(|_| broken(kid, "is not base64url"))?;
                    if secret.len() < 32 {
                        return Err(broken(kid, "is shorter than 32 bytes"));
                    }
                    (kid, (Algorithm::HS256, DecodingKey::from_secret(&secret)))
                }
            };
            if verifying.insert(kid.clone(), entry).is_some() {
                return Err(broken(kid, "is there twice"));
            }
        }
        Ok(Self { active: None, verifying, set })
    }

    /// A ring that verifies nothing.
    pub(crate) fn empty() -> Self {
        Self { active: None, verifying: HashMap::new(), set: VerificationKeySet { keys: Vec::new() } }
    }

    /// Whether tokens of the key are verified.
    pub fn knows(&self, kid: &str) -> bool {
        self.verifying.contains_key(kid)
    }

    /// A key that somebody else may know, and why.
    pub(crate) fn weak_key(&self) -> Option<(&str, &'static str)> {
        self.set.keys.iter().find_map(|key| match key {
            VerificationKey::Ec { kid, x, .. } => {
                weak_key::is_printed(x).then_some((kid.as_str(), "is printed in a document"))
            }
            VerificationKey::Oct { kid, k } => {
                let secret = URL_SAFE_NO_PAD.decode(k).unwrap_or_default();
                weak_key::problem(&secret).map(|problem| (kid.as_str(), problem))
            }
        })
    }

    /// What functions need that verify and never sign. Contains the shared secrets, if there are any.
    pub fn verification_keys(&self) -> String {
        serde_json::to_string(&self.set).unwrap_or_else(|_| unreachable!("strings serialise"))
    }

    /// What everybody may know: a JSON Web Key Set of the public keys.
    pub fn public_keys(&self) -> serde_json::Value {
        let public = self.set.keys.iter().filter_map(|key| match key {
            VerificationKey::Ec { kid, crv, x, y } => {
                Some(json!({"kty": "EC", "use": "sig", "alg": "ES256", "kid": kid, "crv": crv, "x": x, "y": y}))
            }
            VerificationKey::Oct { .. } => None,
        });
        json!({ "keys": public.collect::<Vec<_>>() })
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
#[derive(Clone)]
pub struct Tokens {
    ring: KeyRing,
    issuer: Issuer,
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
    pub const fn new(ring: KeyRing, issuer: Issuer) -> Self {
        Self { ring, issuer }
    }

    /// The same with other keys.
    pub(crate) fn with_keys(&self, ring: KeyRing) -> Self {
        Self { ring, issuer: self.issuer.clone() }
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
        let header = token.split('.').next().unwrap_or_default();
        let header: ExpectedHeader = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header)?)?;
        let (algorithm, key) = self.ring.verifying.get(&header.kid).ok_or(BadToken)?;
        if header.typ != "JWT" || header.alg != format!("{algorithm:?}") {
            return Err(BadToken);
        }
        let mut validation = Validation::new(*algorithm);
        // Times are compared below with the request's own clock.
        validation.validate_exp = false;
        validation.set_issuer(&[&self.issuer.url]);
        validation.set_audience(&[&self.issuer.url]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let claims = jsonwebtoken::decode::<ExpectedClaims>(token, key, &validation)?.claims;
        let now = now.as_second();
        let is_ours = claims.iss == self.issuer.url && claims.aud == self.issuer.url && claims.sub == claims.nameid;
        let is_now = now < claims.exp && claims.nbf <= now + CLOCK_SKEW && claims.iat <= now + CLOCK_SKEW;
        if !is_ours || !is_now {
            return Err(BadToken);
        }
        Ok(VerifiedToken {
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
        })
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
