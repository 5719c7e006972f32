//! No secret in clear: every log line of a [`World`](crate::World) and every row of its tables is searched for every
//! secret that went through its clients.
//!
//! Nobody has to remember: what is secret is known by the name of its field or header, on the way in and on the way
//! out. What goes other ways is named with [`Watch::guard`]. The search is made when the world ends, and each line is
//! flat JSON whose metrics CloudWatch takes.

use std::{
    collections::BTreeSet,
    io,
    sync::{Arc, Mutex, Once, PoisonError},
};

use aho_corasick::AhoCorasick;
use http::HeaderMap;
use serde_json::Value;
use shared::{config::LogConfig, log, messages::Messages, storage::Table};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{fmt::MakeWriter, util::SubscriberInitExt as _};

use crate::{emf, engine::Engine, inputs::FixedClock, journal, ledger, world::START};

/// Fields of requests and answers that hold secrets, in lower case.
const SECRET_FIELDS: [&str; 13] = [
    "access_token",
    "code",
    "code_verifier",
    "emailcode",
    "manualentrykey",
    "password",
    "phonecode",
    "pollsecret",
    "pwd",
    "recoverycodes",
    "scannonce",
    "twofactorcode",
    "verifycode",
];
/// Fields whose values may stand in the tables of users and nowhere else.
const CONTACT_FIELDS: [&str; 2] = ["email", "phone"];
/// Headers that hold secrets.
const SECRET_HEADERS: [&str; 3] = ["authorization", "bitkey", "x-app-secret"];
/// Shorter ones are guesses that stand anywhere.
const SHORTEST: usize = 6;
/// From this length on a secret is found within anything; a shorter one only as a word of its own, since six digits
/// stand in many a number.
const UNMISTAKABLE: usize = 16;
/// Of what is longer only the end is looked for: of a token, its signature.
const LONGEST: usize = 256;
const END: usize = 64;
/// What the documents of the modelled systems tell everybody.
const PUBLIC: [&str; 1] = ["123456"];

tokio::task_local! {
    /// Whose request is served.
    static SERVED: Arc<Watch>;
}

/// What went through a world, and where it must not be.
pub struct Watch {
    engine: Engine,
    /// The tables, by their full names.
    tables: Vec<(Table, String)>,
    messages: Messages,
    secrets: Mutex<BTreeSet<String>>,
    contacts: Mutex<BTreeSet<String>>,
    /// What clients sent as names, remarks and the like.
    public: Mutex<BTreeSet<String>>,
    lines: Mutex<Vec<String>>,
}

impl Watch {
    pub(crate) fn new(engine: Engine, tables: Vec<(Table, String)>, messages: Messages) -> Arc<Self> {
        install();
        let (secrets, contacts, public, lines) = Default::default();
        Arc::new(Self { engine, tables, messages, secrets, contacts, public, lines })
    }

    /// One more secret that must be found nowhere.
    pub fn guard(&self, secret: &str) {
        if let Some(word) = word(secret) {
            self.secrets.lock().unwrap_or_else(PoisonError::into_inner).insert(word.to_owned());
        }
    }

    /// The log lines that the world's requests wrote, oldest first.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The secrets that are looked for so far.
    pub(crate) fn secrets(&self) -> BTreeSet<String> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks for these only, and in what is logged from now on: for whoever draws the same randomness again, where what
    /// was a secret is something else the next time.
    pub(crate) fn begin_anew(&self, secrets: &BTreeSet<String>) {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).clone_from(secrets);
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Serves a request; what it logs is the world's.
    pub(crate) async fn serving<F: Future>(self: &Arc<Self>, request: F) -> F::Output {
        SERVED.scope(Arc::clone(self), request).await
    }

    /// Takes note of what a request brought.
    pub(crate) fn sent(&self, found: &Found) {
        found.secrets.iter().for_each(|secret| self.guard(secret));
        let mut known = self.contacts.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(found.contacts.iter().filter_map(|contact| word(contact)).map(str::to_owned));
        drop(known);
        let mut public = self.public.lock().unwrap_or_else(PoisonError::into_inner);
        public.extend(found.others.iter().filter_map(|other| word(other)).map(str::to_owned));
    }

    /// Takes note of what an answer gave.
    pub(crate) fn answered(&self, body: &Value) {
        let mut found = Found::default();
        found.read(body);
        found.secrets.iter().for_each(|secret| self.guard(secret));
    }

    /// Where a secret or a contact is that should not be.
    pub fn leaks(&self) -> Vec<String> {
        for message in self.messages.outbox().map(|outbox| outbox.read(None)).unwrap_or_default() {
            message.code.iter().for_each(|code| self.guard(code));
        }
        let [secrets, contacts, public] = [&self.secrets, &self.contacts, &self.public]
            .map(|words| words.lock().unwrap_or_else(PoisonError::into_inner).clone());
        let [secrets, contacts] = [secrets, contacts].map(|words| Search::new(words.difference(&public)));
        let mut leaks = Vec::new();
        for line in self.lines() {
            let value = serde_json::from_str(&line).unwrap_or(Value::String(line.clone()));
            for found in texts(&value).into_iter().filter_map(|text| secrets.find(text).or_else(|| contacts.find(text)))
            {
                leaks.push(format!("{found:?} is in the log line {line}"));
            }
        }
        for (table, name) in &self.tables {
            for row in self.engine.dump_now(name) {
                let holds =
                    |text| secrets.find(text).or_else(|| contacts.find(text).filter(|_| *table == Table::Codes));
                for found in texts(&row).into_iter().filter_map(holds) {
                    leaks.push(format!("{found:?} is in a row of {table:?}: {row}"));
                }
            }
        }
        leaks
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        for line in self.lines() {
            emf::read(&journal::parse(line.trim_end())).unwrap_or_else(|rule| panic!("{rule}: {line}"));
        }
        let leaks = self.leaks();
        assert!(leaks.is_empty(), "secrets in clear:\n{}", leaks.join("\n"));
        // Rows that a test put there itself keep no books.
        let is_points = |(table, _): &&(Table, String)| *table == Table::Points && !self.engine.was_written_to();
        for (_, name) in self.tables.iter().filter(is_points) {
            let mut rows = self.engine.dump_now(name);
            rows.retain(|row| row["pk"]["S"].as_str().is_some_and(|key| key.contains('#')));
            ledger::balances(&rows);
        }
    }
}

/// What is looked for of a secret; nothing where it is too short, or a word of the language.
fn word(secret: &str) -> Option<&str> {
    let is_plain = secret.bytes().all(|byte| byte.is_ascii_alphabetic()) && secret.len() < UNMISTAKABLE;
    let end = secret.len().checked_sub(END).filter(|end| secret.len() > LONGEST && secret.is_char_boundary(*end));
    (secret.len() >= SHORTEST && !is_plain && !PUBLIC.contains(&secret)).then(|| &secret[end.unwrap_or_default()..])
}

/// Whether a word that was found from here to there counts.
fn counts(text: &str, start: usize, end: usize) -> bool {
    let is_edge = |byte: Option<&u8>| byte.is_none_or(|byte| !byte.is_ascii_alphanumeric());
    let bytes = text.as_bytes();
    end - start >= UNMISTAKABLE || is_edge(start.checked_sub(1).map(|before| &bytes[before])) && is_edge(bytes.get(end))
}

/// Looks for any of many words.
struct Search {
    words: Vec<String>,
    automaton: AhoCorasick,
}

impl Search {
    fn new<'a>(words: impl Iterator<Item = &'a String>) -> Self {
        let words: Vec<_> = words.cloned().collect();
        let automaton = AhoCorasick::new(&words).expect("words");
        Self { words, automaton }
    }

    fn find(&self, text: &str) -> Option<&str> {
        let mut found = self.automaton.find_overlapping_iter(text);
        let found = found.find(|found| counts(text, found.start(), found.end()));
        found.map(|found| self.words[found.pattern().as_usize()].as_str())
    }
}

/// All texts within a value, the names of members included.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(members) => {
            members.iter().flat_map(|(name, value)| std::iter::once(name.as_str()).chain(texts(value))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

/// What is secret in a request or an answer.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) secrets: Vec<String>,
    pub(crate) contacts: Vec<String>,
    others: Vec<String>,
}

impl Found {
    /// What is secret in a request. A secret that is no other than a public value beside it is none.
    pub(crate) fn in_request(headers: &HeaderMap, query: Option<&str>, body: &[u8]) -> Self {
        let mut found = Self::default();
        for value in SECRET_HEADERS.iter().flat_map(|name| headers.get_all(*name)) {
            let text = value.to_str().unwrap_or_default();
            let secret = text.split_once(' ').map_or(text, |(_, token)| token);
            found.secrets.push(secret.trim().to_owned());
        }
        for pair in query.unwrap_or_default().split('&') {
            let (name, value) = pair.split_once('=').unwrap_or_default();
            found.member(&name.to_ascii_lowercase(), &Value::String(value.to_owned()));
        }
        found.read(&serde_json::from_slice(body).unwrap_or_default());
        let Self { secrets, others, contacts } = &mut found;
        secrets.retain(|secret| !others.contains(secret) && !contacts.contains(secret));
        found
    }

    /// Whether a text repeats one of the secrets.
    pub(crate) fn is_repeated_in(&self, text: &str) -> bool {
        let words = self.secrets.iter().filter_map(|secret| word(secret));
        words.flat_map(|word| text.match_indices(word)).any(|(start, word)| counts(text, start, start + word.len()))
    }

    fn read(&mut self, value: &Value) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    self.member(&name.to_ascii_lowercase(), value);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.read(item)),
            Value::String(text) => self.others.push(text.clone()),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn member(&mut self, name: &str, value: &Value) {
        let own = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect::<Vec<_>>();
        if SECRET_FIELDS.contains(&name) {
            self.secrets.extend(own(texts(value)));
        } else if CONTACT_FIELDS.contains(&name) {
            self.contacts.extend(own(texts(value)));
        } else {
            self.read(value);
        }
    }
}

/// Sends what this process logs to the watch of the request at hand.
fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let clock = Arc::new(FixedClock::at(START));
        let config = LogConfig { level: LevelFilter::INFO, namespace: Some("Tessera/test".to_owned()), clock };
        log::subscriber(config, Lines).init();
    });
}

struct Lines;

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        Self
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = SERVED.try_with(|watch| {
            let mut lines = watch.lines.lock().unwrap_or_else(PoisonError::into_inner);
            lines.push(String::from_utf8_lossy(bytes).into_owned());
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_names() {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", "Bearer x.y.z-of-a-token".parse().unwrap());
        let body = br#"{"userName":"alice","Pwd":"hunter 2","Phone":"13800138000","list":[{"code":"123987"}]}"#;
        let found = Found::in_request(&headers, Some("code=0f3a&take=10"), body);
        assert_eq!(found.secrets, ["x.y.z-of-a-token", "0f3a", "hunter 2", "123987"]);
        assert_eq!(found.contacts, ["13800138000"]);
        assert!(found.is_repeated_in("your code 123987 is wrong"));
        assert!(!found.is_repeated_in("number 91239871"));
    }

    #[test]
    fn the_end_of_a_token_is_enough() {
        let token = format!("{}.{}", "h".repeat(300), "s".repeat(86));
        assert_eq!(word(&token), Some("s".repeat(64).as_str()));
        assert_eq!(word("password"), None);
        assert_eq!(word("12345"), None);
    }
}
