//! A few users who ask again as soon as they are answered.

use std::time::Duration;

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use shared::clock::Stopwatch;

use crate::{
    failure::Failure,
    process::Process,
    step::{Session, Task},
};

/// How many ask at the same time.
pub(crate) const AT_A_TIME: usize = 4;

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Figures {
    /// Tasks a second.
    pub(crate) rate: f64,
    /// Microseconds that the server computed for a task.
    pub(crate) computed: f64,
    /// Microseconds that the database computed for a task.
    pub(crate) engine: f64,
    /// Milliseconds in which half of the tasks were done.
    pub(crate) median: f64,
    /// Milliseconds in which all but a hundredth were done.
    pub(crate) slowest: f64,
}

/// Who is asked: the users' sessions, ready.
pub(crate) struct Load {
    users: Vec<(Session, Task)>,
}

impl Load {
    pub(crate) fn new(base: &str, tasks: &[Task]) -> Result<Self, Failure> {
        let user = |task: &Task| Ok((Session::new(base)?, task.clone()));
        Ok(Self { users: tasks.iter().map(user).collect::<Result<_, Failure>>()? })
    }

    /// Asks for so long. `server` and `engine` are those whose work is counted.
    pub(crate) async fn run(
        &mut self,
        duration: Duration,
        server: &Process,
        engine: &Process,
    ) -> Result<Figures, Failure> {
        for (session, task) in &mut self.users {
            session.run(&task.before).await?;
        }
        let share = self.users.len().div_ceil(AT_A_TIME);
        let (server_before, engine_before) = (server.computed(), engine.computed());
        let started = Stopwatch::start();
        let work = self.users.chunks_mut(share).map(|users| ask(users, duration));
        let mut times = Vec::new();
        for done in join_all(work).await {
            times.extend(done?);
        }
        let elapsed = started.elapsed().as_secs_f64();
        times.sort_by(f64::total_cmp);
        #[expect(clippy::cast_precision_loss, reason = "some ten thousand tasks")]
        let count = times.len() as f64;
        Ok(Figures {
            rate: count / elapsed,
            computed: (server.computed() - server_before) / count * 1e6,
            engine: (engine.computed() - engine_before) / count * 1e6,
            median: at(&times, 0.5),
            slowest: at(&times, 0.99),
        })
    }
}

async fn ask(users: &mut [(Session, Task)], duration: Duration) -> Result<Vec<f64>, Failure> {
    let started = Stopwatch::start();
    let mut times = Vec::new();
    loop {
        for (session, task) in &mut *users {
            let asked = Stopwatch::start();
            session.run(&task.steps).await?;
            times.push(asked.elapsed().as_secs_f64() * 1e3);
            if started.elapsed() >= duration {
                return Ok(times);
            }
        }
    }
}

/// The value below which this share of sorted values is.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "an index of a short list"
)]
fn at(sorted: &[f64], share: f64) -> f64 {
    sorted.get((sorted.len().saturating_sub(1) as f64 * share).round() as usize).copied().unwrap_or_default()
}

/// The median of each figure.
pub(crate) fn medians(rounds: &[Figures]) -> Figures {
    let of = |figure: fn(&Figures) -> f64| median(rounds.iter().map(figure).collect());
    Figures {
        rate: of(|it| it.rate),
        computed: of(|it| it.computed),
        engine: of(|it| it.engine),
        median: of(|it| it.median),
        slowest: of(|it| it.slowest),
    }
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    at(&values, 0.5)
}
