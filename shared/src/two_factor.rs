//! The second factor: time-based one-time passwords (RFC 6238: SHA-1, 30 seconds, six digits) and the recovery codes
//! beside them.
//!
//! The algorithm is some lines over the HMAC that is here anyway; a crate for it would bring a second cryptographic
//! stack into every function that signs somebody in. The RFC's own vectors test it.

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hmac,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};

use crate::{
    app::AppId,
    entropy::Entropy,
    env::Env,
    error::{ApiError, ErrorCode},
    hash_key::KeyedHash,
    http::{Ctx, Field, Json, Refusal},
    storage::{FactorAttempt, FactorChange},
    user::{User, UserId},
};

/// For how many seconds a code is shown.
pub(crate) const STEP_SECONDS: i64 = 30;
/// How many recovery codes a user gets.
pub const RECOVERY_CODES: usize = 10;
/// How long a secret that was shown may be switched on, in seconds.
pub const PENDING_SECONDS: i64 = 600;
/// The longest issuer in a picture, in code points: a QR code holds only so much.
const MAX_ISSUER_CHARS: usize = 32;

/// What a user's authenticator and we share.
#[derive(Clone, PartialEq, Eq)]
pub struct TotpSecret([u8; Self::BYTES]);

impl TotpSecret {
    /// 160 bits, as RFC 4226 recommends.
    const BYTES: usize = 20;

    /// A new secret.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(entropy.bytes())
    }

    /// The secret as people type it into their authenticator: base32.
    pub fn manual_entry_key(&self) -> String {
        base32(&self.0, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
    }

    /// The secret as authenticators read it from a picture.
    pub fn uri(&self, issuer: &str, account: &str) -> String {
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        // The first colon of the label ends the issuer, so that it cannot contain one.
        let issuer: String = issuer.chars().take(MAX_ISSUER_CHARS).map(|c| if c == ':' { ' ' } else { c }).collect();
        let (issuer, account) = (encode(&issuer), encode(account));
        let secret = self.manual_entry_key();
        format!("otpauth://totp/{issuer}:{account}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits=6&period=30")
    }

    /// The step that the code is of, if it is the current one or the one before, and later than the last one that was
    /// accepted. Takes the same time whatever the code.
    pub fn step_of(&self, code: &TotpCode, now: Timestamp, last: Option<i64>) -> Option<i64> {
        let current = now.as_second().div_euclid(STEP_SECONDS);
        let mut found = i64::MIN;
        for step in [current - 1, current] {
            let expected = self.code(step, 1_000_000);
            found.conditional_assign(&step, expected.ct_eq(&code.0));
        }
        (found > last.unwrap_or(i64::MIN)).then_some(found)
    }

    /// RFC 4226's truncation of the step's HMAC, below `modulus`.
    fn code(&self, step: i64, modulus: u32) -> u32 {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let tag = tag.as_ref();
        let offset = usize::from(tag[tag.len() - 1] & 0x0f);
        let word = u32::from_be_bytes([tag[offset], tag[offset + 1], tag[offset + 2], tag[offset + 3]]);
        (word & 0x7fff_ffff) % modulus
    }
}

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSecret(***)")
    }
}

/// Six digits as an authenticator shows them.
#[derive(Clone, PartialEq, Eq)]
pub struct TotpCode(u32);

impl TotpCode {
    /// Reads exactly six ASCII digits.
    pub fn parse(text: &str) -> Option<Self> {
        let is_code = text.len() == 6 && text.bytes().all(|b| b.is_ascii_digit());
        if is_code { text.parse().ok().map(Self) } else { None }
    }
}

impl Field for TotpCode {
    fn read(value: Json) -> Result<Self, Refusal> {
        Self::parse(&String::read(value)?).ok_or("must be six digits")
    }
}

impl fmt::Debug for TotpCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpCode(***)")
    }
}

/// A code that stands in for the authenticator once: sixteen letters and digits, 80 random bits.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoveryCode(String);

impl RecoveryCode {
    /// A new code.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(base32(&entropy.bytes::<10>(), b"abcdefghijklmnopqrstuvwxyz234567"))
    }

    /// Reads a code as it was shown or as people type it: letter case and hyphens do not count.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > 32 {
            return None;
        }
        let text: String = text.chars().filter(|c| *c != '-').map(|c| c.to_ascii_lowercase()).collect();
        let is_code = text.len() == 16 && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'));
        is_code.then_some(Self(text))
    }

    /// The code in groups of four.
    pub fn shown(&self) -> String {
        let Self(text) = self;
        [&text[..4], &text[4..8], &text[8..12], &text[12..]].join("-")
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(***)")
    }
}

/// A secret as it is stored: encrypted for one user of one app.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SealedSecret(String);

impl SealedSecret {
    /// As it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SealedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedSecret(***)")
    }
}

/// The deployment's key that guards what is stored of second factors.
pub struct TotpKey {
    secrets: LessSafeKey,
    recovery: KeyedHash,
}

/// The key is none.
#[derive(Debug, thiserror::Error)]
#[error("the TOTP key must be 32 random bytes")]
pub struct WeakTotpKey;

/// A stored secret was encrypted under another key, or for somebody else.
#[derive(Debug, thiserror::Error)]
#[error("the secret of a second factor cannot be decrypted")]
pub struct BadSeal;

impl TotpKey {
    /// Takes 32 bytes that are not all alike. Each use gets a key of its own that is derived from them.
    pub fn new(key: &[u8]) -> Result<Self, WeakTotpKey> {
        if key.len() != 32 {
            return Err(WeakTotpKey);
        }
        let root = KeyedHash::new(key).map_err(|_| WeakTotpKey)?;
        let secrets = UnboundKey::new(&AES_256_GCM, &root.bytes(&["totp secrets"])).map_err(|_| WeakTotpKey)?;
        let recovery = KeyedHash::new(&root.bytes(&["recovery codes"])).map_err(|_| WeakTotpKey)?;
        Ok(Self { secrets: LessSafeKey::new(secrets), recovery })
    }

    /// Encrypts a secret for this user: in another user's row it is worth nothing.
    pub fn seal(
        &self,
        entropy: &dyn Entropy,
        app: AppId,
        user: UserId,
        secret: &TotpSecret,
    ) -> Result<SealedSecret, ApiError> {
        let nonce = entropy.bytes::<NONCE_LEN>();
        let mut sealed = secret.0.to_vec();
        self.secrets
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), owner(app, user), &mut sealed)
            .map_err(|_| ApiError::internal("the secret of a second factor cannot be encrypted"))?;
        Ok(SealedSecret(STANDARD.encode([&nonce[..], &sealed].concat())))
    }

    /// Decrypts this user's secret.
    pub fn open(&self, app: AppId, user: UserId, sealed: &SealedSecret) -> Result<TotpSecret, BadSeal> {
        let mut bytes = STANDARD.decode(&sealed.0).map_err(|_| BadSeal)?;
        let (nonce, sealed) = bytes.split_first_chunk_mut::<NONCE_LEN>().ok_or(BadSeal)?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let secret = self.secrets.open_in_place(nonce, owner(app, user), sealed).map_err(|_| BadSeal)?;
        secret.try_into().map(TotpSecret).map_err(|_| BadSeal)
    }

    /// What is stored of a user's recovery code.
    pub fn hash(&self, app: AppId, user: UserId, code: &RecoveryCode) -> String {
        self.recovery.of(&["recovery code", &app.to_string(), &user.to_string(), &code.0])
    }
}

impl fmt::Debug for TotpKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpKey(***)")
    }
}

fn owner(app: AppId, user: UserId) -> Aad<[u8; 12]> {
    let mut bytes = [0; 12];
    bytes[..4].copy_from_slice(&app.get().to_be_bytes());
    bytes[4..].copy_from_slice(&user.get().to_be_bytes());
    Aad::from(bytes)
}

fn base32(bytes: &[u8], alphabet: &[u8; 32]) -> String {
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
    let digit = |start: usize| (start..start + 5).fold(0, |digit, at| digit << 1 | bit(at));
    (0..bytes.len() * 8).step_by(5).map(|start| char::from(alphabet[usize::from(digit(start))])).collect()
}

/// A code that may be the second factor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Code {
    /// Of the authenticator.
    Totp(TotpCode),
    /// Of the paper beside it.
    Recovery(RecoveryCode),
}

impl Code {
    /// Reads either.
    pub fn parse(text: &str) -> Option<Self> {
        TotpCode::parse(text).map(Self::Totp).or_else(|| RecoveryCode::parse(text).map(Self::Recovery))
    }
}

/// Uses up a code of a user whose second factor is on.
pub async fn spend(env: &Env, ctx: &Ctx, user: &User, code: &Code) -> Result<(), ApiError> {
    let spent = match code {
        Code::Totp(code) => spend_totp(env, ctx, user, code).await?,
        Code::Recovery(code) => {
            // Nobody guesses 80 bits: a recovery code is neither charged nor made to wait, so that somebody else's
            // guesses do not keep its owner out.
            let Some(sealed) = &user.totp_secret else { return Ok(()) };
            let hash = env.totp_key()?.hash(user.app_id, user.id, code);
            let attempt = env.entropy.hex::<8>();
            env.store.app(user.app_id).spend_recovery_code(user.id, sealed, &hash, &attempt).await?
        }
    };
    match spent {
        FactorChange::Done => Ok(()),
        FactorChange::Refused => Err(ErrorCode::InvalidTwoFactorCode.into()),
    }
}

/// The try is charged before anything is compared.
async fn spend_totp(env: &Env, ctx: &Ctx, user: &User, code: &TotpCode) -> Result<FactorChange, ApiError> {
    let store = env.store.app(user.app_id);
    let factor = match store.attempt_second_factor(user.id, ctx.now).await? {
        FactorAttempt::Granted(factor) => factor,
        FactorAttempt::Gone | FactorAttempt::Ended => return Ok(FactorChange::Refused),
        FactorAttempt::Throttled { retry_after } => return Err(ApiError::throttled(retry_after)),
    };
    // Switched off since the user was read: there is nothing to ask for any more.
    let Some(sealed) = factor.secret else { return Ok(FactorChange::Done) };
    let secret = env.totp_key()?.open(user.app_id, user.id, &sealed).map_err(ApiError::internal)?;
    let Some(step) = secret.step_of(code, ctx.now, factor.last_step) else { return Ok(FactorChange::Refused) };
    Ok(store.accept_totp_step(user.id, &sealed, step, &env.entropy.hex::<8>()).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn six_digits(secret: &TotpSecret, step: i64) -> TotpCode {
        TotpCode::parse(&format!("{:06}", secret.code(step, 1_000_000))).unwrap()
    }

    #[test]
    fn tf_04_codes_are_those_of_rfc_6238() {
        let secret = TotpSecret(*b"12345678901234567890");
        for (second, code) in [
            (59, 94_287_082),
            (1_111_111_109, 7_081_804),
            (1_111_111_111, 14_050_471),
            (1_234_567_890, 89_005_924),
            (2_000_000_000, 69_279_037),
            (20_000_000_000, 65_353_130),
        ] {
            assert_eq!(secret.code(second / STEP_SECONDS, 100_000_000), code, "{second}");
            assert_eq!(secret.code(second / STEP_SECONDS, 1_000_000), code % 1_000_000, "{second}");
        }
    }

    #[test]
    fn tf_05_the_current_step_and_the_one_before_are_accepted() {
        let secret = TotpSecret(*b"12345678901234567890");
        let accepted = |offset: i64| secret.step_of(&six_digits(&secret, 1_000 + offset), at(30_015), None);
        assert_eq!([-2, -1, 0, 1, 2].map(accepted), [None, Some(999), Some(1_000), None, None]);
    }

    #[test]
    fn a_step_is_no_longer_good_when_it_or_a_later_one_was_accepted() {
        let secret = TotpSecret(*b"12345678901234567890");
        let accepted = |offset: i64, last| secret.step_of(&six_digits(&secret, 1_000 + offset), at(30_015), Some(last));
        assert_eq!(accepted(0, 1_000), None);
        assert_eq!(accepted(-1, 1_000), None);
        assert_eq!(accepted(-1, 999), None);
        assert_eq!(accepted(0, 999), Some(1_000));
    }

    #[test]
    fn tf_10_a_code_is_six_ascii_digits() {
        for bad in
            ["", "12345", "1234567", "\u{ff11}\u{ff12}\u{ff13}\u{ff14}\u{ff15}\u{ff16}", "12345 ", "+12345", "-12345"]
        {
            assert_eq!(Code::parse(bad), None, "{bad:?}");
        }
        assert_eq!(Code::parse("000123"), Some(Code::Totp(TotpCode(123))));
    }

    #[test]
    fn recovery_codes_are_read_as_people_type_them() {
        let entropy: &dyn Entropy = &SystemEntropy;
        let code = RecoveryCode::generate(entropy);
        assert_eq!(code.shown().len(), 19);
        for typed in [code.shown(), code.shown().to_uppercase(), code.shown().replace('-', "")] {
            assert_eq!(RecoveryCode::parse(&typed).as_ref(), Some(&code), "{typed}");
        }
        for bad in ["", "aaaa-aaaa-aaaa-aaa", "aaaa-aaaa-aaaa-aaa1", "aaaa aaaa aaaa aaaa", &"-".repeat(100)] {
            assert_eq!(RecoveryCode::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_sealed_secret_opens_for_its_owner_and_key_only() {
        let entropy: &dyn Entropy = &SystemEntropy;
        let key = TotpKey::new(&entropy.bytes::<32>()).unwrap();
        let (app, user) = (AppId::new(2).unwrap(), UserId::new(7));
        let secret = TotpSecret::generate(entropy);
        let sealed = key.seal(entropy, app, user, &secret).unwrap();
        assert_eq!(key.open(app, user, &sealed).unwrap(), secret);
        assert_ne!(key.seal(entropy, app, user, &secret).unwrap(), sealed, "two seals never look alike");
        assert!(key.open(app, UserId::new(8), &sealed).is_err());
        assert!(key.open(AppId::new(3).unwrap(), user, &sealed).is_err());
        assert!(TotpKey::new(&entropy.bytes::<32>()).unwrap().open(app, user, &sealed).is_err());
        for broken in ["", "AAAA", "?", &"A".repeat(64)] {
            assert!(key.open(app, user, &SealedSecret(broken.to_owned())).is_err(), "{broken}");
        }
    }

    #[test]
    fn keys_that_are_none_are_refused() {
        for key in [&[][..], &[1, 2, 3], &[0; 32], &[7; 31], &[7; 33]] {
            assert!(TotpKey::new(key).is_err());
        }
    }

    #[test]
    fn recovery_codes_of_two_users_have_different_hashes() {
        let key = TotpKey::new(b"an example of a key of 32 bytes.").unwrap();
        let code = RecoveryCode::generate(&SystemEntropy);
        let hash = |app, user| key.hash(AppId::new(app).unwrap(), UserId::new(user), &code);
        assert_ne!(hash(2, 7), hash(2, 8));
        assert_ne!(hash(2, 7), hash(3, 7));
        assert_eq!(hash(2, 7), hash(2, 7));
    }

    #[test]
    fn pictures_name_the_app_and_the_account() {
        let secret = TotpSecret(*b"12345678901234567890");
        assert_eq!(secret.manual_entry_key(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(
            secret.uri("My: Shop", "a&b@\u{7231}"),
            "otpauth://totp/My%20%20Shop:a%26b%40%E7%88%B1?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=My%20%20Shop&algorithm=SHA1&digits=6&period=30"
        );
        let longest = secret.uri(&"\u{1f600}".repeat(100), &"\u{1f600}".repeat(64));
        assert!(longest.len() < 2_331, "{} bytes fit the largest QR code of medium correction", longest.len());
    }
}
