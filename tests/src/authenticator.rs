//! A user's authenticator: RFC 6238 once more, written apart from the service's own.

use aws_lc_rs::hmac;
use jiff::Timestamp;

/// Shows the codes of one secret.
#[derive(Clone, Debug)]
pub struct Authenticator(Vec<u8>);

impl Authenticator {
    /// Takes the key as people type it: base32.
    pub fn with_key(key: &str) -> Self {
        let mut bits = 0_u64;
        let mut count = 0;
        let mut bytes = Vec::new();
        for c in key.bytes() {
            let digit = match c {
                b'A'..=b'Z' => c - b'A',
                b'2'..=b'7' => c - b'2' + 26,
                _ => panic!("{key} is not base32"),
            };
            bits = bits << 5 | u64::from(digit);
            count += 5;
            if count >= 8 {
                count -= 8;
                bytes.push(u8::try_from(bits >> count & 0xff).expect("a byte"));
            }
        }
        Self(bytes)
    }

    /// The secret's bytes.
    pub fn secret(&self) -> &[u8] {
        &self.0
    }

    /// The code shown at this time, or so many steps later.
    pub fn code(&self, now: Timestamp, steps_later: i64) -> String {
        let step = now.as_second() / 30 + steps_later;
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let offset = usize::from(tag.as_ref()[19] & 15);
        let word = tag.as_ref()[offset..offset + 4].iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
        format!("{:06}", (word & 0x7fff_ffff) % 1_000_000)
    }
}
