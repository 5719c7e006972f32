//! Keys that are none: short, typed by somebody, or printed in a document where everybody can read them.

/// The shortest key, in bytes.
const LEAST_BYTES: usize = 32;
/// Of 32 random bytes some thirty are distinct; fewer than this by chance is a matter of 10^-13.
const LEAST_DISTINCT: usize = 16;

/// Coordinates of public keys whose private half is printed: RFC 7515 A.3, RFC 7517 A.2, jwt.io's example of ES256.
const PRINTED: [&str; 3] = [
    "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    "EVs_o5-uQbTjL3chynL4wXgUg2R9q9UU8I5mEovUf84",
];

/// What is wrong with a secret key, if anything. Random bytes never are text: 32 of them are with a chance of 10^-14.
pub(crate) fn problem(key: &[u8]) -> Option<&'static str> {
    let distinct: std::collections::HashSet<_> = key.iter().collect();
    if key.len() < LEAST_BYTES {
        Some("is shorter than 32 bytes")
    } else if std::str::from_utf8(key).is_ok_and(|text| !text.chars().any(|c| c.is_control() && !c.is_whitespace())) {
        Some("is a text: a key is made of random bytes, as `openssl rand -base64 32` makes them")
    } else if distinct.len() < LEAST_DISTINCT {
        Some("is not random")
    } else {
        None
    }
}

/// Whether the private half of the public key with this coordinate is printed somewhere.
pub(crate) fn is_printed(x: &str) -> bool {
    PRINTED.contains(&x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::{Entropy, SystemEntropy};

    #[test]
    fn random_bytes_are_keys_and_what_people_type_is_none() {
        let entropy: &dyn Entropy = &SystemEntropy;
        for _ in 0..10_000 {
            assert_eq!(problem(&entropy.bytes::<32>()), None);
        }
        for bad in [
            &b""[..],
            b"changeme",
            b"a key of the tests, never of a deployment",
            b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "一把足够长的钥匙但是谁都能猜到".as_bytes(),
            &[0; 32],
            &[0xff; 64],
            &[0xde, 0xad, 0xbe, 0xef].repeat(8),
            &entropy.bytes::<31>(),
        ] {
            assert!(problem(bad).is_some(), "{bad:?}");
        }
    }
}
