//! An app: the tenant that users, settings and everything else belong to.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::{
    entropy::Entropy,
    redirect::{RedirectUri, is_absolute_uri},
    secret::AppSecret,
    settings::{Language, Preset, Settings},
};

/// An app's number, small and positive; the tenant of the v1 paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AppId(u32);

impl AppId {
    /// The app with this number; zero is no app.
    pub const fn new(number: u32) -> Option<Self> {
        if number == 0 { None } else { Some(Self(number)) }
    }

    /// Reads the canonical decimal form: `2`, not `02` or `+2`.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().and_then(Self::new).filter(|id| id.to_string() == text)
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An app's GUID, lower case; the tenant of the 2.0 paths.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AppKey(String);

impl AppKey {
    /// Reads `8-4-4-4-12` hexadecimal digits in any letter case.
    pub fn parse(text: &str) -> Option<Self> {
        let mut groups = text.split('-');
        let fits = |group: Option<&str>, digits| {
            group.is_some_and(|group| group.len() == digits && group.bytes().all(|b| b.is_ascii_hexdigit()))
        };
        let is_guid = [8, 4, 4, 4, 12].into_iter().all(|digits| fits(groups.next(), digits)) && groups.next().is_none();
        is_guid.then(|| Self(text.to_ascii_lowercase()))
    }

    /// A new GUID.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(entropy.guid())
    }

    /// The GUID in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether an app is served. One that is not is answered like one that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AppStatus {
    /// Served.
    Active,
    /// Switched off by the operator.
    Disabled,
}

/// An app as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppRecord {
    /// The v1 tenant.
    pub app_id: AppId,
    /// The 2.0 tenant.
    pub app_key: AppKey,
    /// What is kept of the app's secret; see [`crate::secret::AppSecret::hash`].
    pub secret_hash: String,
    /// Whether it is served.
    pub status: AppStatus,
    /// What people see of it.
    #[serde(flatten)]
    pub card: AppCard,
    /// Where authorization codes may be sent.
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    /// The browser origins that may call; `*` is any.
    #[serde(default)]
    pub cors_origins: Vec<String>,
    /// Permissions by role.
    pub roles: BTreeMap<String, Vec<String>>,
    /// The language of its messages.
    #[serde(default)]
    pub language: Language,
    /// Everything else that its operator decides.
    #[serde(default)]
    pub settings: Settings,
    /// How often the record was changed: of two changes at once, one is refused rather than lost.
    #[serde(default)]
    pub revision: u64,
}

/// What everybody may know of an app.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppCard {
    /// Its name.
    pub name: String,
    /// The address of its picture.
    pub logo: Option<String>,
    /// Its home page.
    pub website: Option<String>,
    /// A sentence about it.
    pub description: Option<String>,
    /// Words to find it by.
    pub tags: Option<String>,
}

impl AppRecord {
    /// An app with its preset's settings and the one role that new users get.
    pub fn new(app_id: AppId, app_key: AppKey, secret: &AppSecret, name: String, preset: Preset) -> Self {
        let settings = Settings::preset(preset);
        Self {
            app_id,
            app_key,
            secret_hash: secret.hash(),
            status: AppStatus::Active,
            card: AppCard { name, ..AppCard::default() },
            redirect_uris: Vec::new(),
            cors_origins: Vec::new(),
            roles: [(settings.default_role.clone(), Vec::new())].into(),
            language: Language::default(),
            settings,
            revision: 0,
        }
    }

    /// The permissions of a role, space-separated; none for a role that the app does not have.
    pub fn permissions(&self, role: &str) -> String {
        self.roles.get(role).map(|permissions| permissions.join(" ")).unwrap_or_default()
    }

    /// Whether pages of this origin may call for the app. Origins are compared as the bytes that they are.
    pub fn allows_origin(&self, origin: &str) -> bool {
        self.cors_origins.iter().any(|allowed| allowed == "*" || allowed == origin)
    }

    /// What is wrong with the record, if anything; for the operator.
    pub fn check(&self) -> Result<(), String> {
        if self.card.name.trim().is_empty() || self.card.name.chars().count() > 100 {
            return Err("name must have 1 to 100 characters".to_owned());
        }
        if !self.roles.contains_key(&self.settings.default_role) {
            return Err(format!("defaultRole: the app has no role {}", self.settings.default_role));
        }
        let is_origin = |origin: &String| {
            origin == "*"
                || (["http://", "https://"].iter().any(|scheme| {
                    origin.strip_prefix(scheme).is_some_and(|host| {
                        !host.is_empty()
                            && !host.contains(['/', '?', '#', '@', ' '])
                            && host == host.to_ascii_lowercase()
                    })
                }))
        };
        if let Some(origin) = self.cors_origins.iter().find(|origin| !is_origin(origin)) {
            return Err(format!("corsOrigins: {origin} is not an origin such as https://app.example.com"));
        }
        if let Some(uri) =
            self.redirect_uris.iter().find(|uri| uri.len() > RedirectUri::MAX_BYTES || !is_absolute_uri(uri))
        {
            return Err(format!("redirectUris: {uri} is not a URI such as https://app.example.com/callback"));
        }
        self.settings.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_numbers_name_an_app() {
        assert_eq!(AppId::parse("2"), AppId::new(2));
        for bad in ["", "0", "02", "+2", "-1", "2 ", "\u{ff12}", "9223372036854775808", "abc", "2;a=b", "2\0"] {
            assert_eq!(AppId::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn app_keys_are_guids_in_any_letter_case() {
        let key = AppKey::parse("0A1B2C3D-0000-4000-8000-0123456789AB").unwrap();
        assert_eq!(key.as_str(), "0a1b2c3d-0000-4000-8000-0123456789ab");
        for bad in [
            "",
            "2",
            "0a1b2c3d00004000800001234567 89ab",
            "0a1b2c3d-0000-4000-8000-0123456789a",
            "0a1b2c3d-0000-4000-8000-0123456789ab-",
            "0g1b2c3d-0000-4000-8000-0123456789ab",
        ] {
            assert_eq!(AppKey::parse(bad), None, "{bad}");
        }
    }
}
