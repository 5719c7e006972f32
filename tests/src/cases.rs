//! The catalogue of attacks (`tests/catalogue.txt`), which tests try which of its cases, and how often.
//!
//! A test carries the ids of its cases in its name: `g_01_…`, `li_26_rc_32_…`, `g_02_to_g_14_…` for all in between. A
//! test whose name is one case and whose body is a table counts the table's entries with [`Tally`].

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::records;

const CATALOGUE: &str = include_str!("../catalogue.txt");

/// Cases of one subject.
#[derive(Clone, Debug)]
pub struct Group {
    /// What its ids begin with.
    pub prefix: &'static str,
    /// What it is about.
    pub title: &'static str,
    /// Its cases, by number.
    pub cases: Vec<Case>,
}

/// One attack, or one table of them.
#[derive(Clone, Debug)]
pub struct Case {
    /// For example `G-01`.
    pub id: &'static str,
    /// What is tried.
    pub text: &'static str,
    /// Why no test carries the id, if none is to.
    pub without: Option<Reason>,
}

/// Why no test carries a case's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// What would be attacked does not exist.
    NotApplicable(&'static str),
    /// The tests of this other case try it.
    Within(&'static str),
}

/// The whole catalogue.
///
/// # Panics
///
/// Panics where the file breaks its own rules.
pub fn catalogue() -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for line in CATALOGUE.lines().filter(|line| !line.is_empty() && !line.starts_with("# ")) {
        let (first, text) = line.trim_start_matches("## ").trim_start().split_once(' ').expect("two words");
        if line.starts_with("## ") {
            groups.push(Group { prefix: first, title: text, cases: Vec::new() });
            continue;
        }
        let group = groups.last_mut().expect("a group comes first");
        if line.starts_with("  ") {
            let case = group.cases.last_mut().expect("a case comes before its reason");
            let reason = match line.trim().split_once(": ") {
                Some(("not applicable", reason)) => Reason::NotApplicable(reason),
                Some(("within", id)) => Reason::Within(id),
                _ => panic!("{line}: neither `not applicable: …` nor `within: ID`"),
            };
            assert!(case.without.replace(reason).is_none(), "{}: two reasons", case.id);
            continue;
        }
        let number = first.strip_prefix(group.prefix).and_then(|rest| rest.strip_prefix('-')).unwrap_or_default();
        assert!(number.len() == 2 && number.bytes().all(|byte| byte.is_ascii_digit()), "{line}: no id of its group");
        assert!(group.cases.last().is_none_or(|last| last.id < first), "{line}: ids are in order");
        group.cases.push(Case { id: first, text, without: None });
    }
    groups
}

/// The ids in a test's name. What looks like one and is none of the catalogue is an error.
pub fn ids_in(test: &str) -> Result<Vec<&'static str>, String> {
    let groups = catalogue();
    let name = test.rsplit("::").next().unwrap_or(test);
    let words: Vec<_> = name.split('_').collect();
    let mut ids: Vec<&str> = Vec::new();
    for (at, pair) in words.windows(2).enumerate() {
        let Some(group) = groups.iter().find(|group| group.prefix.to_ascii_lowercase() == pair[0]) else { continue };
        if pair[1].len() != 2 || !pair[1].bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let id = format!("{}-{}", group.prefix, pair[1]);
        let case = group.cases.iter().find(|case| case.id == id).ok_or_else(|| format!("{test}: no case {id}"))?;
        let is_range = at >= 2 && words[at - 1] == "to";
        let first = ids.last().copied().filter(|first| is_range && first.starts_with(group.prefix));
        match first {
            Some(first) => {
                let between = group.cases.iter().map(|case| case.id).filter(|id| *id > first && *id <= case.id);
                ids.extend(between);
            }
            None => ids.push(case.id),
        }
    }
    ids.dedup();
    Ok(ids)
}

/// Counts the executions of a case within one test: the entries of its table times the endpoints that they are tried
/// on. Counts must come out the same each time. A test without one counts once for each of its ids.
#[derive(Debug)]
pub struct Tally {
    test: String,
    id: &'static str,
    count: AtomicU64,
}

impl Tally {
    /// Of a case that the running test carries in its name.
    #[track_caller]
    pub fn of(id: &'static str) -> Self {
        let test = std::thread::current().name().unwrap_or_default().to_owned();
        let ids = ids_in(&test).expect("known ids");
        assert!(ids.contains(&id), "{test} does not carry {id}");
        Self { test, id, count: AtomicU64::new(0) }
    }

    /// One more.
    pub fn count(&self) {
        self.add(1);
    }

    /// Some more.
    pub fn add(&self, executions: usize) {
        self.count.fetch_add(executions as u64, Ordering::Relaxed);
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let count = self.count.load(Ordering::Relaxed);
            records::append(&folder(), &format!("{} {} {count}\n", self.test, self.id));
        }
    }
}

/// Where the counts are: beside the built tests.
pub fn folder() -> PathBuf {
    records::folder("recorded-cases")
}

/// The counts that were recorded, by test and case.
pub fn counts() -> BTreeMap<(String, String), u64> {
    let mut counts = BTreeMap::new();
    for line in records::lines(&folder()) {
        let mut words = line.split(' ');
        if let (Some(test), Some(id), Some(Ok(count))) =
            (words.next(), words.next(), words.next().map(str::parse::<u64>))
        {
            *counts.entry((test.to_owned(), id.to_owned())).or_default() += count;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_ids_and_ranges_of_them() {
        for (name, ids) in [
            ("wire::g_01_a_body", &["G-01"][..]),
            ("g_02_to_g_08_bodies", &["G-02", "G-04", "G-05", "G-07", "G-08"]),
            ("x::li_26_rc_32_a_hundred", &["LI-26", "RC-32"]),
            ("ot_01_ot_07_and_ot_08_bad", &["OT-01", "OT-07", "OT-08"]),
            ("two_factor::codes_are_those_of_rfc_6238", &[]),
            ("bodies_over_64_kib", &[]),
        ] {
            assert_eq!(ids_in(name).unwrap(), ids, "{name}");
        }
        for name in ["g_03_unknown", "su_99_unknown"] {
            assert!(ids_in(name).is_err(), "{name}");
        }
    }

    #[test]
    fn the_catalogue_keeps_its_own_rules() {
        let groups = catalogue();
        let cases: Vec<_> = groups.iter().flat_map(|group| &group.cases).collect();
        assert!(cases.len() > 300);
        for case in &cases {
            if let Some(Reason::Within(id)) = case.without {
                let other = cases.iter().find(|other| other.id == id).expect("a case");
                assert_eq!(other.without, None, "{} is within {id}, which must be tested", case.id);
            }
        }
    }
}
