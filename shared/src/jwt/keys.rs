//! The keys that sign and verify: how they are kept, what is published of them, and the ring that tokens are checked
//! with.

use std::collections::HashMap;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{entropy::Entropy, key_rotation::KeyHistory, weak_key};

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
    pub(super) active: Option<(Header, EncodingKey)>,
    pub(super) verifying: HashMap<String, (Algorithm, DecodingKey)>,
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
