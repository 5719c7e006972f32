//! `tessera app`: the operator's view of the apps.

use std::sync::Arc;

use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};
use shared::{
    app::{AppId, AppKey, AppRecord, AppStatus},
    entropy::{Entropy, SystemEntropy},
    secret::AppSecret,
    settings::Preset,
    storage::{NewApp, SavedApp, Store},
};

use crate::{failure::Failure, price_table};

#[derive(Subcommand)]
pub(crate) enum AppCommand {
    /// Create an app; its secret is shown this once
    Create {
        /// What people call it
        #[arg(long)]
        name: String,
        /// The settings that it starts with
        #[arg(long, value_enum, default_value_t)]
        preset: PresetArg,
    },
    /// List all apps
    List,
    /// Show an app and its settings
    Show(Which),
    /// Change an app: `name=Shop tokenDays=7 corsOrigins=https://a.example,https://b.example defaultPassword=null`
    Set {
        #[command(flatten)]
        which: Which,
        /// A member as `app show` prints it, and its new value: JSON or plain text; `null` takes it away
        #[arg(required = true, value_name = "MEMBER=VALUE")]
        changes: Vec<String>,
    },
    /// Switch an app off: it is answered like one that does not exist
    Disable(Which),
    /// Switch an app on again
    Enable(Which),
    /// Replace an app's secret; the new one is shown this once
    RotateSecret(Which),
}

#[derive(clap::Args)]
pub(crate) struct Which {
    /// The app's number
    #[arg(long = "app", value_name = "ID", value_parser = parse_app_id)]
    id: AppId,
}

pub(crate) fn parse_app_id(text: &str) -> Result<AppId, String> {
    AppId::parse(text).ok_or_else(|| "an app's number is a positive integer".to_owned())
}

#[derive(Clone, Copy, Default, ValueEnum)]
pub(crate) enum PresetArg {
    /// For everything new
    #[default]
    Strict,
    /// As the public documents of the modelled systems say, for clients in the field
    Documented,
}

pub(crate) async fn run(store: Store, command: AppCommand) -> Result<Value, Failure> {
    match command {
        AppCommand::Create { name, preset } => create(&store, name, preset).await,
        AppCommand::List => {
            let apps = store.list_apps().await?;
            apps.iter()
                .map(|app| {
                    Ok(json!({"appId": app.app_id, "appKey": app.app_key, "name": app.card.name, "status": app.status}))
                })
                .collect()
        }
        AppCommand::Show(which) => show(&load(&store, &which).await?),
        AppCommand::Set { which, changes } => {
            let app = changed(&load(&store, &which).await?, &changes)?;
            save(&store, &app).await
        }
        AppCommand::Disable(which) => switch(&store, &which, AppStatus::Disabled).await,
        AppCommand::Enable(which) => switch(&store, &which, AppStatus::Active).await,
        AppCommand::RotateSecret(which) => {
            let mut app = load(&store, &which).await?;
            let secret = AppSecret::generate(&SystemEntropy);
            app.secret_hash = secret.hash();
            put(&store, &app).await?;
            Ok(json!({"appId": app.app_id, "appKey": app.app_key, "appSecret": secret.expose()}))
        }
    }
}

/// An app's number is never used again, so a deployment starts with 1 and goes up.
const FIRST: u32 = 1;

async fn create(store: &Store, name: String, preset: PresetArg) -> Result<Value, Failure> {
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let secret = AppSecret::generate(entropy.as_ref());
    let preset = match preset {
        PresetArg::Strict => Preset::Strict,
        PresetArg::Documented => Preset::Documented,
    };
    let first = AppId::new(FIRST).ok_or_else(|| Failure::new("the first app has no number"))?;
    loop {
        let app_id = store.next_app_id(first).await?;
        let app_key = AppKey::generate(entropy.as_ref());
        let app = AppRecord::new(app_id, app_key, &secret, name.clone(), preset);
        app.check().map_err(Failure::new)?;
        match store.create_app(&app).await? {
            NewApp::Created => {
                return Ok(json!({
                    "appId": app.app_id,
                    "appKey": app.app_key,
                    "appSecret": secret.expose(),
                    "name": app.card.name,
                }));
            }
            NewApp::Taken => {}
        }
    }
}

async fn load(store: &Store, which: &Which) -> Result<AppRecord, Failure> {
    store.load_app(which.id).await?.ok_or_else(|| Failure::new(format!("there is no app {}", which.id)))
}

async fn switch(store: &Store, which: &Which, status: AppStatus) -> Result<Value, Failure> {
    let mut app = load(store, which).await?;
    app.status = status;
    save(store, &app).await
}

async fn save(store: &Store, app: &AppRecord) -> Result<Value, Failure> {
    app.check().map_err(Failure::new)?;
    put(store, app).await?;
    show(app)
}

/// Stores a changed app.
pub(crate) async fn put(store: &Store, app: &AppRecord) -> Result<(), Failure> {
    match store.save_app(app).await? {
        SavedApp::Saved => Ok(()),
        SavedApp::ChangedMeanwhile => {
            Err(Failure::new("somebody else changed the app meanwhile: look at it and try again"))
        }
    }
}

/// Everything about an app but what is kept of its secret.
fn show(app: &AppRecord) -> Result<Value, Failure> {
    let mut value = serde_json::to_value(app)?;
    if let Some(members) = value.as_object_mut() {
        members.remove("secretHash");
        members.remove("revision");
    }
    Ok(value)
}

/// Members that no command line changes: they are what makes the app the app.
const FIXED: [&str; 6] = ["appId", "appKey", "secretHash", "status", "settings", "revision"];

fn changed(app: &AppRecord, changes: &[String]) -> Result<AppRecord, Failure> {
    changes.iter().try_fold(app.clone(), |app, change| {
        let (member, value) =
            change.split_once('=').ok_or_else(|| Failure::new(format!("{change}: expected MEMBER=VALUE")))?;
        set(&app, member, value)
    })
}

/// Sets a member to the first reading of the text that it takes: JSON, a list with commas, plain text.
fn set(app: &AppRecord, member: &str, text: &str) -> Result<AppRecord, Failure> {
    let whole = serde_json::to_value(app)?;
    let place = if whole.get(member).is_some() && !FIXED.contains(&member) {
        format!("/{member}")
    } else if whole["settings"].get(member).is_some() {
        format!("/settings/{member}")
    } else {
        return Err(Failure::new(format!("an app has no member {member} that can be set; see `app show`")));
    };
    let list = text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(Value::from).collect();
    let mut text_as_json = serde_json::from_str(text).ok();
    if member == "priceTable" && text_as_json.as_ref() != Some(&Value::Null) {
        text_as_json = Some(price_table::read(text).map_err(|problem| Failure::new(format!("{member}: {problem}")))?);
    }
    let readings = [text_as_json, Some(Value::Array(list)), Some(Value::from(text))];
    let mut refusal = None;
    for reading in readings.into_iter().flatten() {
        let mut changed = whole.clone();
        if let Some(target) = changed.pointer_mut(&place) {
            *target = reading;
        }
        match serde_json::from_value(changed) {
            Ok(app) => return Ok(app),
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    Err(Failure::new(format!("{member}={text}: {}", refusal.map(|error| error.to_string()).unwrap_or_default())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app() -> AppRecord {
        let key = AppKey::parse("0a1b2c3d-0000-4000-8000-0123456789ab").unwrap();
        AppRecord::new(
            AppId::new(7).unwrap(),
            key,
            &AppSecret::from_bytes([1; 32]),
            "Shop".to_owned(),
            Preset::Documented,
        )
    }

    fn set_all(changes: &[&str]) -> Result<AppRecord, Failure> {
        changed(&app(), &changes.iter().map(|change| (*change).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn members_and_settings_are_set_as_their_type_reads_the_text() {
        let app = set_all(&[
            "name=Shop = 2",
            "corsOrigins=https://a.example, https://b.example",
            "tokenDays=7",
            "defaultPassword=234567",
            "signUpsPerIpPerHour=5",
            "language=en",
            r#"roles={"user":["read"]}"#,
        ])
        .unwrap();
        assert_eq!(app.card.name, "Shop = 2");
        assert_eq!(app.cors_origins, ["https://a.example", "https://b.example"]);
        assert_eq!(app.settings.token_days, 7);
        assert_eq!(app.settings.default_password.as_deref(), Some("234567"));
        assert_eq!(app.settings.sign_ups_per_ip_per_hour, Some(5));
        assert_eq!(app.permissions("user"), "read");
        assert_eq!(set_all(&["defaultPassword=null"]).unwrap().settings.default_password, None);
    }

    #[test]
    fn a_price_table_is_set_as_it_stands_in_a_script_and_must_hold_prices() {
        let app = set_all(&["priceTable={ 200: 2000, '500': 5000, }"]).unwrap();
        let table = [("200".to_owned(), 2_000), ("500".to_owned(), 5_000)].into();
        assert_eq!(app.settings.price_table, Some(table));
        assert_eq!(set_all(&["priceTable=null"]).unwrap().settings.price_table, None);
        assert!(set_all(&["priceTable={0:1}"]).unwrap().check().is_err());
        for bad in ["priceTable={200:2000,200:1}", "priceTable=", "priceTable=200", "priceTable={200:'many'}"] {
            assert!(set_all(&[bad]).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_makes_the_app_the_app_cannot_be_set() {
        for change in [
            "appId=8",
            "secretHash=x",
            "status=disabled",
            "settings={}",
            "verifyFone=true",
            "tokenDays",
            "tokenDays=many",
        ] {
            assert!(set_all(&[change]).is_err(), "{change}");
        }
    }

    #[test]
    fn what_is_kept_of_the_secret_is_not_shown() {
        let shown = show(&app()).unwrap();
        assert_eq!(shown["name"], "Shop");
        assert!(shown.get("secretHash").is_none());
    }
}
