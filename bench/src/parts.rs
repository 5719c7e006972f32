//! The parts of a run that are no peers: the database, the floor and the ceiling. Each is a process of its own.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use axum::{Json, Router, http::StatusCode, response::IntoResponse as _, routing::get};
use serde_json::json;
use shared::{
    clock::Stopwatch,
    entropy::SystemEntropy,
    password::{PasswordHasher, Verified},
    secret::Password,
};
use tokio::net::TcpListener;

use crate::{
    PASSWORD, crowd,
    dynamodb::{OneUser, Reading},
    failure::Failure,
};

/// The embedded DynamoDB engine in memory, on a free port, which it prints. Ends when nobody holds its standard input.
pub(crate) async fn engine() -> Result<(), Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("{}", json!({"url": format!("http://{}", listener.local_addr()?)}));
    let database = dynoxide::Database::memory()?;
    let listening = database.clone();
    tokio::select! {
        served = dynoxide::server::serve_with_shutdown(listener, database, std::future::pending()) => {
            served.map_err(Failure::new)
        }
        done = crowd::listen(listening) => done,
    }
}

/// The least that an HTTP server in Rust does for a request: it checks nothing and answers a constant. With a database it
/// reads one item before.
pub(crate) async fn floor(port: u16, engine: Option<&str>, by: Reading) -> Result<(), Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let read = json!([{"method": "GET", "path": "/", "expect": "user0"}]);
    let answer = || Json(json!({"code": 200, "data": {"id": 1, "userName": OneUser::NAME}, "err": ""}));
    let route = if let Some(engine) = engine {
        let user = Arc::new(OneUser::create(engine, &format!("floor-{by:?}")).await?);
        get(async move || match user.read(by).await {
            Ok(1..) => answer().into_response(),
            Ok(0) | Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        })
    } else {
        get(async move || answer())
    };
    println!("{}", json!({"version": "0.8", "read": vec![read; 4]}));
    axum::serve(listener, Router::new().route("/", route)).await?;
    Ok(())
}

/// Compares a password with its hash for so long, and prints how often it could in a second.
pub(crate) async fn ceiling(duration: Duration) -> Result<(), Failure> {
    let hasher = PasswordHasher::new();
    let password = Password::new(PASSWORD);
    let stored = hasher.hash(&password, &SystemEntropy).await;
    let started = Stopwatch::start();
    let mut times = 0.0;
    while started.elapsed() < duration {
        if hasher.verify(&password, Some(&stored)).await == Verified::Wrong {
            return Err(Failure::new("a password is not its own"));
        }
        times += 1.0;
    }
    println!("{}", json!({"rate": times / started.elapsed().as_secs_f64()}));
    Ok(())
}
