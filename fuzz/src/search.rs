//! F-10: searches against the obvious way to do them. Lines before an empty one are conditions, an operator and values
//! separated by tabs; lines behind it are names.

use std::collections::HashSet;

use shared::{
    name_filter::{Filter, Op},
    text::UserName,
};

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (conditions, names) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut filter = Filter::default();
    let mut plain = Vec::new();
    for condition in conditions.split('\n').take(16) {
        let mut parts = condition.split('\t');
        let Some(op) = parts.next().and_then(Op::parse) else { continue };
        let is_value = |value: &&str| value.chars().count() <= 128 && !value.chars().any(char::is_control);
        let values: Vec<_> = parts.filter(is_value).map(str::to_owned).collect();
        filter = filter.and(op, values.clone());
        plain.push((op, values));
    }
    let spans = filter.spans();
    for pair in spans.windows(2) {
        assert!(pair[0].high.as_ref().is_some_and(|high| *high <= pair[1].low), "spans are in order and apart");
    }
    for name in names.split('\n').filter(|name| UserName::parse(*name).is_ok()).take(64) {
        let expected = plain.iter().all(|(op, values)| holds(*op, values, name));
        assert_eq!(filter.matches(name), expected, "{plain:?} {name:?}");
        if expected {
            let contains = |low: &str, high: Option<&str>| name >= low && high.is_none_or(|high| name < high);
            let places = spans.iter().filter(|span| contains(&span.low, span.high.as_deref())).count();
            assert_eq!(places, 1, "{plain:?} {name:?}");
        }
    }
}

fn holds(op: Op, values: &[String], name: &str) -> bool {
    let any = |test: fn(&str, &str) -> bool| values.iter().any(|value| test(name, value));
    match op {
        Op::Greater => any(|name, value| name.chars().gt(value.chars())),
        Op::GreaterOrEqual => any(|name, value| name.chars().ge(value.chars())),
        Op::Equal => any(|name, value| name == value),
        Op::Less => any(|name, value| name.chars().lt(value.chars())),
        Op::LessOrEqual => any(|name, value| name.chars().le(value.chars())),
        Op::NotEqual => !any(|name, value| name == value),
        Op::Like => any(is_like),
    }
}

/// Every way to take the characters that a `%` stands for, each pair of places looked at once.
fn is_like(name: &str, pattern: &str) -> bool {
    let (name, pattern): (Vec<char>, Vec<char>) = (name.chars().collect(), pattern.chars().collect());
    let (mut seen, mut open) = (HashSet::new(), vec![(0, 0)]);
    while let Some((n, p)) = open.pop() {
        if n == name.len() && p == pattern.len() {
            return true;
        }
        if p == pattern.len() || !seen.insert((n, p)) {
            continue;
        }
        if pattern[p] == '%' {
            open.push((n, p + 1));
        }
        if n < name.len() {
            match pattern[p] {
                '%' => open.push((n + 1, p)),
                '_' => open.push((n + 1, p + 1)),
                c if c == name[n] => open.push((n + 1, p + 1)),
                _ => {}
            }
        }
    }
    false
}
