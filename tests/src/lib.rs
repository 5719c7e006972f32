//! The test kit: the whole service over an in-memory DynamoDB engine, a clock that stands still, seeded randomness,
//! and actors who speak HTTP.
//!
//! Nothing is mocked: requests go through the same service as on Lambda, and the store's calls through the real SDK.
//! The SDK's HTTP connector is where tests look at calls, inject faults and let requests interleave ([`engine`]).

pub mod authenticator;
pub mod bulk;
pub mod canary;
pub mod cases;
pub mod checkpoint;
pub mod client;
pub mod cost;
pub mod documents;
pub mod emf;
pub mod engine;
pub mod essence;
pub mod inputs;
pub mod invariants;
pub mod journal;
pub mod lambda;
pub mod ledger;
pub mod model;
pub mod oracle;
pub mod parameters;
pub mod properties;
pub mod questions;
pub mod records;
pub mod rights;
pub mod schedules;
pub mod traffic;
pub mod webdriver;
pub mod world;

pub use authenticator::Authenticator;
pub use cases::Tally;
pub use checkpoint::Checkpoint;
pub use client::{Answer, Client, claims};
pub use world::{AppHandle, World};
