//! Whether time tells somebody from nobody: `cargo run --release -p tests --example timing [SAMPLES [WORD]]`.
//!
//! Asks the questions of `tests::questions` in turns, so that whatever else the computer does hits all alike, leaves out
//! the slowest tenth, and prints Welch's t for each. Below 4.5 either way the means differ by no more than chance does;
//! more samples see smaller differences. The calls go to the embedded engine: what a network adds is noise.

use std::time::Duration;

use shared::clock::Stopwatch;
use tests::{World, questions};

const LIMIT: f64 = 4.5;

async fn time(world: &World, path: &str, body: &serde_json::Value) -> Duration {
    questions::forget(world);
    let client = world.client();
    let stopwatch = Stopwatch::start();
    let answer = client.post(path, body.clone()).await;
    let elapsed = stopwatch.elapsed();
    assert!(answer.body.is_object());
    elapsed
}

/// Mean and variance of the mean, in microseconds, without the slowest tenth.
#[expect(clippy::cast_precision_loss, reason = "some thousand samples")]
fn mean(samples: &mut [Duration]) -> (f64, f64) {
    samples.sort_unstable();
    let kept: Vec<_> = samples[..samples.len() * 9 / 10].iter().map(|it| it.as_secs_f64() * 1e6).collect();
    let count = kept.len() as f64;
    let mean = kept.iter().sum::<f64>() / count;
    let variance = kept.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / (count - 1.0);
    (mean, variance / count)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let samples: usize = arguments.next().map_or(500, |it| it.parse().expect("a number of samples"));
    let word = arguments.next().unwrap_or_default();
    let all = questions::all(&questions::world().await);
    let mut greatest: f64 = 0.0;
    println!("{samples} samples each, microseconds");
    println!("| endpoint | question | of whom | nobody | somebody | t |\n|---|---|---|---|---|---|");
    for number in (0..all.len()).filter(|it| all[*it].is_one_answer && all[*it].path.contains(&word)) {
        let fresh = questions::world().await;
        let question = &questions::all(&fresh)[number];
        let mut nobody = Vec::new();
        let mut somebody = vec![Vec::new(); question.somebody.len()];
        for round in 0..samples + 10 {
            let about_nobody = time(&fresh, &question.path, &question.nobody).await;
            let mut others = Vec::new();
            for (_, body) in &question.somebody {
                others.push(time(&fresh, &question.path, body).await);
            }
            // The first rounds warm up.
            if round >= 10 {
                nobody.push(about_nobody);
                somebody.iter_mut().zip(others).for_each(|(samples, it)| samples.push(it));
            }
        }
        let (base, base_variance) = mean(&mut nobody);
        for ((state, _), samples) in question.somebody.iter().zip(&mut somebody) {
            let (mean, variance) = mean(samples);
            let t = (mean - base) / (variance + base_variance).sqrt();
            greatest = greatest.max(t.abs());
            println!("| {} | {} | {state} | {base:.0} | {mean:.0} | {t:.1} |", question.route, question.name);
        }
    }
    println!("greatest |t|: {greatest:.1}, {}", if greatest < LIMIT { "below 4.5" } else { "NOT below 4.5" });
}
