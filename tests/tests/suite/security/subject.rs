//! A good request, and what becomes of it: without a fault, with one, and when it is sent again.
//!
//! It runs twice without a fault first: what it comes to once, and what when it is repeated. With a fault, the
//! invariants hold whatever happened; a fault that is got over is not noticed; else the answer is generic, and the
//! same request again, as often as `Retry-After` asks for it, ends as the first fault-free one did, or, where the
//! spoilt call may have been done, as the repeated one.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    task::Poll,
};

use tests::{
    Answer,
    engine::{Call, Fault},
    invariants,
};

use super::good::{Good, Town};

/// What a request comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) answer: (u16, String),
    pub(super) rows: Vec<String>,
}

/// A good request, and what becomes of it when nothing goes wrong.
pub(super) struct Subject<'t> {
    town: &'t Town,
    pub(super) good: &'t Good,
    pub(super) calls: Vec<Call>,
    pub(super) once: End,
    pub(super) twice: End,
}

/// What a fault may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// It is got over: nobody notices.
    None,
    /// The request may fail; the spoilt call was not done.
    Undone,
    /// The request may fail; the spoilt call may have been done.
    Unknown,
    /// The request may be answered as if somebody had come between.
    Outrun,
}

impl<'t> Subject<'t> {
    pub(super) async fn all(town: &'t Town) -> Vec<Self> {
        let mut subjects = Vec::new();
        for good in &town.good {
            let world = &town.world;
            world.restore(&town.start).await;
            let first = good.send().await;
            let calls = world.engine.take_calls();
            let is_good = first.status == 200 && matches!(first.code(), 200 | 0 | -1);
            assert!(is_good, "{}: {} {}", good.name, first.status, first.text);
            let once = Self::end(town, &first).await;
            let again = good.send().await;
            let twice = Self::end(town, &again).await;
            subjects.push(Self { town, good, calls, once, twice });
        }
        subjects
    }

    pub(super) async fn end(town: &Town, answer: &Answer) -> End {
        let now = town.world.checkpoint().await;
        End { answer: town.known.answer(answer), rows: town.known.changes(&now, &town.start) }
    }

    /// Runs the request with faults at its calls from this one on.
    pub(super) async fn spoilt(&self, call: usize, faults: &[Fault], effect: Effect) {
        let world = &self.town.world;
        let context = || format!("{}, call {call} ({}), {faults:?}", self.good.name, self.operation(call));
        world.restore(&self.town.start).await;
        world.engine.spoil(std::iter::repeat_n(None, call).chain(faults.iter().copied().map(Some)));
        let answer = self.send_until_silence().await;
        world.engine.heal();
        invariants::assert_hold(world).await;
        if let Some(answer) = &answer {
            if is_failure(answer) {
                assert_ne!(effect, Effect::None, "{}: {}", context(), answer.text);
                is_generic(answer, &context());
            } else {
                let end = Self::end(self.town, answer).await;
                let is_as_once = end == self.once;
                // A licence batch says what was done of it; whoever sends it again gets the rest done.
                let is_part = effect != Effect::None && self.good.route.path.starts_with("/sns/");
                let may_differ = is_part || effect == Effect::Outrun;
                assert!(is_as_once || may_differ, "{}: {}", context(), difference(&end, &self.once));
                // What somebody else would have done was not done: the same request again may come to either.
                if is_as_once || effect == Effect::Outrun {
                    return;
                }
            }
        }
        let again = self.send_until_answered(&context()).await;
        let end = Self::end(self.town, &again).await;
        invariants::assert_hold(world).await;
        let may_be_twice = matches!(effect, Effect::Unknown | Effect::Outrun);
        if end != self.once && !(may_be_twice && end == self.twice) {
            let text = answer.map(|answer| answer.text);
            panic!("{}: {text:?}, then {}", context(), difference(&end, &self.once));
        }
    }

    /// Sends the request; nothing when a call is never answered: then the instance ends there.
    async fn send_until_silence(&self) -> Option<Answer> {
        let mut request = std::pin::pin!(self.good.send());
        let engine = &self.town.world.engine;
        std::future::poll_fn(|context| match request.as_mut().poll(context) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending if engine.is_silent() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    /// Sends the request again for as long as the answer says to.
    pub(super) async fn send_until_answered(&self, context: &str) -> Answer {
        for _ in 0..70 {
            let answer = self.good.send().await;
            if !is_failure(&answer) && answer.code() != 429 {
                return answer;
            }
            let seconds: i64 =
                answer.header("retry-after").parse().unwrap_or_else(|_| panic!("{context}: {}", answer.text));
            self.town.world.wait(seconds);
        }
        panic!("{context}: it never succeeds");
    }

    fn operation(&self, call: usize) -> &str {
        &self.calls[call].operation
    }
}

pub(super) fn is_failure(answer: &Answer) -> bool {
    matches!(answer.status.as_u16(), 500..)
}

pub(super) fn difference(end: &End, expected: &End) -> String {
    let only = |a: &End, b: &End| -> String {
        a.rows.iter().filter(|row| !b.rows.contains(row)).fold(String::new(), |text, row| text + "\n    " + row)
    };
    format!(
        "\n  {:?}\n  instead of\n  {:?}\n  with{}\n  instead of{}",
        end.answer,
        expected.answer,
        only(end, expected),
        only(expected, end)
    )
}

/// What answers to failures look like, by family and reason: always the same.
static GENERIC: Mutex<BTreeMap<(&str, String), String>> = Mutex::new(BTreeMap::new());

/// Fails the test unless the answer tells nothing of what happened.
pub(super) fn is_generic(answer: &Answer, context: &str) {
    let reason = answer.reason().to_owned();
    assert!(["unavailable", "internal_error"].contains(&reason.as_str()), "{context}: {}", answer.text);
    assert_eq!(answer.header("retry-after"), if reason == "unavailable" { "1" } else { "" }, "{context}");
    let family =
        ["err", "error", "msg"].into_iter().find(|member| answer.body.get(member).is_some()).unwrap_or_default();
    let text = answer.text.clone();
    let mut generic = GENERIC.lock().unwrap_or_else(PoisonError::into_inner);
    let expected = generic.entry((family, reason)).or_insert_with(|| text.clone());
    assert_eq!(*expected, text, "{context}");
    for word in ["injected", "dynamo", "test-", "exception", "panic", "arn:"] {
        assert!(!text.to_lowercase().contains(word), "{context}: {text}");
    }
}
