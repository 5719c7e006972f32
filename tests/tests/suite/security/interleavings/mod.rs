//! Races, in every order in which the calls of the requests can reach the store, each with up to one conflict that the
//! embedded engine would not report by itself.

mod bindings;
mod consents;
mod guesses;
mod left_out;
mod licences;
mod points;
mod sign_ins;
mod sign_ups;

use serde_json::Value;
use shared::storage::Table;
use tests::{
    Answer, Client, Tally, World,
    schedules::{Actor, Bounds, Explored, explore},
};

use super::good::{Good, Town};

/// Runs the requests in every order.
async fn all_orders(town: &Town, requests: &[Request], verify: impl AsyncFn(Vec<Answer>)) -> Explored {
    let from = town.world.checkpoint().await;
    // Conflicts among three would be too many orders; among two of them they are tried.
    let bounds = Bounds { conflicts: usize::from(requests.len() == 2), ..Bounds::default() };
    let actors = || requests.iter().map(|request| Box::pin(request.send()) as Actor<'_, Answer>).collect();
    let explored = explore(&town.world, &from, bounds, actors, verify).await;
    explored.report(std::thread::current().name().unwrap_or_default());
    explored
}

/// A request of a race.
#[derive(Clone)]
enum Request {
    Good(Good),
    Post(Client, String, Value),
}

impl Request {
    async fn send(&self) -> Answer {
        match self {
            Self::Good(good) => good.send().await,
            Self::Post(client, path, body) => client.post(path, body.clone()).await,
        }
    }
}

fn post(town: &Town, path: &str, body: Value) -> Request {
    Request::Post(town.world.client(), path.to_owned(), body)
}

fn good(town: &Town, name: &str) -> Request {
    Request::Good(town.good(name).clone())
}

fn twice(request: Request) -> [Request; 2] {
    [request.clone(), request]
}

/// The reasons of the answers, sorted; a success has none.
fn reasons(answers: &[Answer]) -> Vec<&str> {
    let mut reasons: Vec<_> = answers.iter().map(Answer::reason).collect();
    reasons.sort_unstable();
    reasons
}

/// The answers that gave a token.
fn tokens(answers: &[Answer]) -> Vec<String> {
    answers.iter().filter(|answer| answer.code() == 200).map(Answer::token).collect()
}

async fn is_live(world: &World, token: &str) -> bool {
    world.client().bearer(token).get("/api/AppUsers/2/Profile").await.code() == 200
}

fn tallied(id: &'static str, explored: Explored) {
    Tally::of(id).add(explored.schedules);
}

/// The tries that the one code of an address for signing in has had.
async fn tries(world: &World) -> Option<String> {
    let rows = world.rows(Table::Codes).await;
    let codes: Vec<_> = rows.iter().filter_map(|row| row["record"]["M"]["codes"]["M"].get("signin")).collect();
    // The code at the phone is the one that was tried.
    let most = codes.iter().filter_map(|code| code["M"]["tries"]["N"].as_str()).max();
    most.map(str::to_owned)
}
