//! The key of a QR sign-in: a number short enough for a mini program's code.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::{
    app::AppId,
    entropy::Entropy,
    http::{Field, Json, Refusal},
};

/// The key under which a page waits for a phone.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SignInKey(u64);

impl SignInKey {
    /// A new key, uniform among those of the app's length: a mini program's code carries
    /// `appId=<id>&signinKey=<key>` in 32 characters, of which the two numbers may take 15.
    pub fn draw(app: AppId, entropy: &dyn Entropy) -> Self {
        let digits = 15_u32.saturating_sub(app.get().ilog10() + 1).min(13);
        // The first digit is not zero: a key has its length as a number, too.
        let smallest = 10_u64.pow(digits - 1);
        Self(smallest + entropy.below(9 * smallest))
    }
}

impl Field for SignInKey {
    fn read(value: Json) -> Result<Self, Refusal> {
        u64::read(value).and_then(|key| if key == 0 { Err("must be a positive whole number") } else { Ok(Self(key)) })
    }
}

impl Serialize for SignInKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl fmt::Display for SignInKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whoever knows a key may be able to collect a token with it: it does not belong in a log.
impl fmt::Debug for SignInKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignInKey(***)")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::entropy::SystemEntropy;

    #[test]
    fn a_key_fits_the_scene_of_a_mini_program_whatever_the_app() {
        for (app, digits) in [(1, 13), (99, 13), (100, 12), (12_345, 10), (u32::MAX, 5)] {
            let app = AppId::new(app).unwrap();
            for _ in 0..1_000 {
                let key = SignInKey::draw(app, &SystemEntropy);
                assert_eq!(key.to_string().len(), digits, "app {app}");
                assert!(format!("appId={app}&signinKey={key}").len() <= 32);
            }
        }
    }

    #[test]
    fn qr_01_keys_are_uniform_and_do_not_repeat() {
        const DRAWS: usize = 100_000;
        let app = AppId::new(2).unwrap();
        let keys: Vec<_> = (0..DRAWS).map(|_| SignInKey::draw(app, &SystemEntropy)).collect();
        // Among 9 * 10^12 keys a repetition in so many draws is a matter of one run in two thousand; two are not.
        assert!(keys.iter().collect::<HashSet<_>>().len() >= DRAWS - 1);
        for (place, least) in [(0, 1), (6, 0), (12, 0)] {
            let mut counts = [0_usize; 10];
            for key in &keys {
                counts[usize::from(key.to_string().as_bytes()[place] - b'0')] += 1;
            }
            let expected = DRAWS / (10 - least);
            for (digit, count) in counts.iter().enumerate().skip(least) {
                // Six standard deviations of a binomial count.
                assert!(count.abs_diff(expected) < 600, "digit {digit} at place {place}: {count}");
            }
        }
    }
}
