//! Which names a search wants: conditions that all must hold, compared by code point.
//!
//! A filter serves twice: as spans of names that an ordered index can be asked for, and as a test for each name in
//! them, which takes time in proportion to the name's length and nothing else.

use std::collections::{BTreeSet, HashMap};

/// The longest name that there is, in code points.
const LONGEST_NAME: usize = 64;

/// How a name relates to the values of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Greater than any of them.
    Greater,
    /// Greater than or equal to any of them.
    GreaterOrEqual,
    /// One of them.
    Equal,
    /// Less than any of them.
    Less,
    /// Less than or equal to any of them.
    LessOrEqual,
    /// None of them.
    NotEqual,
    /// Like any of them: `%` is any run, `_` is any one character.
    Like,
}

impl Op {
    /// Reads the word for it.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            "=" => Self::Equal,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            "<>" => Self::NotEqual,
            _ if text.eq_ignore_ascii_case("like") => Self::Like,
            _ => return None,
        })
    }
}

/// Conditions that all must hold; without any, every name passes.
#[derive(Clone, Debug, Default)]
pub struct Filter(Vec<Condition>);

#[derive(Clone, Debug)]
enum Condition {
    OneOf(BTreeSet<String>),
    NoneOf(BTreeSet<String>),
    Within(Span),
    Like(Vec<Like>),
}

impl Filter {
    /// One more condition. Without values nothing can be any of them.
    #[must_use]
    pub fn and(mut self, op: Op, values: Vec<String>) -> Self {
        let values: BTreeSet<_> = values.into_iter().collect();
        // Being greater than any is being greater than the least, and the other way round.
        let (least, greatest) = (values.first().cloned(), values.last().cloned());
        self.0.push(match (op, least, greatest) {
            (Op::Equal, ..) => Condition::OneOf(values),
            (Op::NotEqual, ..) => Condition::NoneOf(values),
            (Op::Like, ..) => Condition::Like(values.iter().map(|pattern| Like::new(pattern)).collect()),
            (Op::Greater, Some(least), _) => Condition::Within(Span { low: behind(&least), high: None }),
            (Op::GreaterOrEqual, Some(least), _) => Condition::Within(Span { low: least, high: None }),
            (Op::Less, _, Some(greatest)) => Condition::Within(Span { low: String::new(), high: Some(greatest) }),
            (Op::LessOrEqual, _, Some(greatest)) => {
                Condition::Within(Span { low: String::new(), high: Some(behind(&greatest)) })
            }
            (Op::Greater | Op::GreaterOrEqual | Op::Less | Op::LessOrEqual, ..) => Condition::OneOf(BTreeSet::new()),
        });
        self
    }

    /// Whether every name passes.
    pub const fn is_everything(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the name passes.
    pub fn matches(&self, name: &str) -> bool {
        self.0.iter().all(|condition| match condition {
            Condition::OneOf(values) => values.contains(name),
            Condition::NoneOf(values) => !values.contains(name),
            Condition::Within(span) => span.contains(name),
            Condition::Like(patterns) => patterns.iter().any(|pattern| pattern.matches(name)),
        })
    }

    /// Where names that pass can be: spans in order that do not touch each other.
    pub fn spans(&self) -> Vec<Span> {
        self.0.iter().fold(vec![Span::everything()], |spans, condition| {
            let others = match condition {
                Condition::OneOf(values) => values.iter().map(|value| Span::point(value)).collect(),
                Condition::NoneOf(_) => vec![Span::everything()],
                Condition::Within(span) => vec![span.clone()],
                Condition::Like(patterns) => union(patterns.iter().map(|pattern| pattern.span.clone()).collect()),
            };
            intersection(&spans, &others)
        })
    }
}

/// The least text greater than this one, as no name contains U+0000.
fn behind(text: &str) -> String {
    format!("{text}\0")
}

/// Names from `low` up to and without `high`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The first one.
    pub low: String,
    /// The first one behind; none is the end of all.
    pub high: Option<String>,
}

impl Span {
    /// All names.
    pub const fn everything() -> Self {
        Self { low: String::new(), high: None }
    }

    fn point(name: &str) -> Self {
        Self { low: name.to_owned(), high: Some(behind(name)) }
    }

    fn prefix(prefix: &str) -> Self {
        Self { low: prefix.to_owned(), high: successor(prefix) }
    }

    /// The name, when there can be only one.
    pub fn as_point(&self) -> Option<&str> {
        self.high.as_deref().and_then(|high| high.strip_suffix('\0')).filter(|name| *name == self.low)
    }

    /// Whether it leaves nothing out.
    pub const fn is_everything(&self) -> bool {
        self.low.is_empty() && self.high.is_none()
    }

    fn contains(&self, name: &str) -> bool {
        *name >= *self.low && self.high.as_deref().is_none_or(|high| name < high)
    }
}

/// The first text behind all that begin with this one, if there is any.
fn successor(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(u32::from(last) + 1) };
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

fn union(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort();
    let mut merged: Vec<Span> = Vec::new();
    for span in spans {
        match merged.last_mut() {
            Some(last) if last.high.as_ref().is_none_or(|high| *high >= span.low) => {
                if last.high.is_some() && (span.high.is_none() || span.high > last.high) {
                    last.high = span.high;
                }
            }
            _ => merged.push(span),
        }
    }
    merged
}

fn intersection(some: &[Span], others: &[Span]) -> Vec<Span> {
    let mut common = Vec::new();
    for one in some {
        for other in others {
            let low = one.low.clone().max(other.low.clone());
            let high = match (&one.high, &other.high) {
                (Some(one), Some(other)) => Some(one.clone().min(other.clone())),
                (one, other) => one.clone().or_else(|| other.clone()),
            };
            if high.as_ref().is_none_or(|high| low < *high) {
                common.push(Span { low, high });
            }
        }
    }
    common
}

/// A pattern as a set of states that a name moves through: bit `n` is set when what was read so far can be the first
/// `n` places of the pattern. One pass over the name, a few instructions a character, whatever the pattern.
#[derive(Clone, Debug)]
struct Like {
    /// For each character of the pattern, the places that take it.
    places: HashMap<char, u128>,
    /// The places that take any character.
    any: u128,
    /// The states that a `%` stands at: they stay set.
    runs: u128,
    /// The state in which all places are taken; `None` when no name is long enough.
    end: Option<u128>,
    span: Span,
}

impl Like {
    fn new(pattern: &str) -> Self {
        let (mut places, mut any, mut runs, mut length) = (HashMap::new(), 0, 0, 0_usize);
        let mut is_possible = true;
        for c in pattern.chars() {
            match c {
                '%' => runs |= 1 << length,
                // Behind the longest name nothing needs to be told apart.
                _ if length == LONGEST_NAME => {
                    is_possible = false;
                    break;
                }
                '_' => {
                    any |= 1 << length;
                    length += 1;
                }
                _ => {
                    *places.entry(c).or_default() |= 1 << length;
                    length += 1;
                }
            }
        }
        let prefix: String = pattern.chars().take_while(|c| !matches!(c, '%' | '_')).collect();
        let span = if prefix.len() == pattern.len() { Span::point(&prefix) } else { Span::prefix(&prefix) };
        Self { places, any, runs, end: is_possible.then_some(1 << length), span }
    }

    fn matches(&self, name: &str) -> bool {
        let Some(end) = self.end else { return false };
        let mut states: u128 = 1;
        for c in name.chars() {
            let taking = self.any | self.places.get(&c).copied().unwrap_or_default();
            states = states & self.runs | (states & taking) << 1;
            if states == 0 {
                return false;
            }
        }
        states & end != 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn like(pattern: &str, name: &str) -> bool {
        Filter::default().and(Op::Like, vec![pattern.to_owned()]).matches(name)
    }

    #[test]
    fn patterns_mean_what_they_mean_in_sql() {
        for (pattern, name, is_like) in [
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("ABC", "abc", false),
            ("a%", "a", true),
            ("%", "", true),
            ("%c", "abc", true),
            ("%b%", "abc", true),
            ("a_c", "abc", true),
            ("a_c", "ac", false),
            ("_", "\u{1f600}", true),
            ("__", "\u{1f600}", false),
            ("%a%b%c%", "xaxbxcx", true),
            ("%a%b%c%", "xaxcxbx", false),
            ("a\\%", "a\\bc", true),
            ("a\\%", "a%", false),
            ("(a+)+$", "aaaa", false),
            ("", "", true),
            ("", "a", false),
            ("%%%%", "a", true),
        ] {
            assert_eq!(like(pattern, name), is_like, "{pattern} {name}");
        }
        assert!(like(&"_".repeat(64), &"x".repeat(64)));
        assert!(like(&format!("{}%", "x".repeat(64)), &"x".repeat(64)));
        assert!(!like(&"_".repeat(128), &"x".repeat(64)));
    }

    #[test]
    fn conditions_become_spans() {
        let spans = |filter: Filter| filter.spans();
        let values = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
        let span = |low: &str, high: Option<&str>| Span { low: low.to_owned(), high: high.map(str::to_owned) };
        assert_eq!(spans(Filter::default()), [Span::everything()]);
        assert_eq!(spans(Filter::default().and(Op::Like, values(&["ab%"]))), [span("ab", Some("ac"))]);
        assert_eq!(spans(Filter::default().and(Op::Like, values(&["%ab"]))), [Span::everything()]);
        let two = Filter::default().and(Op::Like, values(&["a%", "ab%", "x"]));
        assert_eq!(spans(two), [span("a", Some("b")), span("x", Some("x\0"))]);
        let between = Filter::default().and(Op::GreaterOrEqual, values(&["c", "b"])).and(Op::Less, values(&["d"]));
        assert_eq!(spans(between), [span("b", Some("d"))]);
        let nothing = Filter::default().and(Op::Equal, values(&["a"])).and(Op::Equal, values(&["b"]));
        assert_eq!(spans(nothing), []);
        let one = Filter::default().and(Op::Equal, values(&["a", "b"])).and(Op::Greater, values(&["a"]));
        assert_eq!(spans(one)[0].as_point(), Some("b"));
        assert_eq!(successor("\u{10ffff}"), None);
        assert_eq!(successor("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(successor("\u{d7ff}").as_deref(), Some("\u{e000}"));
    }

    /// The obvious way: every split of the name for every `%`.
    fn slow(pattern: &[char], name: &[char]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some(('%', rest)) => (0..=name.len()).any(|skipped| slow(rest, &name[skipped..])),
            Some((c, rest)) => {
                name.split_first().is_some_and(|(first, name)| (*c == '_' || c == first) && slow(rest, name))
            }
        }
    }

    proptest! {
        #[test]
        fn f_10_the_matcher_agrees_with_the_obvious_one(pattern in "[ab\u{e9}%_]{0,8}", name in "[ab\u{e9}]{0,10}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(like(&pattern, &name), slow(&chars(&pattern), &chars(&name)));
        }

        #[test]
        fn every_name_that_passes_is_in_a_span(
            conditions in prop::collection::vec((0..7_usize, prop::collection::vec("[abc%_]{0,3}", 1..4)), 0..4),
            name in "[abc]{0,4}",
        ) {
            let words = [">", ">=", "=", "<", "<=", "<>", "like"];
            let filter = conditions
                .into_iter()
                .fold(Filter::default(), |filter, (op, values)| filter.and(Op::parse(words[op]).unwrap(), values));
            let spans = filter.spans();
            if filter.matches(&name) {
                prop_assert_eq!(spans.iter().filter(|span| span.contains(&name)).count(), 1);
            }
            for pair in spans.windows(2) {
                prop_assert!(pair[0].high.as_ref().is_some_and(|high| *high <= pair[1].low));
            }
        }
    }
}
