//! Everything started, everything asked in turns, round after round.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::timeout;

use crate::{
    cores::Cores,
    failure::Failure,
    functions,
    load::{Figures, medians},
    process::{PATIENCE, Process},
    results::{Results, ServerResult},
    servers::{FLOORS, OURS, PEERS, Places, Server, start_floor, start_ours, start_peer},
};

/// What is asked, in this order.
pub(crate) const SCENARIOS: [&str; 5] = ["sign-in", "read", "oauth-read", "grant", "poll"];

/// How long and how often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Length {
    pub(crate) seconds: f64,
    pub(crate) rounds: usize,
}

impl Length {
    pub(crate) fn window(self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}

/// Measures all servers beside one another, then the functions.
pub(crate) async fn run(places: &Places, cores: Cores, length: Length, results: &mut Results) -> Result<(), Failure> {
    let (engine, url) = start_engine(places, cores).await?;

    let mut running: Vec<(&str, Server)> = Vec::new();
    let mut add = |name: &'static str, started: Result<Server, Failure>, results: &mut Results| match started {
        Ok(server) => running.push((name, server)),
        Err(failure) => results.skip(name, &failure),
    };
    add(OURS, start_ours(places, cores, &url).await, results);
    for floor in FLOORS {
        add(floor, start_floor(floor, places, cores, &url).await, results);
    }
    for peer in PEERS {
        add(peer.0, start_peer(peer, places, cores, &url).await, results);
    }

    let mut figures: BTreeMap<(&str, &str), Vec<Figures>> = BTreeMap::new();
    let mut ceilings = Vec::new();
    // The first round warms up: compilers at run time are given what they need, and nothing of it counts.
    for round in 0..=length.rounds {
        eprintln!("round {round} of {}", length.rounds);
        for scenario in SCENARIOS {
            if scenario == "sign-in" {
                ceilings
                    .extend(ceiling(places, cores, length).await.inspect_err(|it| results.skip("the hash alone", it)));
            }
            for (name, server) in &mut running {
                let Some(load) = server.loads.get_mut(scenario) else { continue };
                let patience = length.window() + Duration::from_secs(30);
                let asked = timeout(patience, load.run(length.window(), &server.process, &engine)).await;
                match asked.unwrap_or_else(|_| Err(Failure::new("does not come to an end"))) {
                    Ok(measured) if round > 0 => figures.entry((scenario, *name)).or_default().push(measured),
                    Ok(_) => {}
                    Err(failure) => {
                        results.skip(&format!("{name}, {scenario}"), &failure);
                        server.loads.remove(scenario);
                        figures.remove(&(scenario, *name));
                    }
                }
            }
        }
    }
    results.ceiling = crate::load::median(ceilings);
    for (name, server) in &running {
        let result = ServerResult { version: server.version.clone(), resident: server.process.resident() };
        results.servers.insert((*name).to_owned(), result);
    }
    drop(running);
    for ((scenario, name), rounds) in figures {
        results.scenarios.entry(scenario.to_owned()).or_default().insert(name.to_owned(), medians(&rounds));
    }
    if let Err(failure) = functions::measure(places, cores, &url, results).await {
        results.skip("the functions", &failure);
    }
    Ok(())
}

/// A database of its own process, and its address.
pub(crate) async fn start_engine(places: &Places, cores: Cores) -> Result<(Process, String), Failure> {
    let command = [places.bench.clone(), "engine".to_owned()];
    let mut engine = Process::start("engine", &command, cores.engine, &BTreeMap::new(), &places.data)?;
    let line = engine.line(PATIENCE).await?;
    let url = line["url"].as_str().ok_or_else(|| Failure::new("the database has no address"))?.to_owned();
    Ok((engine, url))
}

/// How often a second a core can do nothing but compare passwords.
async fn ceiling(places: &Places, cores: Cores, length: Length) -> Result<f64, Failure> {
    let command = [places.bench.clone(), "ceiling".to_owned(), length.seconds.to_string()];
    let mut process = Process::start("ceiling", &command, cores.server, &BTreeMap::new(), &places.data)?;
    let rate = process.line(PATIENCE).await?["rate"].as_f64().ok_or_else(|| Failure::new("no rate"))?;
    process.end().await?;
    Ok(rate)
}
