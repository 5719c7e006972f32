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

use serde_json::{Value, json};

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

/// The members that make a request's line a source of metrics, beside those that it has.
pub(super) fn members(
    namespace: &str,
    milliseconds: i64,
    members: &[(&'static str, Value)],
) -> Vec<(&'static str, Value)> {
    let find = |name: &str| members.iter().find(|(member, _)| *member == name).map(|(_, value)| value);
    let mut added = vec![(REQUESTS, json!(1))];
    let totals = TOTALS.iter().filter(|(name, _)| *name == REQUESTS || find(name).is_some());
    let metrics: Vec<_> = totals.map(|(name, unit)| json!({"Name": name, "Unit": unit})).collect();
    let mut directives = vec![json!({"Namespace": namespace, "Dimensions": [[]], "Metrics": metrics})];
    if find(REASON).and_then(Value::as_str).is_some_and(is_refusal) {
        added.push((REFUSALS, json!(1)));
        let metric = json!({"Name": REFUSALS, "Unit": "Count"});
        directives.push(json!({"Namespace": namespace, "Dimensions": [[REASON]], "Metrics": [metric]}));
    }
    added.push(("_aws", json!({"Timestamp": milliseconds, "CloudWatchMetrics": directives})));
    added
}

/// Whether the reason is one of the list, so that no other word becomes a dimension.
fn is_refusal(reason: &str) -> bool {
    refusals().any(|code| code.reason() == reason)
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
        for (reason, is_counted) in
            [("throttled", true), ("internal_error", true), ("ok", false), ("scan_pending", false), ("alice", false)]
        {
            let added = members("N", 1, &[(REASON, json!(reason))]);
            assert_eq!(added.iter().any(|(name, _)| *name == REFUSALS), is_counted, "{reason}");
        }
    }
}
