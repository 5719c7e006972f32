//! `POST /api/AppUsers/{appId}/SendSMSCode`: a code to a phone.

use axum::extract::State;
use shared::{
    codes::Purpose,
    contact::{Address, Phone},
    env::Env,
    error::ApiError,
    http::{Access, App, Body, Command, Ctx, Fields, Json, Reply, Route},
};

use crate::send::send;

pub(crate) const ROUTE: Route = Route::post("/api/AppUsers/{appId}/SendSMSCode", Access::Anonymous);

pub(crate) async fn handle(
    ctx: Ctx,
    app: App,
    State(env): State<Env>,
    Body(command): Body<SendSmsCode>,
) -> Result<Reply<bool>, ApiError> {
    send(&env, &ctx, &app, Address::Phone(command.phone), command.purpose).await
}

#[derive(Debug)]
pub(crate) struct SendSmsCode {
    phone: Phone,
    purpose: Purpose,
}

impl Command for SendSmsCode {
    fn read(body: Json) -> Result<Self, ApiError> {
        let mut fields = Fields::of(body)?;
        Ok(Self { phone: fields.required("phone")?, purpose: fields.required("type")? })
    }
}
