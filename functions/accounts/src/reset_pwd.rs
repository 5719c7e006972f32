//! `POST /api/AppUsers/{appId}/ResetPwd`: a new password for whoever proves the account's phone or mailbox.

use axum::extract::State;
use shared::{
    app::AppRecord,
    codes::Purpose,
    contact::Address,
    env::Env,
    error::{ApiError, ErrorCode},
    http::{Access, App, Body, Command, Ctx, Fields, Json, Reply, Route},
    password::{Surroundings, is_acceptable},
    proof::{give_back, prove},
    secret::{Password, VerificationCode},
    storage::{Proof, Reset},
};

pub(crate) const ROUTE: Route = Route::post("/api/AppUsers/{appId}/ResetPwd", Access::Anonymous);

pub(crate) async fn handle(
    ctx: Ctx,
    app: App,
    State(env): State<Env>,
    Body(command): Body<ResetPwd>,
) -> Result<Reply<bool>, ApiError> {
    let mut proof = prove(&env, &ctx, &app, (&command.address, &[Purpose::ForgetPwd]), &command.code).await?;
    let done = reset(&env, &ctx, &app, &command, &mut proof).await;
    if done.is_err() {
        give_back(&env, &ctx, &app, vec![proof]).await;
    }
    done
}

async fn reset(
    env: &Env,
    ctx: &Ctx,
    app: &AppRecord,
    command: &ResetPwd,
    proof: &mut Proof,
) -> Result<Reply<bool>, ApiError> {
    let store = env.store.app(app.app_id);
    let user = store.find_by_contact(&command.address).await?.ok_or(ErrorCode::InvalidCode)?;
    let around = Surroundings { app_name: &app.card.name, user_name: &user.user_name, email: &user.email.address };
    if !is_acceptable(&command.password, &app.settings, around) {
        return Err(ErrorCode::WeakPassword.into());
    }
    let hash = env.passwords.hash(&command.password, env.entropy.as_ref()).await;
    let other = user.proven_addresses().find(|address| address.channel() != command.address.channel());
    match store.reset_password(&user, &hash, proof, other.as_ref(), ctx.now).await? {
        Reset::Done => Ok(Reply::ok(true)),
        Reset::CodeSpent | Reset::UserChanged => Err(ErrorCode::InvalidCode.into()),
    }
}

#[derive(Debug)]
pub(crate) struct ResetPwd {
    address: Address,
    code: VerificationCode,
    password: Password,
}

impl Command for ResetPwd {
    fn read(body: Json) -> Result<Self, ApiError> {
        let mut fields = Fields::of(body)?;
        let phone = fields.optional("phone")?.map(Address::Phone);
        let email = fields.optional("email")?.map(Address::Email);
        let ((Some(address), None) | (None, Some(address))) = (phone, email) else {
            return Err(ApiError::invalid("exactly one of phone and email is required"));
        };
        Ok(Self { address, code: fields.required("code")?, password: fields.required_as(&["pwd", "password"])? })
    }
}
