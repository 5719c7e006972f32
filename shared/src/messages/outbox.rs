//! Messages that stay here: kept in memory, and shown on standard error.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use super::Message;
use crate::contact::{Address, Email, Phone};

/// How many messages are kept.
const KEPT: usize = 1_000;

/// The last messages, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Outbox(Arc<Mutex<Vec<Sent>>>);

/// A message as readers of the outbox see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sent {
    /// The recipient.
    pub to: String,
    /// `sms` or `email`.
    pub channel: &'static str,
    /// What the code is for, or `welcome`.
    pub purpose: &'static str,
    /// The code, if there is one.
    pub code: Option<String>,
    /// The whole text.
    pub text: String,
    /// RFC 3339.
    pub sent_at: String,
}

impl Outbox {
    /// All messages, or those to one recipient, in whatever form the address is written.
    pub fn read(&self, to: Option<&str>) -> Vec<Sent> {
        let messages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(to) = to else { return messages.clone() };
        let wanted = comparable(to);
        messages.iter().filter(|message| comparable(&message.to) == wanted).cloned().collect()
    }

    pub(super) fn put(&self, message: &Message) {
        let sent = Sent {
            to: message.to.emitted().to_owned(),
            channel: message.to.channel().as_str(),
            purpose: message.reason.as_str(),
            code: message.code.as_ref().map(|code| code.expose().to_owned()),
            text: message.text.as_str().to_owned(),
            sent_at: message.at.to_string(),
        };
        eprintln!("{} to {}: {}", sent.channel, sent.to, sent.text);
        let mut messages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let excess = (messages.len() + 1).saturating_sub(KEPT);
        messages.drain(..excess);
        messages.push(sent);
    }
}

fn comparable(to: &str) -> String {
    Phone::parse(to)
        .map(Address::Phone)
        .or_else(|_| Email::parse(to).map(Address::Email))
        .map_or_else(|_| to.to_owned(), |address| address.canonical().to_owned())
}
