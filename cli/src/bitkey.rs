//! `tessera bitkey`: the keys by which vendors' back offices call.

use clap::Subcommand;
use jiff::Timestamp;
use serde_json::{Value, json};
use shared::{
    app::AppId,
    bitkey::{Bitkey, BitkeyId, BitkeyRecord, BitkeyScope},
    clock::{Clock as _, SystemClock},
    entropy::SystemEntropy,
    storage::{NewBitkey, Revoked, Store},
};

use crate::{app::Which, failure::Failure};

#[derive(Subcommand)]
pub(crate) enum BitkeyCommand {
    /// Issue a bitkey; it is shown this once
    Create {
        #[command(flatten)]
        which: Which,
        /// It may list and search, and neither link nor unlink
        #[arg(long)]
        read_only: bool,
    },
    /// List an app's bitkeys by their ids
    List(Which),
    /// End a bitkey, from the next request on
    Revoke {
        /// The id, as `bitkey list` prints it
        #[arg(long, value_name = "ID", value_parser = parse_id)]
        id: BitkeyId,
    },
}

fn parse_id(text: &str) -> Result<BitkeyId, String> {
    BitkeyId::parse(text).ok_or_else(|| "a bitkey's id has sixteen hexadecimal digits".to_owned())
}

pub(crate) async fn run(store: Store, command: BitkeyCommand) -> Result<Value, Failure> {
    match command {
        BitkeyCommand::Create { which, read_only } => {
            let scope = if read_only { BitkeyScope::ReadOnly } else { BitkeyScope::Full };
            loop {
                let bitkey = Bitkey::generate(&SystemEntropy);
                match store.app(which.id).create_bitkey(&record(which.id, &bitkey, scope)).await? {
                    NewBitkey::Created => return Ok(json!({"id": bitkey.id(), "bitkey": bitkey.expose()})),
                    NewBitkey::Taken => {}
                    NewBitkey::NoApp => return Err(Failure::new(format!("there is no app {}", which.id))),
                    NewBitkey::TooMany => {
                        return Err(Failure::new(format!(
                            "app {} has two such bitkeys, as many as it takes to change over: revoke one first",
                            which.id
                        )));
                    }
                }
            }
        }
        BitkeyCommand::List(which) => {
            let bitkeys = store.app(which.id).list_bitkeys().await?;
            Ok(bitkeys
                .iter()
                .map(|bitkey| json!({"id": bitkey.id, "scope": bitkey.scope, "created": created(bitkey)}))
                .collect())
        }
        BitkeyCommand::Revoke { id } => match store.revoke_bitkey(&id).await? {
            Revoked::Done => Ok(json!({"id": id, "revoked": true})),
            Revoked::Unknown => Err(Failure::new(format!("there is no bitkey {}", id.as_str()))),
        },
    }
}

fn created(bitkey: &BitkeyRecord) -> String {
    Timestamp::from_millisecond(bitkey.created_at).unwrap_or_default().to_string()
}

/// A key as it is stored, issued now.
pub(crate) fn record(app_id: AppId, bitkey: &Bitkey, scope: BitkeyScope) -> BitkeyRecord {
    BitkeyRecord {
        id: bitkey.id().clone(),
        app_id,
        hash: bitkey.hash(),
        scope,
        created_at: SystemClock.now().as_millisecond(),
    }
}
