//! Metrics, in the embedded metric format: CloudWatch takes them out of the request's own line.
//!
//! | metric | unit | counts | dimension |
//! |---|---|---|---|
//! | `Requests` | Count | answers, whatever they say | none |
//! | `Duration` | Milliseconds | the time that a request took inside the function | none |
//! | `PasswordHashes` | Count | Argon2id runs: the most of what a function computes | none |
//! | `MessagesSent` | Count | messages that a carrier took | none |
//! | `MessagesFailed` | Count | messages that none took | none |
//! | `Refusals` | Count | answers that are no success, throttles (`throttled`) and faults (`internal_error`, `unavailable`) included | `reason` |
//!
//! CloudWatch bills every pair of a metric and a value of its dimension, in each hour in which it has data. There are
//! [`MOST`] at the most: the reasons are a closed list, and nothing that a client or an operator chooses is a
//! dimension: no app, no route parameter, no user text. Waiting for a phone to scan (`scan_pending`,
//! `confirm_pending`) is no refusal.

use serde::{Serialize, ser::SerializeMap};

use crate::error::ErrorCode;

/// The metrics without a dimension, with their units.
pub const TOTALS: [(&str, &str); 5] = [
    (REQUESTS, "Count"),
    ("Duration", "Milliseconds"),
    ("PasswordHashes", "Count"),
    ("MessagesSent", "Count"),
    ("MessagesFailed", "Count"),
];
/// The metric whose dimension is the reason.
pub const REFUSALS: &str = "Refusals";
/// The most metrics that a deployment can have.
pub const MOST: usize = 50;

const REQUESTS: &str = "Requests";
const REASON: &str = "reason";

/// What of a request's line is a metric.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    totals: [bool; TOTALS.len()],
    is_refused: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata<'a> {
    cloud_watch_metrics: Vec<Directive<'a>>,
    timestamp: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive<'a> {
    dimensions: [&'a [&'a str]; 1],
    metrics: Vec<Metric>,
    namespace: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metric {
    name: &'static str,
    unit: &'static str,
}

impl Metrics {
    /// The line has this member.
    pub(super) fn notice(&mut self, member: &str) {
        if let Some(at) = TOTALS.iter().position(|(name, _)| *name == member) {
            self.totals[at] = true;
        }
    }

    /// The line has this member, which is a text.
    pub(super) fn notice_text(&mut self, member: &str, text: &str) {
        // Only the reasons of the list, so that no other word becomes a dimension.
        self.is_refused |= member == REASON && refusals().any(|code| code.reason() == text);
    }

    /// The members that are still missing.
    pub(super) fn write<M: SerializeMap>(
        mut self,
        namespace: &str,
        milliseconds: i64,
        line: &mut M,
    ) -> Result<(), M::Error> {
        self.notice(REQUESTS);
        line.serialize_entry(REQUESTS, &1)?;
        let totals = TOTALS.into_iter().zip(self.totals).filter(|(_, is_there)| *is_there);
        let metrics = totals.map(|((name, unit), _)| Metric { name, unit }).collect();
        let mut directives = vec![Directive { dimensions: [&[]], metrics, namespace }];
        if self.is_refused {
            line.serialize_entry(REFUSALS, &1)?;
            let metrics = vec![Metric { name: REFUSALS, unit: "Count" }];
            directives.push(Directive { dimensions: [&[REASON]], metrics, namespace });
        }
        line.serialize_entry("_aws", &Metadata { cloud_watch_metrics: directives, timestamp: milliseconds })
    }
}

/// Everything that [`REFUSALS`] is counted by.
pub fn refusals() -> impl Iterator<Item = ErrorCode> {
    ErrorCode::ALL.iter().copied().filter(|code| !matches!(code, ErrorCode::ScanPending | ErrorCode::ConfirmPending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_no_more_metrics_than_the_operator_is_told() {
        assert!(TOTALS.len() + refusals().count() <= MOST);
    }

    #[test]
    fn only_reasons_of_the_list_are_a_dimension() {
        for (member, text, is_counted) in [
            (REASON, "throttled", true),
            (REASON, "internal_error", true),
            (REASON, "ok", false),
            (REASON, "scan_pending", false),
            (REASON, "alice", false),
            ("route", "throttled", false),
        ] {
            let mut metrics = Metrics::default();
            metrics.notice_text(member, text);
            assert_eq!(metrics.is_refused, is_counted, "{member} {text}");
        }
    }
}
