//! Randomness as an input, and what is drawn from it.

/// Where random bytes come from.
pub trait Entropy: std::fmt::Debug + Send + Sync + 'static {
    /// Fills the buffer with bytes that nobody can predict.
    fn fill(&self, buffer: &mut [u8]);
}

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(clippy::disallowed_methods, clippy::expect_used, reason = "the one place where randomness is drawn")]
    fn fill(&self, buffer: &mut [u8]) {
        // Going on without randomness would hand out guessable ids and secrets.
        getrandom::fill(buffer).expect("the operating system must have randomness");
    }
}

/// What is drawn from an entropy source.
impl dyn Entropy {
    /// An array of random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// `2 * N` lower-case hexadecimal digits.
    pub fn hex<const N: usize>(&self) -> String {
        hex(&self.bytes::<N>())
    }

    /// A record's id: uniform in `1..2^53`, so that JavaScript can hold it and nobody can guess another one.
    pub fn id(&self) -> u64 {
        loop {
            let id = u64::from_le_bytes(self.bytes()) >> 11;
            if id != 0 {
                return id;
            }
        }
    }

    /// A random GUID (version 4), lower case.
    pub fn guid(&self) -> String {
        let mut bytes = self.bytes::<16>();
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let text = hex(&bytes);
        [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]].join("-")
    }

    /// A number below `bound`, uniform: values that would favour the small ones are drawn again.
    pub fn below(&self, bound: u64) -> u64 {
        let zone = u64::MAX - u64::MAX % bound;
        loop {
            let value = u64::from_le_bytes(self.bytes());
            if value < zone {
                return value % bound;
            }
        }
    }
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guids_have_the_version_and_variant_of_random_ones() {
        let entropy: &dyn Entropy = &SystemEntropy;
        let guid = entropy.guid();
        assert_eq!(guid.len(), 36);
        assert_eq!(&guid[14..15], "4");
        assert!("89ab".contains(&guid[19..20]));
    }

    #[test]
    fn ids_fit_a_javascript_number_and_do_not_repeat() {
        let entropy: &dyn Entropy = &SystemEntropy;
        let ids: std::collections::HashSet<_> = (0..10_000).map(|_| entropy.id()).collect();
        assert_eq!(ids.len(), 10_000);
        assert!(ids.iter().all(|id| (1..1 << 53).contains(id)));
    }

    #[test]
    fn a_bounded_draw_reaches_every_value_and_no_other() {
        let entropy: &dyn Entropy = &SystemEntropy;
        let drawn: std::collections::BTreeSet<_> = (0..1_000).map(|_| entropy.below(7)).collect();
        assert_eq!(drawn, (0..7).collect());
    }
}
