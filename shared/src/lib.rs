//! What all of Tessera's functions share: the wire, the rules, the store.
//!
//! A request goes straight through: extractors make a command of it, a rule decides, one verb of the store acts, its
//! outcome becomes an envelope. Only [`storage`] knows DynamoDB, only [`config`] reads the environment, only [`clock`]
//! knows the time.

pub mod app;
pub mod aws;
pub mod binding;
pub mod bitkey;
pub mod clock;
pub mod codes;
pub mod config;
pub mod consent;
pub mod contact;
pub mod current_tokens;
pub mod entropy;
pub mod env;
pub mod error;
pub mod hash_key;
pub mod http;
pub mod jwt;
pub mod key_rotation;
pub mod lambda;
pub mod licence;
pub mod limits;
pub mod log;
pub mod messages;
pub mod name_filter;
pub mod outbound;
pub mod parameter_store;
pub mod password;
pub mod points;
pub mod proof;
pub mod redirect;
pub mod secret;
pub mod settings;
pub mod sign_in;
pub mod sign_in_key;
pub mod sign_up;
pub mod storage;
pub mod text;
pub mod two_factor;
pub mod user;
mod weak_key;
