//! What a run came to; `docs/performance.json` holds it.

use std::{collections::BTreeMap, fs, process::Command};

use serde::{Deserialize, Serialize};

use crate::{cores::Cores, failure::Failure, load::Figures, run::Length};

/// Everything that was measured. The machine-independent figures are in files of their own.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Results {
    pub(crate) machine: Machine,
    pub(crate) seconds: f64,
    pub(crate) rounds: usize,
    /// Comparisons of a password with its hash that one core does in a second.
    pub(crate) ceiling: f64,
    pub(crate) servers: BTreeMap<String, ServerResult>,
    /// By scenario and server.
    pub(crate) scenarios: BTreeMap<String, BTreeMap<String, Figures>>,
    /// By handler: from the start of its process to its first answer.
    pub(crate) first_answers: BTreeMap<String, FirstAnswer>,
    /// By scenario: our server among few and many users.
    pub(crate) growth: BTreeMap<String, Growth>,
    /// What could not be measured, and why.
    pub(crate) skipped: BTreeMap<String, String>,
}

/// What it was measured on.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) placement: String,
    pub(crate) system: String,
    pub(crate) node: String,
    pub(crate) python: String,
}

/// A server, whatever it was asked.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct ServerResult {
    pub(crate) version: String,
    /// Kibibytes that were resident after the run.
    pub(crate) resident: u64,
}

/// Milliseconds, in medians.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct FirstAnswer {
    pub(crate) first: f64,
    /// Of a request to a process that is warm.
    pub(crate) later: f64,
}

/// Microseconds that our server computes for a request.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Growth {
    /// How many are many.
    pub(crate) users: u64,
    /// Among a thousand users.
    pub(crate) few: f64,
    pub(crate) many: f64,
}

impl Results {
    pub(crate) fn new(cores: Cores, length: Length, tools: [String; 2]) -> Self {
        let [node, python] = tools.map(|tool| output(&tool, "--version"));
        let machine = Machine {
            processor: processor(),
            cores: cores.count,
            placement: cores.describe().to_owned(),
            system: output("uname", "-srm"),
            node,
            python,
        };
        Self { machine, seconds: length.seconds, rounds: length.rounds, ..Self::default() }
    }

    /// Says aloud what is missing.
    pub(crate) fn skip(&mut self, what: &str, why: &Failure) {
        eprintln!("SKIPPED: {what}: {why}");
        self.skipped.insert(what.to_owned(), why.to_string());
    }

    pub(crate) fn figures(&self, scenario: &str, server: &str) -> Option<&Figures> {
        self.scenarios.get(scenario)?.get(server)
    }
}

fn output(command: &str, argument: &str) -> String {
    let output = Command::new(command).arg(argument).output();
    output.map_or_else(|_| "none".to_owned(), |it| String::from_utf8_lossy(&it.stdout).trim().to_owned())
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| "unknown".to_owned(), |(_, name)| name.trim().to_owned())
}
