//! `tessera sn`: licence codes.

use std::{collections::HashSet, num::NonZeroU32, path::PathBuf};

use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use shared::{
    app::AppId,
    clock::{Clock as _, SystemClock},
    entropy::SystemEntropy,
    licence::Sn,
    storage::{Change, Licence, NewLicence, Store},
};

use crate::{
    app::{Which, load},
    failure::Failure,
};

#[derive(Subcommand)]
pub(crate) enum SnCommand {
    /// Create one licence code, many generated ones, or those in a file
    Create {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        source: Source,
        /// How many users each may have; without it, any number
        #[arg(long, value_name = "N", value_parser = parse_users_number)]
        users_number: Option<u64>,
    },
    /// List an app's licence codes
    List(Which),
    /// Show a licence code
    Show {
        #[command(flatten)]
        which: Which,
        /// The code, in any letter case
        #[arg(long, value_name = "CODE", value_parser = parse_sn)]
        sn: Sn,
    },
    /// Change how many users a licence code may have
    Set {
        #[command(flatten)]
        which: Which,
        /// The code, in any letter case
        #[arg(long, value_name = "CODE", value_parser = parse_sn)]
        sn: Sn,
        /// How many; those who are linked stay. `none` is any number
        #[arg(long, value_name = "N", value_parser = parse_seats)]
        users_number: Seats,
    },
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Source {
    /// This code: up to 64 letters, digits, and `-_.`
    #[arg(long, value_name = "CODE", value_parser = parse_sn)]
    sn: Option<Sn>,
    /// So many random codes
    #[arg(long, value_name = "N")]
    count: Option<NonZeroU32>,
    /// The codes in this file, one a line, each with its own number of users behind a comma if need be
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

#[derive(Clone)]
pub(crate) struct Seats(Option<u64>);

fn parse_sn(text: &str) -> Result<Sn, String> {
    Sn::parse(text).ok_or_else(|| "a licence code has 1 to 64 letters, digits, and -_.".to_owned())
}

fn parse_users_number(text: &str) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| (1..1 << 53).contains(number));
    number.ok_or_else(|| "the number of users is a positive integer".to_owned())
}

fn parse_seats(text: &str) -> Result<Seats, String> {
    if text == "none" { Ok(Seats(None)) } else { parse_users_number(text).map(|number| Seats(Some(number))) }
}

pub(crate) async fn run(store: Store, command: SnCommand) -> Result<Value, Failure> {
    match command {
        SnCommand::Create { which, source, users_number } => {
            load(&store, &which).await?;
            match source {
                Source { sn: Some(sn), .. } => create_one(&store, which.id, &sn, users_number).await,
                Source { count: Some(count), .. } => generate(&store, which.id, count.get(), users_number).await,
                Source { file: Some(file), .. } => {
                    let text = std::fs::read_to_string(&file)
                        .map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
                    import(&store, which.id, &read(&text, users_number)?).await
                }
                Source { sn: None, count: None, file: None } => Err(Failure::new("give --sn, --count or --file")),
            }
        }
        SnCommand::List(which) => {
            let licences = store.app(which.id).list_licences().await?;
            Ok(licences.iter().map(show).collect())
        }
        SnCommand::Show { which, sn } => {
            let licence = store.app(which.id).find_licence(&sn).await?;
            licence.as_ref().map(show).ok_or_else(|| unknown(which.id, &sn))
        }
        SnCommand::Set { which, sn, users_number } => {
            match store.app(which.id).set_users_number(&sn, users_number.0).await? {
                Change::Done => {
                    let licence = store.app(which.id).find_licence(&sn).await?;
                    licence.as_ref().map(show).ok_or_else(|| unknown(which.id, &sn))
                }
                Change::Gone => Err(unknown(which.id, &sn)),
            }
        }
    }
}

fn show(licence: &Licence) -> Value {
    json!({"sn": licence.sn, "usersNumber": licence.users_number, "users": licence.users})
}

fn unknown(app: AppId, sn: &Sn) -> Failure {
    Failure::new(format!("app {app} has no licence code {}", sn.as_str()))
}

async fn create_one(store: &Store, app: AppId, sn: &Sn, users_number: Option<u64>) -> Result<Value, Failure> {
    match store.app(app).create_licence(sn, users_number, SystemClock.now()).await? {
        NewLicence::Created => Ok(json!({"sn": sn.as_str(), "usersNumber": users_number})),
        NewLicence::Taken => Err(Failure::new(format!("app {app} has the licence code {} already", sn.as_str()))),
    }
}

/// How many codes are created between two steps of the progress.
const STEP: usize = 50;

async fn generate(store: &Store, app: AppId, count: u32, users_number: Option<u64>) -> Result<Value, Failure> {
    let progress = bar(u64::from(count));
    let mut created = Vec::new();
    while created.len() < count as usize {
        let wanted = STEP.min(count as usize - created.len());
        let drawn: Vec<_> = (0..wanted).map(|_| (Sn::generate(&SystemEntropy), users_number)).collect();
        let outcomes = store.app(app).create_licences(&drawn, SystemClock.now()).await?;
        for ((sn, _), outcome) in drawn.iter().zip(outcomes) {
            match outcome {
                NewLicence::Created => created.push(sn.as_str().to_owned()),
                NewLicence::Taken => {}
            }
        }
        progress.set_position(created.len() as u64);
    }
    progress.finish_and_clear();
    Ok(json!({"created": created.len(), "sns": created}))
}

/// Creates what is not there; a file can be given again after a failure.
async fn import(store: &Store, app: AppId, licences: &[(Sn, Option<u64>)]) -> Result<Value, Failure> {
    let progress = bar(licences.len() as u64);
    let (mut created, mut existing) = (0, Vec::new());
    for some in licences.chunks(STEP) {
        let outcomes = store.app(app).create_licences(some, SystemClock.now()).await?;
        for ((sn, _), outcome) in some.iter().zip(outcomes) {
            match outcome {
                NewLicence::Created => created += 1,
                NewLicence::Taken => existing.push(sn.as_str()),
            }
        }
        progress.inc(some.len() as u64);
    }
    progress.finish_and_clear();
    Ok(json!({"created": created, "existing": existing}))
}

/// The whole file is read before anything is created.
fn read(text: &str, users_number: Option<u64>) -> Result<Vec<(Sn, Option<u64>)>, Failure> {
    let mut licences = Vec::new();
    let mut seen = HashSet::new();
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let failure = |problem: String| Failure::new(format!("line {}: {problem}", number + 1));
        let (sn, seats) = line.split_once(',').unwrap_or((line, ""));
        let sn = parse_sn(sn.trim()).map_err(failure)?;
        let seats = match seats.trim() {
            "" => users_number,
            seats => Some(parse_users_number(seats).map_err(failure)?),
        };
        if !seen.insert(sn.canonical().to_owned()) {
            return Err(failure(format!("{} stands twice in the file", sn.as_str())));
        }
        licences.push((sn, seats));
    }
    Ok(licences)
}

/// Progress on standard error, where it is a terminal.
fn bar(length: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len}  {eta} left");
    ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_code_a_line() {
        let codes = |text: &str| {
            read(text, Some(5)).map(|licences| {
                licences.into_iter().map(|(sn, seats)| (sn.as_str().to_owned(), seats)).collect::<Vec<_>>()
            })
        };
        let both = [("A-1".to_owned(), Some(5)), ("b-2".to_owned(), Some(7))];
        assert_eq!(codes("\u{feff}A-1\r\n\r\n b-2 , 7 \n").unwrap(), both);
        for bad in ["A 1", "A-1\na-1", "A-1,0", "A-1,many", "A-1,1,2"] {
            assert!(codes(bad).is_err(), "{bad}");
        }
    }
}
