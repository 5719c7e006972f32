//! Functions beside one another, from the start of their process: what a user waits for who comes first.

use std::time::Duration;

use runtime_api::RuntimeApi;
use serde_json::{Value, json};
use shared::clock::Stopwatch;

use crate::{
    PASSWORD,
    cores::Cores,
    failure::Failure,
    handlers::{self, Handler},
    load::median,
    process::Process,
    results::{FirstAnswer, Results},
    servers::{OURS, Places},
};

/// How often each is started.
const STARTS: usize = 11;
/// How often each is asked once it is warm.
const LATER: usize = 100;
/// Requests after which it is.
const WARMING: usize = 20;
/// How long a function may take for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// A sign-in as the gateway of an HTTP API sends it.
const EVENT: &str = include_str!("../../tests/events/sign-in.json");

/// Starts each in turns and signs the same user in.
pub(crate) async fn measure(places: &Places, cores: Cores, engine: &str, results: &mut Results) -> Result<(), Failure> {
    let mut all = vec![(OURS, handlers::ours(places, engine))];
    all.extend(handlers::peers(places, engine).await?);
    let mut event: Value = serde_json::from_str(EVENT)?;
    event["body"] = json!({"userName": "user0", "pwd": PASSWORD}).to_string().into();
    let mut measured = Vec::new();
    for (name, handler) in all {
        match handler {
            Ok(handler) => measured.push((handler, Vec::new(), Vec::new())),
            Err(failure) => results.skip(&format!("{name}, as a function"), &failure),
        }
    }
    eprintln!("functions, {STARTS} starts");
    for _ in 0..STARTS {
        for (handler, first, _) in &mut measured {
            let started = Stopwatch::start();
            match start(handler, places, cores, &event).await {
                Ok(_) => first.push(started.elapsed().as_secs_f64() * 1e3),
                Err(failure) => {
                    results.skip(&format!("{}, as a function", handler.name), &failure);
                    first.clear();
                }
            }
        }
        // One that failed is left out of all that follows.
        measured.retain(|(_, first, _)| !first.is_empty());
    }
    let mut running = Vec::new();
    for (handler, ..) in &measured {
        let mut function = start(handler, places, cores, &event).await?;
        for _ in 0..WARMING {
            function.ask(&event).await?;
        }
        running.push(function);
    }
    for _ in 0..LATER {
        for (function, (_, _, later)) in running.iter_mut().zip(&mut measured) {
            let asked = Stopwatch::start();
            function.ask(&event).await?;
            later.push(asked.elapsed().as_secs_f64() * 1e3);
        }
    }
    for (handler, first, later) in measured {
        let answer = FirstAnswer { first: median(first), later: median(later) };
        results.first_answers.insert(handler.name.to_owned(), answer);
    }
    Ok(())
}

/// A function that has answered its first event.
struct Function {
    api: RuntimeApi,
    _process: Process,
}

impl Function {
    /// Has an event ready for when the function asks, and waits for its good answer.
    async fn ask(&mut self, event: &Value) -> Result<(), Failure> {
        let answer = self.api.invoke(event, PATIENCE).await;
        let answer = answer.ok_or_else(|| Failure::new("does not answer; its log is in target/bench"))?;
        if answer["statusCode"] == 200 { Ok(()) } else { Err(Failure::new(format!("answered {answer}"))) }
    }
}

async fn start(handler: &Handler, places: &Places, cores: Cores, event: &Value) -> Result<Function, Failure> {
    let api = RuntimeApi::serve().await?;
    let mut environment = handler.environment.clone();
    environment.insert("AWS_LAMBDA_RUNTIME_API".to_owned(), api.address().to_owned());
    let name = format!("{} as a function", handler.name);
    let process = Process::start_unheard(&name, &handler.command, cores.server, &environment, &places.data)?;
    let mut function = Function { api, _process: process };
    function.ask(event).await?;
    Ok(function)
}
