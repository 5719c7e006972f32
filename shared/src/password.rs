//! Passwords: which may be set, how they are hashed, how they are compared.

use std::sync::Arc;

use argon2_rust::{
    Algorithm, Argon2, Hasher, Params, Version,
    params::{Memory, ParamsBuilder, TagLen},
};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use subtle::ConstantTimeEq as _;
use tokio::sync::Mutex;
use unicode_normalization::UnicodeNormalization as _;

use crate::{entropy::Entropy, log::notes, secret::Password, settings::Settings};

/// Kibibytes of memory that a hash fills.
const MEMORY: u32 = 19_456;
/// Passes over it.
const PASSES: u32 = 2;
/// Independent lanes.
const LANES: u32 = 1;
const SALT_LEN: usize = 16;
const HASH_LEN: usize = 32;
/// What new hashes are made with.
const CURRENT: Params = parameters(MEMORY, PASSES, LANES).build_or_panic();
/// What is compared when there is nothing to compare with, so that nobody can tell by the time it takes.
const DUMMY_SALT: [u8; SALT_LEN] = *b"nobody is called";

/// Hashes with Argon2id, one hash at a time over one block of memory that lives as long as the hasher.
#[derive(Clone)]
pub struct PasswordHasher {
    // A hash keeps a core busy anyway; fresh memory for each would make the resident set grow without end.
    hasher: Arc<Mutex<Hasher>>,
}

/// What a comparison came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verified {
    /// Not this password, or there is none.
    Wrong,
    /// The right one.
    Right {
        /// The stored hash was made with weaker parameters than today's: store a new one.
        outdated: bool,
    },
}

impl PasswordHasher {
    /// A hasher; its memory is taken at the first hash.
    pub fn new() -> Self {
        Self { hasher: Arc::new(Mutex::new(argon2id(CURRENT).hasher())) }
    }

    /// The password's hash under a fresh salt, as a PHC string.
    pub async fn hash(&self, password: &Password, entropy: &dyn Entropy) -> String {
        let salt = entropy.bytes::<SALT_LEN>();
        let hash = self.compute(password, CURRENT, &salt).await;
        let encode = |bytes: &[u8]| STANDARD_NO_PAD.encode(bytes);
        format!("$argon2id$v=19$m={MEMORY},t={PASSES},p={LANES}${}${}", encode(&salt), encode(&hash))
    }

    /// Compares with a stored hash. Without one, and with one that cannot be read, the same work is done for nothing.
    pub async fn verify(&self, password: &Password, stored: Option<&str>) -> Verified {
        let parsed = stored.and_then(|stored| {
            let parsed = StoredHash::parse(stored);
            if parsed.is_none() {
                tracing::error!("a stored password hash cannot be read");
            }
            parsed
        });
        let Some(stored) = parsed else {
            self.compute(password, CURRENT, &DUMMY_SALT).await;
            return Verified::Wrong;
        };
        let hash = self.compute(password, stored.parameters, &stored.salt).await;
        if bool::from(hash.ct_eq(&stored.hash)) {
            Verified::Right { outdated: stored.parameters != CURRENT }
        } else {
            Verified::Wrong
        }
    }

    async fn compute(&self, password: &Password, parameters: Params, salt: &[u8]) -> [u8; HASH_LEN] {
        notes::password_hash();
        let composed: String = password.expose().nfc().collect();
        let mut hash = [0; HASH_LEN];
        // Here and not on a thread of its own: a function serves one request at a time, and nothing else waits for it.
        let mut hasher = self.hasher.lock().await;
        hasher.set_argon2(argon2id(parameters));
        match hasher.hash_into(composed.as_bytes(), salt, &mut hash) {
            Ok(()) => hash,
            Err(error) => panic!("the hash's parameters are checked before they are used: {error}"),
        }
    }
}

impl Default for PasswordHasher {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for PasswordHasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHasher")
    }
}

const fn parameters(memory: u32, passes: u32, lanes: u32) -> ParamsBuilder {
    let memory = Memory::kib(memory as u64);
    Params::builder().memory(memory).passes(passes).lanes(lanes).threads(1).tag_len(TagLen::bytes(HASH_LEN as u64))
}

const fn argon2id(parameters: Params) -> Argon2 {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters)
}

/// A hash read back from its PHC string.
struct StoredHash {
    parameters: Params,
    salt: Vec<u8>,
    hash: [u8; HASH_LEN],
}

impl StoredHash {
    fn parse(text: &str) -> Option<Self> {
        let phc = phc::PasswordHash::new(text).ok()?;
        if phc.algorithm.as_str() != "argon2id" || phc.version != Some(19) {
            return None;
        }
        let cost = |name: &str| phc.params.get_decimal(name);
        Some(Self {
            // More than four times today's work is no hash of ours, but an attempt to stop the instance.
            parameters: parameters(
                cost("m").filter(|m| *m <= 4 * MEMORY)?,
                cost("t").filter(|t| *t <= 4 * PASSES)?,
                cost("p").filter(|p| *p <= 4 * LANES)?,
            )
            .build()
            .ok()?,
            salt: phc.salt?.as_ref().to_vec(),
            hash: phc.hash?.as_bytes().try_into().ok()?,
        })
    }
}

/// What a password is set for: words that are no secret there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Surroundings<'a> {
    /// The app's name.
    pub app_name: &'a str,
    /// The user's own name.
    pub user_name: &'a str,
    /// The user's e-mail address.
    pub email: &'a str,
}

/// Whether a password may be set: long enough for the app, and not among the first that anybody would try.
pub fn is_acceptable(password: &Password, settings: &Settings, around: Surroundings<'_>) -> bool {
    let composed: String = password.expose().nfc().collect();
    let folded = composed.to_lowercase();
    let local_part = around.email.split('@').next().unwrap_or_default().to_lowercase();
    let known =
        [around.app_name.to_lowercase(), around.user_name.to_lowercase(), around.email.to_lowercase(), local_part];
    composed.chars().count() >= settings.password_min_length as usize
        && !known.contains(&folded)
        && !is_common(&folded)
        && !is_one_step(&folded)
}

/// Common passwords, lower case, sorted, one on a line.
const COMMON: &str = include_str!("common_passwords.txt");

fn is_common(folded: &str) -> bool {
    COMMON.lines().any(|common| common == folded)
}

/// Whether the text is one character again and again, a run such as `abcdef` or `987654`, or a walk along a row of
/// the keyboard.
fn is_one_step(folded: &str) -> bool {
    const ROWS: [&str; 4] = ["1234567890-=", "qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./"];
    let chars: Vec<char> = folded.chars().collect();
    let steps =
        |step: i64| chars.windows(2).all(|pair| i64::from(u32::from(pair[1])) - i64::from(u32::from(pair[0])) == step);
    let walks = |row: &str| {
        let backwards: String = row.chars().rev().collect();
        row.contains(folded) || backwards.contains(folded)
    };
    chars.len() > 1 && ([0, 1, -1].into_iter().any(steps) || ROWS.iter().any(|row| walks(row)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{entropy::SystemEntropy, settings::Preset};

    fn password(text: &str) -> Password {
        Password::new(text)
    }

    #[tokio::test]
    async fn a_hash_verifies_its_own_password_only() {
        let hasher = PasswordHasher::new();
        let stored = hasher.hash(&password("correct horse"), &SystemEntropy).await;
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert_eq!(hasher.verify(&password("correct horse"), Some(&stored)).await, Verified::Right { outdated: false });
        for wrong in ["Correct horse", "correct horse ", "correct", ""] {
            assert_eq!(hasher.verify(&password(wrong), Some(&stored)).await, Verified::Wrong);
        }
        assert_eq!(hasher.verify(&password("correct horse"), None).await, Verified::Wrong);
    }

    /// Hashes of the reference implementation in C, from its own tests.
    #[tokio::test]
    async fn the_reference_implementations_hashes_verify() {
        let vectors = [
            ("password", "m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"),
            ("password", "m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"),
            ("password", "m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc"),
            ("password", "m=65536,t=1,p=1$c29tZXNhbHQ$9qWtwbpyPd3vm1rB1GThgPzZ3/ydHL92zKL+15XZypg"),
            ("password", "m=65536,t=4,p=1$c29tZXNhbHQ$kCXUjmjvc5XMqQedpMTsOv+zyJEf5PhtGiUghW9jFyw"),
            ("differentpassword", "m=65536,t=2,p=1$c29tZXNhbHQ$C4TWUs9rDEvq7w3+J4umqA32aWKB1+DSiRuBfYxFj94"),
            ("password", "m=65536,t=2,p=1$ZGlmZnNhbHQ$vfMrBczELrFdWP0ZsfhWsRPaHppYdP3MVEMIVlqoFBw"),
        ];
        let hasher = PasswordHasher::new();
        for (text, stored) in vectors {
            let stored = format!("$argon2id$v=19${stored}");
            let verified = hasher.verify(&password(text), Some(&stored)).await;
            assert_eq!(verified, Verified::Right { outdated: true }, "{stored}");
            assert_eq!(hasher.verify(&password("passwore"), Some(&stored)).await, Verified::Wrong, "{stored}");
        }
    }

    /// The hash by another implementation, in memory of its own.
    fn elsewhere(password: &str, salt: &[u8], (memory, passes, lanes): (u32, u32, u32)) -> [u8; HASH_LEN] {
        let parameters = argon2::Params::new(memory, passes, lanes, Some(HASH_LEN)).unwrap();
        let mut hash = [0; HASH_LEN];
        argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, parameters)
            .hash_password_into(password.as_bytes(), salt, &mut hash)
            .unwrap();
        hash
    }

    async fn here(hasher: &PasswordHasher, text: &str, salt: &[u8], costs: (u32, u32, u32)) -> [u8; HASH_LEN] {
        let (memory, passes, lanes) = costs;
        let parameters = parameters(memory, passes, lanes).build().unwrap();
        hasher.compute(&password(text), parameters, salt).await
    }

    /// What an earlier hash left in the memory, be it of another size, is no part of the next one.
    #[tokio::test]
    async fn used_memory_hashes_like_fresh_memory_of_another_implementation() {
        let hasher = PasswordHasher::new();
        for costs in [(19_456, 2, 1), (65_536, 1, 1), (256, 3, 4), (8, 1, 1), (19_456, 2, 1)] {
            let salt = b"a salt of sixteen";
            let used = here(&hasher, "correct horse", salt, costs).await;
            assert_eq!(used, elsewhere("correct horse", salt, costs), "{costs:?}");
        }
    }

    #[tokio::test]
    async fn composed_and_decomposed_passwords_are_the_same_and_compatible_ones_are_not() {
        let hasher = PasswordHasher::new();
        let stored = hasher.hash(&password("cafe\u{301}-\u{fb01}"), &SystemEntropy).await;
        assert!(matches!(hasher.verify(&password("caf\u{e9}-\u{fb01}"), Some(&stored)).await, Verified::Right { .. }));
        assert_eq!(hasher.verify(&password("caf\u{e9}-fi"), Some(&stored)).await, Verified::Wrong);
    }

    #[tokio::test]
    async fn si_20_a_broken_hash_is_a_wrong_password() {
        let hasher = PasswordHasher::new();
        for broken in [
            "",
            "plain",
            "$argon2id$v=19$m=19456,t=2,p=1$",
            "$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$argon2id$v=19$m=256,t=4294967295,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$argon2id$v=19$m=256,t=2,p=16$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$argon2id$v=16$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR",
            "$argon2id$v=19$m=256,t=2,p=1$$",
        ] {
            assert_eq!(hasher.verify(&password("password"), Some(broken)).await, Verified::Wrong, "{broken}");
        }
    }

    #[test]
    fn what_anybody_would_try_first_is_refused() {
        let settings = Settings::preset(Preset::Documented);
        let around = Surroundings { app_name: "Demo Shop", user_name: "Alice01", email: "wonder.land@example.com" };
        for weak in [
            "12345",
            "password",
            "Password",
            "demo shop",
            "alice01",
            "wonder.land",
            "aaaaaaaaaaaaaaaa",
            "qwertyuiop",
            "87654321",
            "abcdefgh",
            "asdfghjk",
            "123456",
        ] {
            assert!(!is_acceptable(&password(weak), &settings, around), "{weak}");
        }
        for good in ["tr0ub4dor", "correct horse", "\u{1f600}\u{1f601}\u{1f602}\u{1f603}\u{1f609}\u{1f606}"] {
            assert!(is_acceptable(&password(good), &settings, around), "{good}");
        }
    }

    #[test]
    fn the_list_is_sorted_lower_case_and_without_repeats() {
        let lines: Vec<_> = COMMON.lines().collect();
        assert!(lines.is_sorted_by(|a, b| a < b));
        assert!(lines.iter().all(|line| *line == line.to_lowercase() && !line.is_empty()));
    }

    proptest! {
        // Small hashes, so that there can be many; sizes that divide evenly into nothing are among them.
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn hashes_are_those_of_another_implementation_bit_for_bit(
            passwords in proptest::collection::vec("\\PC{0,80}", 1..4),
            salt in proptest::collection::vec(any::<u8>(), 8..64),
            costs in (1_u32..=4).prop_flat_map(|lanes| (8 * lanes..=200, 1_u32..=4, Just(lanes))),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let hasher = PasswordHasher::new();
            for text in passwords {
                let composed: String = text.nfc().collect();
                let hash = runtime.block_on(here(&hasher, &text, &salt, costs));
                prop_assert_eq!(hash, elsewhere(&composed, &salt, costs));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn p_13_passwords_are_the_same_when_their_compositions_are(
            text in "[a-z\u{e0}-\u{f6}\u{ac00}-\u{ac20}]{1,127}",
            more in "[a-z]",
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let hasher = PasswordHasher::new();
            let (composed, decomposed): (String, String) = (text.nfc().collect(), text.nfd().collect());
            let stored = runtime.block_on(hasher.hash(&password(&decomposed), &SystemEntropy));
            let verified = |text: &str| runtime.block_on(hasher.verify(&password(text), Some(&stored)));
            prop_assert_eq!(verified(&composed), Verified::Right { outdated: false });
            let longer = [composed.as_str(), more.as_str()].concat();
            prop_assert_eq!(verified(&longer), Verified::Wrong);
            // How long it is decides nothing, as soon as it is long enough.
            let settings = Settings { password_min_length: 1, ..Settings::preset(Preset::Documented) };
            let unusual = ["#", composed.as_str(), "~"].concat();
            prop_assert!(is_acceptable(&password(&unusual), &settings, Surroundings::default()));
        }
    }
}
