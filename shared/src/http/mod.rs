//! The wire: which route a request takes, what an endpoint gets to see of it, and how its outcome is written.

mod body;
mod cors;
mod envelope;
mod extract;
mod fields;
mod json;
mod licensee;
mod query;
mod route;
mod scope;
mod service;

pub use self::{
    body::{Body, OptionalBody},
    envelope::{Family, Reply},
    extract::{App, Caller, Ctx, ProfileOwner, RechargeProof, RecordId, SentAppSecret, UnionIdProof},
    fields::{Command, Field, Fields, Refusal},
    json::Json,
    licensee::{LicencePath, LicenceWriter, Licensee, RequestId},
    query::Query,
    route::{Access, Method, Route, Routes},
    scope::{ClientAddress, Correlation},
    service::{MAX_BODY_BYTES, Service, app, method_not_allowed},
};
