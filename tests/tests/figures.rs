//! Every case of the catalogue was tried and held, or says why not; docs/security-figures.md is made from it. Only with
//! `TESSERA_TEST_LOG` naming what the test command has just printed: any other record is of other code.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use tests::{
    cases::{Case, Group, Reason, catalogue, counts, ids_in},
    documents,
};

const COMMAND: &str = "tests/security-figures.sh";

/// The names of the tests that a log says have passed, and of those that have not.
fn read(log: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let mut passed = BTreeSet::new();
    let mut others = BTreeSet::new();
    for line in log.lines() {
        let Some((name, result)) = line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... ")) else {
            continue;
        };
        let of = if result.trim() == "ok" { &mut passed } else { &mut others };
        of.insert(name.to_owned());
    }
    (passed, others)
}

/// How many tests carry each case, and how often they tried it.
#[derive(Clone, Copy, Default)]
struct Figures {
    tests: u64,
    executions: u64,
}

fn figures(passed: &BTreeSet<String>) -> Result<BTreeMap<&'static str, Figures>, String> {
    let counts = counts();
    let mut figures: BTreeMap<&'static str, Figures> = BTreeMap::new();
    for test in passed {
        for id in ids_in(test)? {
            let of = figures.entry(id).or_default();
            of.tests += 1;
            of.executions += counts.get(&(test.clone(), id.to_owned())).copied().unwrap_or(1);
        }
    }
    Ok(figures)
}

#[test]
#[expect(clippy::disallowed_methods, reason = "whether the log is fresh is for whoever runs the test to say")]
fn every_case_was_tried_or_says_why_not() {
    let Some(path) = std::env::var_os("TESSERA_TEST_LOG") else {
        println!("SKIPPED: TESSERA_TEST_LOG does not name the output of the tests that have just run");
        return;
    };
    let log = std::fs::read(path).expect("the log can be read");
    let (passed, others) = read(&String::from_utf8_lossy(&log));
    assert!(passed.len() > 400, "the log is not that of all tests: {}", passed.len());
    assert!(others.is_empty(), "failed or ignored: {others:#?}");
    let figures = figures(&passed).expect("known ids");
    let groups = catalogue();
    let mut untried = Vec::new();
    for case in groups.iter().flat_map(|group| &group.cases) {
        let executions = figures.get(case.id).map_or(0, |of| of.executions);
        match case.without {
            None if executions == 0 => untried.push(format!("{} {}", case.id, case.text)),
            Some(reason) if executions > 0 => panic!("{} is tried, and yet there is {reason:?}", case.id),
            None | Some(_) => {}
        }
    }
    assert!(untried.is_empty(), "no test carries {} cases: {untried:#?}", untried.len());
    documents::check("security-figures.md", &document(&groups, &figures));
}

fn document(groups: &[Group], figures: &BTreeMap<&'static str, Figures>) -> String {
    let of = |case: &Case| figures.get(case.id).copied().unwrap_or_default();
    let mut text = format!(
        "# Security figures\n\nMade by `{COMMAND}` from the catalogue of attacks (`tests/catalogue.txt`) and a run of all \
         tests; do not edit. An execution is one\nentry of a case's table on one endpoint. CI fails when a case fails, \
         when one is neither tried nor explained, and\nwhen these figures are not those of its run.\n\n\
         | group | cases | tried | not applicable | executions | passed |\n|---|---:|---:|---:|---:|---:|\n"
    );
    let mut sums = [0_u64; 4];
    for group in groups {
        let absent = group.cases.iter().filter(|case| matches!(case.without, Some(Reason::NotApplicable(_)))).count();
        let executions = group.cases.iter().map(|case| of(case).executions).sum();
        let row = [group.cases.len() as u64, (group.cases.len() - absent) as u64, absent as u64, executions];
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += value;
        }
        line(&mut text, &format!("{} {}", group.prefix, group.title), row);
    }
    line(&mut text, "all", sums);
    for group in groups {
        let _ = write!(
            text,
            "\n## {} {}\n\n| case | what is tried | tests | executions |\n|---|---|---:|---:|\n",
            group.prefix, group.title
        );
        for case in &group.cases {
            let Figures { tests, executions } = of(case);
            let _ = match case.without {
                None => writeln!(text, "| {} | {} | {tests} | {executions} |", case.id, case.text),
                Some(Reason::Within(id)) => writeln!(text, "| {} | {} | in {id} | |", case.id, case.text),
                Some(Reason::NotApplicable(reason)) => {
                    writeln!(text, "| {} | {}: not applicable, {reason} | | |", case.id, case.text)
                }
            };
        }
    }
    text
}

fn line(text: &mut String, name: &str, [cases, tried, absent, executions]: [u64; 4]) {
    let _ = writeln!(text, "| {name} | {cases} | {tried} | {absent} | {executions} | {executions} |");
}
