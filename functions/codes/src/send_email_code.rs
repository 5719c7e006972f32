//! `POST /api/AppUsers/{appId}/SendEmailCode`: a code to a mailbox.

use axum::extract::State;
use shared::{
    codes::Purpose,
    contact::{Address, Email},
    env::Env,
    error::ApiError,
    http::{Access, App, Body, Command, Ctx, Fields, Json, Reply, Route},
};

use crate::send::send;

pub(crate) const ROUTE: Route = Route::post("/api/AppUsers/{appId}/SendEmailCode", Access::Anonymous);

pub(crate) async fn handle(
    ctx: Ctx,
    app: App,
    State(env): State<Env>,
    Body(command): Body<SendEmailCode>,
) -> Result<Reply<bool>, ApiError> {
    send(&env, &ctx, &app, Address::Email(command.email), command.purpose).await
}

#[derive(Debug)]
pub(crate) struct SendEmailCode {
    email: Email,
    purpose: Purpose,
}

impl Command for SendEmailCode {
    fn read(body: Json) -> Result<Self, ApiError> {
        let mut fields = Fields::of(body)?;
        Ok(Self { email: fields.required("email")?, purpose: fields.required("type")? })
    }
}
