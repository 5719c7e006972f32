//! F-15: whatever a line of the log is made of, it stays one line of JSON, and no contact is whole in it.

use std::sync::Arc;

use shared::{
    contact::{Email, Phone},
    log::mask,
};
use tests::{inputs::FixedClock, journal::Journal, world::START};

pub(crate) fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let journal = Journal::listen(Arc::new(FixedClock::at(START)));
    tracing::warn!(cause = text.as_ref(), "fuzzed");
    let lines = journal.take();
    assert_eq!(lines.len(), 1, "{text:?}");
    let cause = lines[0]["cause"].as_str().expect("a text");
    assert_eq!(mask::text(cause), cause, "masked once is masked");
    for word in text.split(|c: char| c.is_whitespace() || c == ',') {
        // An address may look like a mask, or like the end of one: then it is its own.
        let is_mask = word.contains("***@") || word.trim_start_matches('*').starts_with('@');
        if !is_mask && (Email::parse(word).is_ok() || (Phone::parse(word).is_ok() && word.len() > 7)) {
            assert!(!cause.contains(word), "{word}");
        }
    }
}
