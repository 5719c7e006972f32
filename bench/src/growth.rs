//! Whether a request costs more among many users than among few.

use std::time::Duration;

use serde_json::json;

use crate::{
    cores::Cores,
    crowd::Wish,
    failure::Failure,
    load::{Figures, median},
    process::Process,
    results::{Growth, Results},
    run::{Length, start_engine},
    servers::{Places, Server, start_ours},
};

/// What is asked among them.
const SCENARIOS: [&str; 2] = ["read", "sign-in"];
/// As few as they are.
const FEW: u64 = 1_000;
/// How long it may take until all are there.
const PATIENCE: Duration = Duration::from_mins(4);

/// Measures both in turns.
pub(crate) async fn measure(
    places: &Places,
    cores: Cores,
    length: Length,
    crowd: u64,
    results: &mut Results,
) -> Result<(), Failure> {
    eprintln!("our server among {FEW} and among {crowd} users");
    let mut few = Place::among(FEW, places, cores).await?;
    let mut many = Place::among(crowd, places, cores).await?;
    for scenario in SCENARIOS {
        let (mut among_few, mut among_many) = (Vec::new(), Vec::new());
        // The first round warms up.
        for round in 0..=length.rounds {
            let (one, other) = (few.ask(scenario, length).await?, many.ask(scenario, length).await?);
            if round > 0 {
                among_few.push(one.computed);
                among_many.push(other.computed);
            }
        }
        let growth = Growth { users: crowd, few: median(among_few), many: median(among_many) };
        results.growth.insert(scenario.to_owned(), growth);
    }
    Ok(())
}

/// Our server over a database of its own.
struct Place {
    engine: Process,
    server: Server,
}

impl Place {
    async fn among(users: u64, places: &Places, cores: Cores) -> Result<Self, Failure> {
        let (mut engine, url) = start_engine(places, cores).await?;
        let server = start_ours(places, cores, &url).await?;
        let wish = Wish { table: "tessera-Users".to_owned(), name: "user0".to_owned(), copies: users };
        engine.tell(&json!(wish)).await?;
        engine.line(PATIENCE).await?;
        Ok(Self { engine, server })
    }

    async fn ask(&mut self, scenario: &str, length: Length) -> Result<Figures, Failure> {
        let load = self.server.loads.get_mut(scenario).ok_or_else(|| Failure::new("no such scenario"))?;
        load.run(length.window(), &self.server.process, &self.engine).await
    }
}
