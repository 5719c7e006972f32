//! Every order in which the calls of a few requests can reach the store.
//!
//! Requests are run one step at a time: a step is one call to the store with what follows it up to the next one. A
//! schedule is a list of whose turn it was; all of them are tried, depth first, each from the same checkpoint. Orders
//! that differ only in calls that have no row in common, or only read, come to the same: of those one is run (sleep
//! sets, P. Godefroid 1996). A step may also be a conflict between transactions, as DynamoDB reports them where the
//! embedded engine does not: the call is refused, and its request goes on.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Poll, Waker},
};

use serde_json::Value;
use tokio::time::Instant;

use crate::{Checkpoint, World, invariants};

tokio::task_local! {
    /// The request whose calls wait for their turn.
    static ACTOR: usize;
}

/// A request to be explored.
pub type Actor<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// What a turn comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The call is done.
    Done,
    /// The call meets another transaction, and nothing is done.
    Conflict,
}

/// A row that a call needs; without keys, a whole partition or table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Access {
    table: String,
    pk: Option<String>,
    sk: Option<String>,
    writes: bool,
}

impl Access {
    fn meets(&self, other: &Self) -> bool {
        let same = |a: &Option<String>, b: &Option<String>| a.is_none() || b.is_none() || a == b;
        (self.writes || other.writes)
            && self.table == other.table
            && same(&self.pk, &other.pk)
            && same(&self.sk, &other.sk)
    }
}

/// The rows that a call needs.
fn accesses(operation: &str, input: &Value) -> Vec<Access> {
    let text = |value: &Value| value["S"].as_str().map(str::to_owned);
    let row = |table: &Value, key: &Value, writes| Access {
        table: table.as_str().unwrap_or_default().to_owned(),
        pk: text(&key["pk"]),
        // A table without sort keys has one row for each partition key.
        sk: Some(text(&key["sk"]).unwrap_or_default()),
        writes,
    };
    match operation {
        "GetItem" => vec![row(&input["TableName"], &input["Key"], false)],
        "UpdateItem" | "DeleteItem" => vec![row(&input["TableName"], &input["Key"], true)],
        "PutItem" => vec![row(&input["TableName"], &input["Item"], true)],
        "BatchGetItem" => {
            let tables = input["RequestItems"].as_object().into_iter().flatten();
            let keys = tables.flat_map(|(table, request)| {
                request["Keys"].as_array().into_iter().flatten().map(move |key| (Value::from(table.as_str()), key))
            });
            keys.map(|(table, key)| row(&table, key, false)).collect()
        }
        "TransactWriteItems" => {
            let steps = input["TransactItems"].as_array().into_iter().flatten();
            let steps = steps.filter_map(|step| step.as_object()?.iter().next());
            steps
                .map(|(kind, step)| {
                    row(&step["TableName"], step.get("Key").unwrap_or(&step["Item"]), kind != "ConditionCheck")
                })
                .collect()
        }
        "Query" => vec![Access {
            table: input["TableName"].as_str().unwrap_or_default().to_owned(),
            pk: text(&input["ExpressionAttributeValues"][":pk"]),
            sk: None,
            writes: false,
        }],
        other => panic!("what {other} needs is not known"),
    }
}

/// Where the calls of explored requests wait for their turn.
#[derive(Debug, Default)]
pub(crate) struct Gate(Mutex<Calls>);

#[derive(Debug, Default)]
struct Calls {
    /// By actor, and by the actor's calls before it.
    held: BTreeMap<(usize, usize), Held>,
    /// How many calls each actor made.
    made: BTreeMap<usize, usize>,
}

#[derive(Debug)]
struct Held {
    accesses: Vec<Access>,
    writes_alone: bool,
    turn: Option<Event>,
    waker: Option<Waker>,
}

impl Gate {
    /// Whether the running task's calls wait for their turn.
    pub(crate) fn is_passed_here() -> bool {
        ACTOR.try_with(|_| ()).is_ok()
    }

    /// Waits for the call's turn.
    pub(crate) async fn pass(&self, operation: &str, input: &Value) -> Event {
        let Ok(actor) = ACTOR.try_with(|actor| *actor) else { return Event::Done };
        let id = {
            let mut calls = self.lock();
            let made = calls.made.entry(actor).or_default();
            let id = (actor, *made);
            *made += 1;
            let writes_alone = !matches!(operation, "GetItem" | "BatchGetItem" | "Query");
            let mut accesses = accesses(operation, input);
            accesses.sort();
            let held = Held { accesses, writes_alone, turn: None, waker: None };
            calls.held.insert(id, held);
            id
        };
        let _left = Left(self, id);
        std::future::poll_fn(|context| {
            let mut calls = self.lock();
            let Some(held) = calls.held.get_mut(&id) else { return Poll::Ready(Event::Done) };
            held.waker = Some(context.waker().clone());
            held.turn.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Calls> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self) {
        *self.lock() = Calls::default();
    }

    fn is_waiting(&self, actor: usize) -> bool {
        self.lock().held.iter().any(|((it, _), held)| *it == actor && held.turn.is_none())
    }

    fn turns(&self, with_conflicts: bool) -> Vec<Turn> {
        let calls = self.lock();
        let waiting = calls.held.iter().filter(|(_, held)| held.turn.is_none());
        let turns = waiting.flat_map(|(id, held)| {
            let done = Turn { call: *id, event: Event::Done, accesses: held.accesses.clone() };
            let conflict = Turn { call: *id, event: Event::Conflict, accesses: Vec::new() };
            std::iter::once(done).chain((with_conflicts && held.writes_alone).then_some(conflict))
        });
        turns.collect()
    }

    fn give(&self, turn: &Turn) {
        if let Some(held) = self.lock().held.get_mut(&turn.call) {
            held.turn = Some(turn.event);
            if let Some(waker) = held.waker.take() {
                waker.wake();
            }
        }
    }
}

/// Takes a call out that had its turn, or was given up.
struct Left<'a>(&'a Gate, (usize, usize));

impl Drop for Left<'_> {
    fn drop(&mut self) {
        self.0.lock().held.remove(&self.1);
    }
}

/// A step that can be next.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Turn {
    call: (usize, usize),
    event: Event,
    accesses: Vec<Access>,
}

impl Turn {
    const fn actor(&self) -> usize {
        self.call.0
    }

    /// Whether it makes a difference which of the two comes first.
    fn meets(&self, other: &Self) -> bool {
        let both_conflict = self.event == Event::Conflict && other.event == Event::Conflict;
        self.actor() == other.actor()
            || both_conflict
            || self.accesses.iter().any(|a| other.accesses.iter().any(|b| a.meets(b)))
    }
}

/// What is explored, and how far.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How many conflicts a schedule may have that the engine itself would not report.
    pub conflicts: usize,
    /// The most schedules; to have more is an error.
    pub most: usize,
    /// Whether all orders are run, those too that come to the same.
    pub everything: bool,
    /// Whether the tables must be sound afterwards.
    pub checks_invariants: bool,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { conflicts: 1, most: 20_000, everything: false, checks_invariants: true }
    }
}

/// What was explored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Explored {
    /// Schedules that were run to their end.
    pub schedules: usize,
    /// Schedules that were left when they turned out to come to the same as an earlier one.
    pub left: usize,
    /// The steps of the longest.
    pub longest: usize,
}

/// A place where schedules part.
#[derive(Debug)]
struct Fork {
    turns: Vec<Turn>,
    /// What needs no trying here any more.
    asleep: Vec<Turn>,
    taken: Turn,
}

/// Runs the requests in every order of their calls, each time from the checkpoint, and looks at what they came to:
/// the invariants first, then what `verify` says of the answers.
pub async fn explore<'w, T>(
    world: &'w World,
    from: &Checkpoint,
    bounds: Bounds,
    actors: impl Fn() -> Vec<Actor<'w, T>>,
    verify: impl AsyncFn(Vec<T>),
) -> Explored {
    let mut explored = Explored::default();
    let mut forks: Vec<Fork> = Vec::new();
    let secrets = world.watch.secrets();
    loop {
        world.restore(from).await;
        // A schedule that is run again draws the same, so that its rows have the same keys.
        world.entropy.rewind(from.drawn());
        world.watch.begin_anew(&secrets);
        let run = Run { world, forks: &mut forks, bounds, depth: 0, conflicts: 0 };
        match run.finish(actors()).await {
            Some(answers) => {
                let shown = OnPanic(&forks);
                if bounds.checks_invariants {
                    invariants::assert_hold(world).await;
                }
                verify(answers).await;
                drop(shown);
                explored.schedules += 1;
            }
            None => explored.left += 1,
        }
        explored.longest = explored.longest.max(forks.len());
        assert!(explored.schedules + explored.left <= bounds.most, "more than {} schedules", bounds.most);
        if !next(&mut forks) {
            world.watch.begin_anew(&secrets);
            world.restore(from).await;
            return explored;
        }
    }
}

/// The next schedule: at the last fork that has another way.
fn next(forks: &mut Vec<Fork>) -> bool {
    while let Some(fork) = forks.last_mut() {
        fork.asleep.push(fork.taken.clone());
        if let Some(turn) = fork.turns.iter().find(|turn| !fork.asleep.contains(turn)) {
            fork.taken = turn.clone();
            return true;
        }
        forks.pop();
    }
    false
}

struct Run<'r> {
    world: &'r World,
    forks: &'r mut Vec<Fork>,
    bounds: Bounds,
    depth: usize,
    conflicts: usize,
}

impl Run<'_> {
    /// Runs one schedule. Nothing, when what is left of it was tried in another order already.
    async fn finish<T>(mut self, actors: Vec<Actor<'_, T>>) -> Option<Vec<T>> {
        let gate = self.world.engine.gate();
        gate.forget();
        let mut actors: Vec<_> =
            actors.into_iter().enumerate().map(|(n, actor)| Some(Box::pin(ACTOR.scope(n, actor)))).collect();
        let mut answers: Vec<Option<T>> = actors.iter().map(|_| None).collect();
        // How often in a row an actor slept without anybody else having had a turn.
        let mut naps = vec![0; actors.len()];
        for n in 0..actors.len() {
            advance(gate, n, &mut actors[n], &mut answers[n]).await;
        }
        loop {
            let mut turns = gate.turns(self.conflicts < self.bounds.conflicts);
            // Who waits for another gets no third look before that one moved: nothing can have changed.
            if turns.iter().any(|turn| naps[turn.actor()] < 2) {
                turns.retain(|turn| naps[turn.actor()] < 2);
            }
            if turns.is_empty() {
                return Some(answers.into_iter().map(|answer| answer.expect("it ended")).collect());
            }
            let turn = self.choose(turns)?;
            self.conflicts += usize::from(turn.event == Event::Conflict);
            let actor = turn.actor();
            let begun = Instant::now();
            gate.give(&turn);
            advance(gate, actor, &mut actors[actor], &mut answers[actor]).await;
            let slept = begun.elapsed() > std::time::Duration::ZERO;
            naps.iter_mut().enumerate().for_each(|(n, naps)| match (n == actor, slept) {
                (true, true) => *naps += 1,
                _ => *naps = 0,
            });
        }
    }

    fn choose(&mut self, turns: Vec<Turn>) -> Option<Turn> {
        let depth = self.depth;
        self.depth += 1;
        if let Some(fork) = self.forks.get(depth) {
            assert_eq!(fork.turns, turns, "a schedule that is run again goes the same way");
            return Some(fork.taken.clone());
        }
        let asleep = match depth.checked_sub(1).map(|before| &self.forks[before]) {
            Some(before) if !self.bounds.everything => {
                before.asleep.iter().filter(|turn| !turn.meets(&before.taken)).cloned().collect()
            }
            _ => Vec::new(),
        };
        let taken = turns.iter().find(|turn| !asleep.contains(turn))?.clone();
        self.forks.push(Fork { turns, asleep, taken: taken.clone() });
        Some(taken)
    }
}

/// Lets an actor run until it waits for its next turn, or is done.
async fn advance<T>(
    gate: &Gate,
    number: usize,
    actor: &mut Option<impl Future<Output = T> + Unpin>,
    answer: &mut Option<T>,
) {
    let Some(future) = actor else { return };
    let done = std::future::poll_fn(|context| match Pin::new(&mut *future).poll(context) {
        Poll::Ready(it) => Poll::Ready(Some(it)),
        Poll::Pending if gate.is_waiting(number) => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await;
    if let Some(done) = done {
        *answer = Some(done);
        *actor = None;
    }
}

/// Prints the schedule of a test that fails.
struct OnPanic<'a>(&'a [Fork]);

impl Drop for OnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for fork in self.0 {
                let Turn { call: (actor, number), event, accesses } = &fork.taken;
                eprintln!("request {actor}, call {number}: {event:?} {accesses:?}");
            }
        }
    }
}

impl Explored {
    /// Says what was explored.
    pub fn report(&self, what: &str) {
        println!("{what}: {} schedules of up to {} calls, {} left early", self.schedules, self.longest, self.left);
    }
}
