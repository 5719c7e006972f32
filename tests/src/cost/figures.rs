//! `docs/cost.json`: what was measured, in the form in which it is committed and compared.

use std::{collections::BTreeMap, fmt::Write as _, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::Measured;
use crate::documents::is_update_wanted;

/// What one kind of request costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The request: method, documented path, and what is special about it.
    pub request: String,
    /// Calls by operation.
    pub operations: BTreeMap<String, u32>,
    /// The longest chain of calls that wait for each other.
    pub depth: u32,
    /// Read units.
    pub read: f64,
    /// Write units.
    pub write: f64,
    /// Passwords hashed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub hashes: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Figure {
    /// Calls in all.
    pub fn calls(&self) -> u32 {
        self.operations.values().sum()
    }

    /// The calls in words.
    pub fn operations(&self) -> String {
        let operations: Vec<_> = self.operations.iter().map(|(name, count)| format!("{count} {name}")).collect();
        if operations.is_empty() { "none".to_owned() } else { operations.join(", ") }
    }
}

impl From<&Measured> for Figure {
    fn from(measured: &Measured) -> Self {
        let Measured { route, case, hashes, profile } = measured;
        let request = if case.is_empty() { route.clone() } else { format!("{route}, {case}") };
        Self {
            request,
            operations: profile.operations.clone(),
            depth: profile.depth,
            read: round(profile.read),
            write: round(profile.write),
            hashes: *hashes,
        }
    }
}

/// Without what adding up shares of calls leaves behind.
fn round(units: f64) -> f64 {
    (units * 1_000.0).round() / 1_000.0
}

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// Milliseconds that hashing a password took on one core of the machine that wrote this file.
    pub hash_milliseconds: f64,
    /// Every endpoint.
    pub endpoints: Vec<Figure>,
    /// Requests in a deployment with few rows and with many.
    pub scale: Vec<Figure>,
    /// How long our own code works for them.
    #[serde(default)]
    pub growth: Vec<Growth>,
}

/// How long our own code works for a request, the engine's time left out: the shortest of many, in microseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Growth {
    /// The request, and of what there is much.
    pub request: String,
    /// Among few rows.
    pub few: f64,
    /// Among many.
    pub many: f64,
}

impl Growth {
    /// The most that many rows may cost, as a multiple of few.
    pub const MOST: f64 = 1.25;

    /// What many rows cost, as a multiple of few.
    pub fn ratio(&self) -> f64 {
        self.many / self.few
    }
}

impl Figures {
    /// What is committed.
    pub fn committed() -> Self {
        let text = std::fs::read_to_string(path()).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Commits them.
    pub fn write(&self) {
        let text = serde_json::to_string_pretty(self).expect("figures serialise");
        std::fs::write(path(), text + "\n").expect("docs/cost.json can be written");
    }

    /// The figure of a request; fails the test if there is none.
    #[track_caller]
    pub fn of(&self, request: &str) -> &Figure {
        let found = self.endpoints.iter().chain(&self.scale).find(|figure| figure.request == request);
        found.unwrap_or_else(|| panic!("no figure for {request}"))
    }
}

fn path() -> PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cost.json")
}

/// Which of the file's lists is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Every endpoint.
    Endpoints,
    /// Few rows and many.
    Scale,
}

/// Compares what was measured with what is committed, and fails with both; or commits it, when `UPDATE_DOCS` is set.
pub fn check(section: Section, measured: &[Figure]) -> Result<(), String> {
    let mut figures = Figures::committed();
    let committed = match section {
        Section::Endpoints => &mut figures.endpoints,
        Section::Scale => &mut figures.scale,
    };
    if is_update_wanted() {
        committed.clear();
        committed.extend_from_slice(measured);
        figures.write();
        return Ok(());
    }
    let differences = differences(committed, measured);
    if differences.is_empty() {
        return Ok(());
    }
    Err(format!("docs/cost.json says something else (UPDATE_DOCS=1 writes it anew):\n{differences}"))
}

/// Line by line: what is committed, and what was measured.
fn differences(committed: &[Figure], measured: &[Figure]) -> String {
    let mut lines = String::new();
    for now in measured {
        let Some(before) = committed.iter().find(|before| before.request == now.request) else {
            let _ = writeln!(lines, "{}: not committed", now.request);
            continue;
        };
        let numbers = [
            ("calls", f64::from(before.calls()), f64::from(now.calls())),
            ("calls in a row", f64::from(before.depth), f64::from(now.depth)),
            ("read units", before.read, now.read),
            ("write units", before.write, now.write),
            ("hashes", f64::from(before.hashes), f64::from(now.hashes)),
        ];
        let differ = numbers.iter().filter(|(_, before, now)| (before - now).abs() > 1e-6);
        for (what, before, now_) in differ {
            let _ = writeln!(lines, "{}: {what} {before} committed, {now_} measured", now.request);
        }
        if before.operations != now.operations {
            let _ =
                writeln!(lines, "{}: {} committed, {} measured", now.request, before.operations(), now.operations());
        }
    }
    for before in committed {
        if !measured.iter().any(|now| now.request == before.request) {
            let _ = writeln!(lines, "{}: committed, not measured", before.request);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_more_is_told_with_both_numbers() {
        let figure = |read| Figure {
            request: "GET /x".to_owned(),
            operations: BTreeMap::from([("GetItem".to_owned(), 1)]),
            depth: 1,
            read,
            write: 0.0,
            hashes: 0,
        };
        assert_eq!(differences(&[figure(1.0)], &[figure(1.0)]), "");
        assert_eq!(differences(&[figure(1.0)], &[figure(1.5)]), "GET /x: read units 1 committed, 1.5 measured\n");
        assert_eq!(differences(&[], &[figure(1.0)]), "GET /x: not committed\n");
        assert_eq!(differences(&[figure(1.0)], &[]), "GET /x: committed, not measured\n");
    }
}
