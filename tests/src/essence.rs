//! What two runs of the same request have in common, without what is drawn anew each time.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{Answer, Checkpoint};

/// What is charged for a try whether or not something comes of it, or only says when. A limit may be that strict: what
/// failed on the way may count once more.
const LOOSE: [&str; 20] = [
    "sends",
    "failures",
    "tries",
    "count",
    "passwordFailures",
    "lastPasswordFailure",
    "totpFailures",
    "totpFailuresInAll",
    "lastTotpFailure",
    "expires",
    "validUntil",
    "until",
    "totpPendingUntil",
    "leaseUntil",
    "updatedAt",
    "createdAt",
    "expiresAt",
    "ordinal",
    "next",
    "totpStep",
];

/// What was there before: it is compared as it is.
#[derive(Clone, Debug)]
pub struct Known(BTreeSet<String>);

impl Known {
    /// All words of the rows.
    pub fn of(before: &Checkpoint) -> Self {
        let mut words = BTreeSet::new();
        for row in before.rows() {
            words.extend(row.to_string().split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_owned));
        }
        Self(words)
    }

    /// A text with every word that looks random replaced.
    pub fn plain(&self, text: &str) -> String {
        let is_wide = |c: char| c.is_ascii_alphanumeric() || "._+/=-".contains(c);
        let narrow = |word: &str| {
            let is_drawn = word.len() >= 20
                || (word.len() >= 12 && word.bytes().all(|b| b.is_ascii_digit()))
                || (word.len() >= 16 && word.bytes().all(|b| b.is_ascii_hexdigit()));
            is_drawn && !self.0.contains(word)
        };
        replaced(text, is_wide, |word| {
            let is_base64 = word.len() >= 20 && word.contains(['+', '/']);
            let is_recovery_code = word.len() == 19 && word.split('-').count() == 4;
            if (word.len() >= 40 || is_base64 || is_recovery_code) && !self.0.contains(word) {
                "#".to_owned()
            } else {
                let each = |word: &str| if narrow(word) { "#".to_owned() } else { word.to_owned() };
                replaced(word, |c| c.is_ascii_alphanumeric(), each)
            }
        })
    }

    /// What changed since an earlier state, in an order of its own.
    pub fn changes(&self, now: &Checkpoint, earlier: &Checkpoint) -> Vec<String> {
        let plain =
            |row: Option<Value>| row.filter(|row| !is_counter(row)).map(|row| self.plain(&strict(&row).to_string()));
        let pairs = now.changes(earlier).into_iter().map(|(then, now)| (plain(then), plain(now)));
        let pairs = pairs.filter(|(then, now)| then != now);
        let mut changes: Vec<_> =
            pairs.map(|(then, now)| format!("{} -> {}", then.unwrap_or_default(), now.unwrap_or_default())).collect();
        changes.sort();
        changes
    }

    /// Status, code, reason and body of an answer.
    pub fn answer(&self, answer: &Answer) -> (u16, String) {
        (answer.status.as_u16(), self.plain(&answer.text))
    }
}

/// Whether a row only counts what an address did, or what was given out.
fn is_counter(row: &Value) -> bool {
    let pk = row["pk"]["S"].as_str().unwrap_or_default();
    // A day's codes are counted in a place that is drawn.
    pk.split('#').take(2).any(|part| part == "ip") || pk.starts_with("codes#") || row["sk"]["S"] == "next"
}

/// A text with its words replaced; a word is as many of the characters as follow each other.
fn replaced(text: &str, is_word: impl Fn(char) -> bool, each: impl Fn(&str) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        if end > 0 {
            out.push_str(&each(&rest[..end]));
        }
        let after = rest[end..].find(&is_word).map_or(rest.len(), |at| end + at);
        out.push_str(&rest[end..after]);
        rest = &rest[after..];
    }
    out
}

/// A row without what is loose about it.
fn strict(row: &Value) -> Value {
    match row {
        Value::Object(members) => {
            let kept = members.iter().filter(|(name, _)| !LOOSE.contains(&name.as_str()));
            kept.map(|(name, value)| (name.clone(), strict(value))).collect()
        }
        Value::Array(values) => values.iter().map(strict).collect(),
        other => other.clone(),
    }
}
