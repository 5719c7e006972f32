//! Verification codes: what may be sent, what may be tried, what is right.
//!
//! Everything about one address of an app is one small record: when codes were sent, when wrong ones were tried, which
//! codes are out. The rules are functions of that record and the time; the store reads it, applies one, and writes it
//! back if nobody else did in between. A try is charged as a wrong one before it is compared, and taken back when it
//! was right but nothing came of it.

mod limits;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

pub use self::limits::{DailyBudget, DailyBudgets, Rate, SendLimits};
use crate::{
    app::AppId,
    contact::Address,
    entropy::Entropy,
    hash_key::KeyedHash,
    http::{Field, Json, Refusal},
    secret::VerificationCode,
};

/// How long a code works, in seconds.
pub const LIFETIME: i64 = 300;
/// A code is dead after so many wrong tries.
pub const TRIES: u32 = 5;
/// Wrong tries at an address within [`FAILURE_WINDOW`], whatever they were tried at.
pub const FAILURES: usize = 10;
/// Seconds in which they count.
pub const FAILURE_WINDOW: i64 = 3_600;

/// What a code is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Signing up; it also signs in.
    SignUp,
    /// Signing in.
    SignIn,
    /// Setting a new password.
    ForgetPwd,
}

impl Purpose {
    /// The word in requests, templates and stored records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignUp => "signup",
            Self::SignIn => "signin",
            Self::ForgetPwd => "forgetpwd",
        }
    }

    /// Whether a code is sent to addresses that nobody has proven.
    pub const fn reaches_strangers(self) -> bool {
        match self {
            Self::SignUp => true,
            Self::SignIn | Self::ForgetPwd => false,
        }
    }
}

impl Field for Purpose {
    fn read(value: Json) -> Result<Self, Refusal> {
        let text = String::read(value)?;
        [Self::SignUp, Self::SignIn, Self::ForgetPwd]
            .into_iter()
            .find(|purpose| purpose.as_str() == text)
            .ok_or("must be signup, signin or forgetpwd")
    }
}

impl Field for VerificationCode {
    fn read(value: Json) -> Result<Self, Refusal> {
        let text = String::read(value)?;
        if (4..=8).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()) {
            Ok(Self::new(text))
        } else {
            Err("must be 4 to 8 digits")
        }
    }
}

impl VerificationCode {
    /// Six digits, each number as likely as any other.
    pub fn draw(entropy: &dyn Entropy) -> Self {
        Self::new(format!("{:06}", entropy.below(1_000_000)))
    }

    /// What is kept of it: nobody without the hash key can try all of a million.
    pub fn hash(&self, key: &KeyedHash, app: AppId, address: &Address, purpose: Purpose) -> String {
        let app = app.to_string();
        key.of(&["code", &app, address.channel().as_str(), address.canonical(), purpose.as_str(), self.expose()])
    }
}

/// Everything about one address of an app.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressRecord {
    /// When codes were sent, in milliseconds since 1970, oldest first.
    #[serde(default)]
    pub sends: Vec<i64>,
    /// When wrong codes were tried, likewise.
    #[serde(default)]
    pub failures: Vec<i64>,
    /// The codes that are out.
    #[serde(default)]
    pub codes: BTreeMap<Purpose, PendingCode>,
}

/// A code that is out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingCode {
    /// [`VerificationCode::hash`].
    pub hash: String,
    /// When it stops to work, in milliseconds since 1970.
    pub until: i64,
    /// Wrong tries, and right ones that are being worked.
    pub tries: u32,
}

/// A try that was charged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// When, in milliseconds since 1970.
    at: i64,
    /// The codes that it is compared with.
    pub candidates: Vec<(Purpose, PendingCode)>,
}

impl AddressRecord {
    /// Takes a code to be sent, in place of an older one of its purpose; or says in how many seconds one may be.
    pub fn send(&mut self, purpose: Purpose, hash: String, limits: &[Rate], now: Timestamp) -> Result<(), u64> {
        let now = now.as_millisecond();
        let wait = limits
            .iter()
            .filter_map(|rate| {
                let nth = self.sends.len().checked_sub(rate.most)?;
                Some(self.sends[nth] + rate.within * 1_000 - now)
            })
            .max()
            .unwrap_or_default();
        if wait > 0 {
            return Err(wait.unsigned_abs().div_ceil(1_000));
        }
        let longest = limits.iter().map(|rate| rate.most).max().unwrap_or_default();
        self.sends.push(now);
        self.sends.drain(..self.sends.len().saturating_sub(longest));
        self.codes.insert(purpose, PendingCode { hash, until: now + LIFETIME * 1_000, tries: 0 });
        Ok(())
    }

    /// Charges a try at the codes of these purposes; `None` when the address has had its share, and nothing changes.
    pub fn charge(&mut self, purposes: &[Purpose], now: Timestamp) -> Option<Charge> {
        let at = now.as_millisecond();
        self.failures.retain(|failure| *failure > at - FAILURE_WINDOW * 1_000);
        if self.failures.len() >= FAILURES {
            return None;
        }
        self.failures.push(at);
        self.codes.retain(|_, code| code.until > at);
        let mut candidates = Vec::new();
        for (purpose, code) in &mut self.codes {
            if purposes.contains(purpose) && code.tries < TRIES {
                code.tries += 1;
                candidates.push((*purpose, code.clone()));
            }
        }
        Some(Charge { at, candidates })
    }

    /// Takes a charge back: the code was right.
    pub fn refund(&mut self, charge: &Charge) {
        if let Some(place) = self.failures.iter().position(|failure| *failure == charge.at) {
            self.failures.remove(place);
        }
        for (purpose, charged) in &charge.candidates {
            if let Some(code) = self.codes.get_mut(purpose).filter(|code| code.hash == charged.hash) {
                code.tries = code.tries.saturating_sub(1);
            }
        }
    }

    /// Takes a code out that has had its effect, and the charge of trying it back. Says whether it was still there.
    pub fn consume(&mut self, purpose: Purpose, charge: &Charge) -> bool {
        let is_there = self.codes.get(&purpose).is_some_and(|code| charge.is_for(purpose, &code.hash));
        if is_there {
            self.refund(charge);
            self.codes.remove(&purpose);
        }
        is_there
    }
}

impl Charge {
    /// Which of the candidates was given, if any; compares with all of them, in the same time.
    pub fn right(&self, hash_for: impl Fn(Purpose) -> String) -> Option<Purpose> {
        let mut right = None;
        for (purpose, code) in &self.candidates {
            if hash_for(*purpose).as_bytes().ct_eq(code.hash.as_bytes()).into() {
                right = right.or(Some(*purpose));
            }
        }
        right
    }

    fn is_for(&self, purpose: Purpose, hash: &str) -> bool {
        self.candidates.iter().any(|(candidate, code)| *candidate == purpose && code.hash == hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    const BOTH: [Purpose; 2] = [Purpose::SignUp, Purpose::SignIn];

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000_000 + seconds).unwrap()
    }

    fn sent(purposes: &[Purpose]) -> AddressRecord {
        let mut record = AddressRecord::default();
        for purpose in purposes {
            record.codes.insert(
                *purpose,
                PendingCode { hash: purpose.as_str().to_owned(), until: at(LIFETIME).as_millisecond(), tries: 0 },
            );
        }
        record
    }

    fn is_right(record: &mut AddressRecord, purposes: &[Purpose], guess: &str, now: Timestamp) -> bool {
        record.charge(purposes, now).is_some_and(|charge| charge.right(|_| guess.to_owned()).is_some())
    }

    #[test]
    fn ot_04_and_ot_05_sends_are_limited_by_minute_hour_and_day() {
        let SendLimits(limits) = SendLimits::default();
        let mut record = AddressRecord::default();
        let mut send = |seconds| record.send(Purpose::SignUp, String::new(), &limits, at(seconds));
        assert_eq!(send(0), Ok(()));
        assert_eq!(send(59), Err(1));
        for minute in 1..5 {
            assert_eq!(send(minute * 60), Ok(()));
        }
        assert_eq!(send(300), Err(3_300), "the sixth of the hour");
        for minute in 60..65 {
            assert_eq!(send(minute * 60), Ok(()));
        }
        assert_eq!(send(3 * 3_600), Err(21 * 3_600), "the eleventh of the day");
        assert_eq!(send(24 * 3_600), Ok(()));
        assert_eq!(send(24 * 3_600 + 1), Err(59));
    }

    #[test]
    fn ot_17_a_code_dies_at_its_fifth_wrong_try() {
        let mut record = sent(&[Purpose::SignUp]);
        for _ in 0..4 {
            assert!(!is_right(&mut record, &BOTH, "wrong", at(1)));
        }
        assert!(is_right(&mut record.clone(), &BOTH, "signup", at(1)));
        assert!(!is_right(&mut record, &BOTH, "wrong", at(1)));
        assert!(!is_right(&mut record, &BOTH, "signup", at(1)));
    }

    #[test]
    fn ot_14_and_ot_22_ten_wrong_tries_an_hour_whatever_is_sent_again() {
        let mut record = sent(&[Purpose::SignUp]);
        for round in 0..2 {
            record.codes = sent(&[Purpose::SignUp]).codes;
            for _ in 0..5 {
                assert!(!is_right(&mut record, &BOTH, "wrong", at(round)));
            }
        }
        record.codes = sent(&[Purpose::SignUp]).codes;
        let before = record.clone();
        assert_eq!(record.charge(&BOTH, at(2)), None);
        assert_eq!(record, before);
        record.codes.get_mut(&Purpose::SignUp).unwrap().until += FAILURE_WINDOW * 1_000;
        assert_eq!(record.charge(&BOTH, at(FAILURE_WINDOW - 1)), None);
        assert!(is_right(&mut record, &BOTH, "signup", at(FAILURE_WINDOW)), "the first five are an hour old");
    }

    #[test]
    fn codes_expire_to_the_millisecond() {
        for (now, works) in [(LIFETIME - 1, true), (LIFETIME, false)] {
            assert_eq!(is_right(&mut sent(&[Purpose::SignUp]), &BOTH, "signup", at(now)), works);
        }
    }

    #[test]
    fn ot_20_a_wrong_try_costs_only_the_codes_that_it_could_have_met() {
        let mut record = sent(&[Purpose::SignUp, Purpose::ForgetPwd]);
        assert!(!is_right(&mut record, &BOTH, "forgetpwd", at(1)));
        assert_eq!(record.codes[&Purpose::SignUp].tries, 1);
        assert_eq!(record.codes[&Purpose::ForgetPwd].tries, 0);
        assert_eq!(record.failures.len(), 1);
    }

    #[test]
    fn a_right_try_that_came_to_nothing_costs_nothing() {
        let mut record = sent(&BOTH);
        let before = record.clone();
        for _ in 0..20 {
            let charge = record.charge(&BOTH, at(1)).unwrap();
            record.refund(&charge);
        }
        assert_eq!(record, before);
    }

    #[test]
    fn a_code_is_consumed_once_and_not_in_place_of_a_newer_one() {
        let mut record = sent(&BOTH);
        let first = record.charge(&BOTH, at(1)).unwrap();
        let second = record.charge(&BOTH, at(1)).unwrap();
        assert!(record.consume(Purpose::SignUp, &first));
        assert!(!record.consume(Purpose::SignUp, &second));
        assert_eq!(record.failures.len(), 1);
        assert_eq!(record.codes[&Purpose::SignIn].tries, 1);
        record.codes.get_mut(&Purpose::SignIn).unwrap().hash = "another".to_owned();
        assert!(!record.consume(Purpose::SignIn, &second));
    }

    #[test]
    fn ot_11_codes_have_six_digits_and_no_favourites() {
        let mut counts = [[0_u32; 10]; 6];
        for _ in 0..60_000 {
            let code = VerificationCode::draw(&SystemEntropy);
            assert_eq!(code.expose().len(), 6);
            for (place, digit) in code.expose().bytes().enumerate() {
                counts[place][usize::from(digit - b'0')] += 1;
            }
        }
        for place in counts {
            let chi_squared: f64 = place.into_iter().map(|n| (f64::from(n) - 6_000.0).powi(2) / 6_000.0).sum();
            // Nine degrees of freedom: exceeded once in ten million times.
            assert!(chi_squared < 50.0, "{place:?}");
        }
    }
}
