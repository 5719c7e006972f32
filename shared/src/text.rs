//! The texts that requests carry, each a type with its ceiling and its forbidden characters.
//!
//! Ceilings count Unicode code points and come from the API's contract; a text that exists has passed them.

use std::fmt;

use unicode_normalization::UnicodeNormalization as _;

use crate::{
    error::ApiError,
    http::{Field, Fields, Json, Refusal},
    secret::Password,
};

/// Which characters a text may not contain.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Alphabet {
    /// Shown to people: no control characters.
    Display,
    /// Compared by machines: no control characters and nothing that cannot be seen, either.
    Identifier,
}

impl Alphabet {
    fn check(self, text: &str) -> Result<(), Refusal> {
        if text.chars().any(char::is_control) {
            return Err("must not contain control characters");
        }
        if self == Self::Identifier && text.chars().any(is_invisible) {
            return Err("must not contain invisible characters");
        }
        Ok(())
    }
}

/// Zero-width characters, bidirectional controls and spaces that look like another one: two identifiers that differ
/// in these only would look the same.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{a0}'
            | '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202f}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

fn within(text: &str, max_chars: usize, too_long: Refusal) -> Result<(), Refusal> {
    // A code point is at most four bytes: most texts need no counting.
    if text.len() > max_chars && text.chars().count() > max_chars { Err(too_long) } else { Ok(()) }
}

/// Declares a text type: name, ceiling in code points, alphabet.
macro_rules! text_types {
    ($($(#[$doc:meta])* $name:ident <= $max:literal $alphabet:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $name(String);

        impl $name {
            /// The longest one, in code points.
            pub const MAX_CHARS: usize = $max;

            /// Checks the text; the error completes the sentence "`field` …".
            pub fn parse(text: impl Into<String>) -> Result<Self, Refusal> {
                let text = text.into();
                if text.is_empty() {
                    return Err("must not be empty");
                }
                within(&text, $max, concat!("must not be longer than ", $max, " characters"))?;
                Alphabet::$alphabet.check(&text)?;
                Ok(Self(text))
            }

            /// The text as it was sent.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The text as it was sent.
            pub fn into_string(self) -> String {
                self.0
            }
        }

        impl Field for $name {
            fn read(value: Json) -> Result<Self, Refusal> {
                Self::parse(String::read(value)?)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

text_types! {
    /// The name that a user signs in with; see [`UserName::canonical`] for how it is compared.
    UserName <= 64 Identifier;
    /// The name that others see.
    NickName <= 50 Display;
    /// Where an external identity comes from, for example `wechat`; compared exactly.
    Platform <= 50 Identifier;
    /// What people call a platform.
    PlatformName <= 50 Display;
    /// A user's id on a platform; compared exactly.
    UnionId <= 100 Identifier;
    /// A phone number as it was sent, not proven to be one.
    PhoneText <= 32 Identifier;
    /// An e-mail address as it was sent, not proven to be one.
    EmailText <= 254 Identifier;
    /// What a token is asked for: a free vocabulary, kept as sent.
    Scopes <= 200 Display;
    /// An order of the app's shop, credited once.
    OrderId <= 64 Identifier;
}

impl UserName {
    /// What is unique within an app: the name after NFC and lower-casing.
    pub fn canonical(&self) -> String {
        // Lower-casing can leave a decomposed sequence behind, hence the second composition.
        self.0.nfc().collect::<String>().to_lowercase().nfc().collect()
    }

    /// Names that read as if the operator spoke; nobody may sign up with them.
    pub fn is_reserved(&self) -> bool {
        const RESERVED: [&str; 8] = ["admin", "root", "system", "support", "api", "me", "null", "undefined"];
        RESERVED.contains(&self.canonical().as_str())
    }
}

/// An identity on another platform: at most one user of an app has it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExternalId {
    /// Where the identity comes from.
    pub platform: Platform,
    /// The id there.
    pub union_id: UnionId,
}

impl ExternalId {
    /// Reads `platform` and `unionID`.
    pub fn read(fields: &mut Fields) -> Result<Self, ApiError> {
        Ok(Self { platform: fields.required("platform")?, union_id: fields.required("unionID")? })
    }
}

/// The `scheme` of QR and OAuth sign-ins. `app` is the only one there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scheme;

impl Field for Scheme {
    fn read(value: Json) -> Result<Self, Refusal> {
        if value == Json::Text("app".to_owned()) { Ok(Self) } else { Err("must be app") }
    }
}

/// The address of a picture, kept as sent and never fetched. Addresses that a browser would execute are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Avatar(String);

impl Avatar {
    /// The address as it was sent.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl Field for Avatar {
    fn read(value: Json) -> Result<Self, Refusal> {
        let text = String::read(value)?;
        within(&text, 999, "must not be longer than 999 characters")?;
        Alphabet::Display.check(&text)?;
        let scheme = text.trim_start().split(':').next().unwrap_or_default().to_ascii_lowercase();
        if ["javascript", "vbscript", "data"].contains(&scheme.as_str()) && text.contains(':') {
            return Err("must be the address of a picture");
        }
        Ok(Self(text))
    }
}

/// What a client keeps with a user: any text but U+0000, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data(String);

impl Data {
    /// The longest one, in bytes of UTF-8.
    pub const MAX_BYTES: usize = 32 * 1024;

    /// The text as it was sent.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl Field for Data {
    fn read(value: Json) -> Result<Self, Refusal> {
        let text = String::read(value)?;
        if text.len() > Self::MAX_BYTES {
            return Err("must not be longer than 32 KiB");
        }
        if text.contains('\0') {
            return Err("must not contain U+0000");
        }
        Ok(Self(text))
    }
}

/// A note beside an entry. Clients put long texts there: what is too much is cut, not refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remark(String);

impl Remark {
    /// What is kept of one, in code points.
    pub const MAX_CHARS: usize = 512;

    /// Checks the text and cuts it; the error completes the sentence "`field` …".
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        Alphabet::Display.check(text)?;
        Ok(Self(text.chars().take(Self::MAX_CHARS).collect()))
    }

    /// What is kept of the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is kept of the text.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl Field for Remark {
    fn read(value: Json) -> Result<Self, Refusal> {
        Self::parse(&String::read(value)?)
    }
}

impl Field for Password {
    fn read(value: Json) -> Result<Self, Refusal> {
        let text = String::read(value)?;
        within(&text, 128, "must not be longer than 128 characters")?;
        Alphabet::Display.check(&text)?;
        Ok(Self::new(text))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_compared_composed_and_in_lower_case() {
        let canonical = |name: &str| UserName::parse(name).unwrap().canonical();
        assert_eq!(canonical("Alice01"), canonical("alice01"));
        assert_eq!(canonical("caf\u{e9}"), canonical("cafe\u{301}"));
        assert_ne!(canonical("\u{fb01}"), canonical("fi"), "compatibility forms stay different");
    }

    #[test]
    fn ceilings_count_code_points() {
        assert!(UserName::parse("\u{1f600}".repeat(64)).is_ok());
        assert!(UserName::parse("a".repeat(65)).is_err());
        assert!(Data::read(Json::Text("\u{e9}".repeat(16 * 1024))).is_ok());
        assert!(Data::read(Json::Text("\u{e9}".repeat(16 * 1024 + 1))).is_err());
    }

    #[test]
    fn identifiers_refuse_what_cannot_be_seen() {
        for bad in [
            "a\u{0}",
            "a\n",
            "a\u{7f}",
            "a\u{85}",
            "a\u{200b}",
            "a\u{202e}",
            "a\u{2066}",
            "a\u{feff}",
            "a\u{ad}",
            "a\u{a0}",
        ] {
            assert!(UserName::parse(bad).is_err(), "{bad:?}");
            assert!(Platform::parse(bad).is_err(), "{bad:?}");
        }
        assert!(NickName::parse("a\u{200d}b").is_ok());
        assert!(NickName::parse("a\nb").is_err());
    }

    #[test]
    fn an_avatar_is_never_a_script() {
        for bad in ["javascript:alert(1)", " JavaScript:alert(1)", "data:text/html,x", "vbscript:x"] {
            assert!(Avatar::read(Json::Text(bad.into())).is_err(), "{bad}");
        }
        for good in ["https://example.com/a.png", "/a.png", "data", "datastore.png"] {
            assert!(Avatar::read(Json::Text(good.into())).is_ok(), "{good}");
        }
    }

    proptest! {
        #[test]
        fn p_12_canonical_names_are_stable(name in "\\PC{1,64}") {
            if let Ok(name) = UserName::parse(name) {
                let once = name.canonical();
                // A canonical form can be longer than what was sent; what counts is that it maps to itself.
                prop_assert_eq!(UserName(once.clone()).canonical(), once);
            }
        }
    }
}
