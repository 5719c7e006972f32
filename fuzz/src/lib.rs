//! What is fuzzed: a function for each target, from any bytes to checks that panic.
//!
//! A function takes what it does from its bytes alone, so that a crash is an input and an input is a test. Inputs are
//! text where that is possible: a corpus that people can read, and that a fuzzer can cut into lines.

mod carriers;
mod event;
mod keys;
mod log;
mod model;
mod redirect;
mod request;
mod search;
mod stored_hash;
mod texts;
mod token;

use std::future::Future;

/// Something that takes any bytes.
#[derive(Clone, Copy)]
pub struct Target {
    /// What its folder in the corpus is called.
    pub name: &'static str,
    /// Tries one input; panics when a check fails.
    pub run: fn(&[u8]),
}

/// Every target.
pub const TARGETS: [Target; 14] = [
    Target { name: "carriers", run: carriers::run },
    Target { name: "email", run: texts::email },
    Target { name: "event", run: event::run },
    Target { name: "keys", run: keys::run },
    Target { name: "log", run: log::run },
    Target { name: "model", run: model::run },
    Target { name: "names", run: texts::names },
    Target { name: "phone", run: texts::phone },
    Target { name: "redirect", run: redirect::run },
    Target { name: "request", run: request::run },
    Target { name: "search", run: search::run },
    Target { name: "second_factor", run: texts::second_factor },
    Target { name: "stored_hash", run: stored_hash::run },
    Target { name: "token", run: token::run },
];

/// The target of this name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}

/// Runs to the end, on this thread.
fn wait_for<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(future)
}
