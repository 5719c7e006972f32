//! Licence codes: what a vendor sells, and links users to.

use crate::entropy::Entropy;

/// A licence code. Letter case is kept and does not count.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sn {
    code: String,
    canonical: String,
}

impl Sn {
    /// The longest one, in characters.
    pub const MAX_CHARS: usize = 64;

    /// Reads ASCII letters, digits, `-`, `_` and `.`; anything else is no licence code.
    pub fn parse(text: &str) -> Option<Self> {
        let is_code = (1..=Self::MAX_CHARS).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        is_code.then(|| Self { code: text.to_owned(), canonical: text.to_ascii_uppercase() })
    }

    /// A new one: four groups of four digits and letters, without those that look like others. 80 random bits.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        let bytes: [u8; 16] = entropy.bytes();
        let code: Vec<String> = bytes
            .chunks(4)
            .map(|group| group.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect())
            .collect();
        let code = code.join("-");
        Self { canonical: code.clone(), code }
    }

    /// The code as it was written.
    pub fn as_str(&self) -> &str {
        &self.code
    }

    /// The code as it is compared.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    #[test]
    fn letter_case_does_not_count() {
        let sn = Sn::parse("Pro-2026.a_b").unwrap();
        assert_eq!(sn.as_str(), "Pro-2026.a_b");
        assert_eq!(sn.canonical(), Sn::parse("pRO-2026.A_B").unwrap().canonical());
        for bad in ["", "a b", "a/b", "a#b", "\u{e9}", "a\0", &"x".repeat(65)] {
            assert_eq!(Sn::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn generated_codes_are_codes() {
        let sn = Sn::generate(&SystemEntropy);
        assert_eq!(Sn::parse(sn.as_str()), Some(sn));
    }
}
