//! What an operator decides per app. Two presets, every setting changeable alone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{codes::Purpose, jwt::MAX_TOKEN_DAYS, secret::MiniProgramSecret};

/// The language of the messages that an app's clients get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Language {
    /// Chinese, as existing clients expect.
    #[default]
    Zh,
    /// English.
    En,
}

/// A starting point for an app's settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preset {
    /// For everything new: whoever claims an external identity or credits points must hold the app's secret.
    #[default]
    Strict,
    /// For clients in the field: behaves as the public documents of the modelled systems say.
    Documented,
}

/// What must come with a claim that the client cannot prove by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Proof {
    /// The app's secret, or a secret that the service handed out before.
    Secret,
    /// Nothing.
    None,
}

/// How an authorization code that was granted for a redirect URI is exchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CodeExchange {
    /// With the verifier of its challenge, or with the app's secret.
    Pkce,
    /// By whoever holds the code.
    Open,
}

/// Who may credit points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Recharge {
    /// The app's server, beside the user's token.
    Server,
    /// The user's token alone.
    User,
}

/// An app's settings; the names are those of the command line and of the stored record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own that operators know by its name")]
pub struct Settings {
    /// Every sign-up needs a phone and its code.
    pub verify_phone: bool,
    /// Every sign-up needs an e-mail address and its code.
    pub verify_email: bool,
    /// People may sign up by themselves.
    pub sign_up_enabled: bool,
    /// People may sign in with a password.
    pub password_sign_in_enabled: bool,
    /// Points that a new user is given.
    pub sign_up_points: u64,
    /// The role of a new user.
    pub default_role: String,
    /// How long a token lives, in days, 1 to 99.
    pub token_days: u32,
    /// What a bare union id needs beside it.
    pub union_id_proof: Proof,
    /// What polling and confirming a QR sign-in need beside its key.
    pub qr_proof: Proof,
    /// How authorization codes are exchanged.
    pub code_exchange: CodeExchange,
    /// Whether an empty list of redirect URIs allows any.
    pub open_redirect: bool,
    /// Who may credit points.
    pub recharge: Recharge,
    /// The password of an account that signed up without one; without it, such an account has none.
    pub default_password: Option<String>,
    /// Users that one address may create in an hour.
    pub sign_ups_per_ip_per_hour: Option<u64>,
    /// The shortest password that may be set, in code points.
    pub password_min_length: u32,
    /// Points by price in fen, the price as a decimal string.
    pub price_table: Option<BTreeMap<String, u64>>,
    /// Fen that one user may recharge in a local calendar day.
    pub daily_recharge_limit: Option<u64>,
    /// The mini program whose codes the app shows; without it, codes are plain QR codes.
    pub mini_program: Option<MiniProgram>,
    /// What messages say.
    pub templates: Templates,
}

/// A WeChat mini program of the app's operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MiniProgram {
    /// The id that WeChat gave it.
    pub app_id: String,
    /// The secret that WeChat gave it.
    pub secret: MiniProgramSecret,
}

/// An app's own texts in place of the built-in ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Templates {
    /// Text messages, by what the code is for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sms: BTreeMap<Purpose, String>,
    /// E-mails, by what the code is for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub mail: BTreeMap<Purpose, String>,
    /// Whether somebody who signs up with a proven mailbox is sent a first mail.
    pub welcome_mail: bool,
}

impl Templates {
    /// The longest text, in code points.
    const MAX_CHARS: usize = 1_000;

    /// What is wrong with the texts, if anything.
    fn check(&self) -> Result<(), String> {
        for (channel, texts) in [("sms", &self.sms), ("mail", &self.mail)] {
            for (purpose, text) in texts {
                let name = format!("templates.{channel}.{}", purpose.as_str());
                if text.matches("{code}").count() != 1 {
                    return Err(format!("{name} must contain {{code}} once"));
                }
                if text.replace("{code}", "").contains(['{', '}']) {
                    return Err(format!("{name} has a placeholder other than {{code}}"));
                }
                if text.chars().count() > Self::MAX_CHARS {
                    return Err(format!("{name} must not be longer than {} characters", Self::MAX_CHARS));
                }
                if text.chars().any(|c| c.is_control() && c != '\n') {
                    return Err(format!("{name} must not contain control characters"));
                }
            }
        }
        Ok(())
    }
}

impl Settings {
    /// The preset's values.
    pub fn preset(preset: Preset) -> Self {
        let strict = Self {
            verify_phone: false,
            verify_email: false,
            sign_up_enabled: true,
            password_sign_in_enabled: true,
            sign_up_points: 0,
            default_role: "user".to_owned(),
            token_days: 1,
            union_id_proof: Proof::Secret,
            qr_proof: Proof::Secret,
            code_exchange: CodeExchange::Pkce,
            open_redirect: false,
            recharge: Recharge::Server,
            default_password: None,
            sign_ups_per_ip_per_hour: Some(20),
            password_min_length: 8,
            price_table: None,
            daily_recharge_limit: None,
            mini_program: None,
            templates: Templates::default(),
        };
        match preset {
            Preset::Strict => strict,
            Preset::Documented => Self {
                union_id_proof: Proof::None,
                qr_proof: Proof::None,
                code_exchange: CodeExchange::Open,
                open_redirect: true,
                recharge: Recharge::User,
                default_password: Some("123456".to_owned()),
                sign_ups_per_ip_per_hour: None,
                password_min_length: 6,
                price_table: Some(
                    [(200, 2_000), (500, 5_000), (800, 10_000)]
                        .map(|(fen, points)| (u64::to_string(&fen), points))
                        .into(),
                ),
                ..strict
            },
        }
    }

    /// What is wrong with these values, if anything; for the operator.
    pub fn check(&self) -> Result<(), String> {
        if !(1..=MAX_TOKEN_DAYS).contains(&self.token_days) {
            return Err(format!("tokenDays must be from 1 to {MAX_TOKEN_DAYS}"));
        }
        if !(1..=128).contains(&self.password_min_length) {
            return Err("passwordMinLength must be from 1 to 128".to_owned());
        }
        if self.sign_up_points >= 1 << 53 {
            return Err("signUpPoints must be below 2^53".to_owned());
        }
        if self.default_password.as_ref().is_some_and(|password| password.is_empty() || password.chars().count() > 128)
        {
            return Err("defaultPassword must have 1 to 128 characters".to_owned());
        }
        if let Some(MiniProgram { app_id, secret }) = &self.mini_program {
            let is_plain =
                |text: &str| (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric());
            if !is_plain(app_id) || !is_plain(secret.expose()) {
                return Err("miniProgram: appId and secret must be as WeChat shows them".to_owned());
            }
        }
        self.templates.check()?;
        for (price, points) in self.price_table.iter().flatten() {
            let fen =
                price.parse::<u64>().ok().filter(|fen| (1..=1_000_000_000).contains(fen) && fen.to_string() == *price);
            if fen.is_none() || !(1..1 << 53).contains(points) {
                return Err(format!("priceTable: {price} -> {points} is not a price in fen with its points"));
            }
        }
        Ok(())
    }
}

/// A record written before a setting existed gets the strict value of it.
impl Default for Settings {
    fn default() -> Self {
        Self::preset(Preset::Strict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_presets_are_valid() {
        assert_eq!(Settings::preset(Preset::Strict).check(), Ok(()));
        assert_eq!(Settings::preset(Preset::Documented).check(), Ok(()));
    }

    #[test]
    fn settings_are_read_back_as_written_and_unknown_ones_refused() {
        let settings = Settings::preset(Preset::Documented);
        let text = serde_json::to_string(&settings).unwrap();
        assert!(text.contains(r#""signUpsPerIpPerHour":null"#) && text.contains(r#""unionIdProof":"none""#), "{text}");
        assert_eq!(serde_json::from_str::<Settings>(&text).unwrap(), settings);
        assert!(serde_json::from_str::<Settings>(r#"{"verifyfone":true}"#).is_err());
    }

    #[test]
    fn values_out_of_range_are_refused() {
        for (name, value) in [
            ("tokenDays", "0"),
            ("tokenDays", "100"),
            ("passwordMinLength", "0"),
            ("priceTable", r#"{"0":1}"#),
            ("priceTable", r#"{"007":1}"#),
            ("priceTable", r#"{"200":0}"#),
            ("defaultPassword", r#""""#),
            ("miniProgram", r#"{"appId":"wx1","secret":""}"#),
            ("miniProgram", r#"{"appId":"wx 1","secret":"s"}"#),
        ] {
            let settings: Settings = serde_json::from_str(&format!(r#"{{"{name}":{value}}}"#)).unwrap();
            assert!(settings.check().is_err(), "{name} {value}");
        }
    }
}
