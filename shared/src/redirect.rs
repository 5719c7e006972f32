//! Where an authorization code may be sent.

use crate::{
    app::AppRecord,
    http::{Field, Json, Refusal},
};

/// A redirect URI as it was sent: compared byte for byte, never followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectUri(String);

impl RedirectUri {
    /// The longest one, in bytes.
    pub const MAX_BYTES: usize = 2_048;

    /// The URI as it was sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The URI as it was sent.
    pub fn into_string(self) -> String {
        self.0
    }

    /// Whether codes of the app may be sent there: it is one of those that the app registered, or the app registered
    /// none and takes any.
    pub fn is_allowed(&self, app: &AppRecord) -> bool {
        if app.redirect_uris.is_empty() {
            app.settings.open_redirect && is_absolute_uri(&self.0)
        } else {
            app.redirect_uris.contains(&self.0)
        }
    }
}

impl Field for RedirectUri {
    fn read(value: Json) -> Result<Self, Refusal> {
        let text = String::read(value)?;
        if text.len() > Self::MAX_BYTES {
            return Err("must not be longer than 2048 bytes");
        }
        if text.chars().any(char::is_control) {
            return Err("must not contain control characters");
        }
        Ok(Self(text))
    }
}

/// Whether the text is a URI with a scheme (RFC 3986), and none that a browser would execute. Custom schemes are those
/// of native apps.
pub fn is_absolute_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    let scheme = scheme.to_ascii_lowercase();
    let is_script = ["javascript", "vbscript", "data", "blob", "filesystem", "about"].contains(&scheme.as_str());
    let has_host = || {
        let authority = rest.strip_prefix("//").map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
        // User information before the host is there to deceive.
        authority.is_some_and(|host| !host.is_empty() && !host.starts_with(':') && !host.contains('@'))
    };
    is_scheme
        && !is_script
        && !rest.is_empty()
        && is_uri_text(rest)
        && (!matches!(scheme.as_str(), "http" | "https") || has_host())
}

/// Whether the text consists of what a URI may contain, percent signs with their two digits.
fn is_uri_text(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().enumerate().all(|(place, byte)| match byte {
        b'%' => bytes.get(place + 1..place + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)),
        byte => byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=".contains(byte),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        app::{AppId, AppKey},
        secret::AppSecret,
        settings::Preset,
    };

    proptest! {
        #[test]
        fn p_14_an_address_is_allowed_when_it_is_registered_byte_for_byte(
            registered in prop::collection::vec("https://(a|b)\\.example/[a-c/]{0,2}", 1..4),
            other in "https?://(a|A|b)\\.example(:443)?/[a-c/%.]{0,3}",
            is_other in any::<bool>(),
            is_open in any::<bool>(),
            choice in any::<prop::sample::Index>(),
        ) {
            let sent = if is_other { other } else { registered[choice.index(registered.len())].clone() };
            let key = AppKey::parse("0a1b2c3d-0000-4000-8000-0123456789ab").unwrap();
            let secret = AppSecret::from_bytes([7; 32]);
            let mut app = AppRecord::new(AppId::new(2).unwrap(), key, &secret, "Demo".to_owned(), Preset::Strict);
            app.settings.open_redirect = is_open;
            app.redirect_uris.clone_from(&registered);
            let uri = RedirectUri::read(Json::Text(sent.clone())).unwrap();
            prop_assert_eq!(uri.is_allowed(&app), registered.contains(&sent));
        }
    }

    #[test]
    fn absolute_uris_have_a_scheme_and_only_what_a_uri_may_contain() {
        for good in [
            "https://a.example/cb",
            "http://localhost:3000/cb?x=1&y=%20#/route",
            "myapp://callback",
            "com.example.app:/oauth",
            "https://[::1]:8080/",
        ] {
            assert!(is_absolute_uri(good), "{good}");
        }
        for bad in [
            "",
            "/cb",
            "//a.example/cb",
            "a.example/cb",
            "https:",
            "https://",
            "https:///cb",
            "https:/a.example",
            "https://:80/",
            "https://good.example@evil.example/",
            "https://a.example\\cb",
            "https://a.example/ cb",
            "https://a.example/%2",
            "https://a.example/%zz",
            "https://例子.example/",
            "1https://a.example/",
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "data:text/html,x",
            "vbscript:x",
        ] {
            assert!(!is_absolute_uri(bad), "{bad}");
        }
    }
}
