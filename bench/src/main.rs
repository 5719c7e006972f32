//! Tessera beside its peers: measures, prints a table and writes `docs/performance.md`. `bench/run.sh` installs and builds
//! what that needs; what is missing is left out aloud. Needs Linux.

mod committed;
mod cores;
mod crowd;
mod dynamodb;
mod failure;
mod functions;
mod growth;
mod handlers;
mod load;
mod ours;
mod page;
mod parts;
mod process;
mod results;
mod run;
mod servers;
mod step;
mod targets;

use std::{fs, path::Path, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};

use crate::{
    committed::{Cost, Weight},
    cores::Cores,
    dynamodb::Reading,
    failure::Failure,
    results::Results,
    run::Length,
    servers::Places,
};

/// Everybody's password.
const PASSWORD: &str = "correct horse battery";
/// Users of each server.
const USERS: usize = 16;

#[derive(Parser)]
#[command(name = "bench", about = "Measures Tessera beside its peers and writes docs/performance.md")]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    /// Seconds for which each server is asked in a round
    #[arg(long, env = "BENCH_SECONDS", default_value_t = 4.0)]
    seconds: f64,
    /// Rounds; the page shows medians of them
    #[arg(long, env = "BENCH_ROUNDS", default_value_t = 5)]
    rounds: usize,
    /// Users among whom our server is measured once more; a million take 4 GB of memory
    #[arg(long, env = "BENCH_CROWD", default_value_t = 1_000_000)]
    crowd: u64,
}

/// What the bench starts of itself.
#[derive(Subcommand)]
enum Part {
    #[command(hide = true)]
    Engine,
    #[command(hide = true)]
    Floor {
        #[arg(env = "PORT")]
        port: u16,
        /// Where to read an item for each request
        #[arg(long)]
        engine: Option<String>,
        /// How to read it
        #[arg(long, default_value = "sdk")]
        by: Reading,
    },
    #[command(hide = true)]
    Ceiling { seconds: f64 },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let cores = Cores::of_this_machine();
    if arguments.part.is_none() {
        cores.move_driver();
    }
    let done = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::from).and_then(|it| {
        it.block_on(async {
            match arguments.part {
                None => tokio::select! {
                    done = measure(cores, Length { seconds: arguments.seconds, rounds: arguments.rounds }, arguments.crowd) => done,
                    interrupted = interruption() => interrupted,
                },
                Some(Part::Engine) => parts::engine().await,
                Some(Part::Floor { port, engine, by }) => parts::floor(port, engine.as_deref(), by).await,
                Some(Part::Ceiling { seconds }) => parts::ceiling(Duration::from_secs_f64(seconds)).await,
            }
        })
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Ctrl-C or a polite request to end: whatever was started ends, too.
async fn interruption() -> Result<(), Failure> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        done = tokio::signal::ctrl_c() => done?,
        _ = terminate.recv() => {}
    }
    Err(Failure::new("interrupted"))
}

async fn measure(cores: Cores, length: Length, crowd: u64) -> Result<(), Failure> {
    let places = Places::new()?;
    let tools = ["node", "venv/bin/python"].map(|tool| places.tool(tool).unwrap_or_default());
    let mut results = Results::new(cores, length, tools);
    run::run(&places, cores, length, &mut results).await?;
    if let Err(failure) = growth::measure(&places, cores, length, crowd, &mut results).await {
        results.skip("growth", &failure);
    }
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let page = page::page(&Cost::read(&docs)?, &Weight::read(&docs)?, &results);
    fs::write(docs.join("performance.json"), serde_json::to_string_pretty(&results)? + "\n")?;
    fs::write(docs.join("performance.md"), &page)?;
    println!("{page}");
    Ok(())
}
