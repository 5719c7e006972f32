//! `PUT /User/{appKey}/TwoFactorAuth`: switches the caller's second factor on or off, either with a right code.

use axum::extract::State;
use serde::Serialize;
use shared::{
    env::Env,
    error::{ApiError, ErrorCode},
    http::{Access, App, Body, Caller, Command, Ctx, Fields, Json, Reply, Route},
    storage::{Factor, FactorAttempt, FactorChange},
    two_factor::{RECOVERY_CODES, RecoveryCode, TotpCode},
    user::User,
};

pub(crate) const ROUTE: Route = Route::put("/User/{appKey}/TwoFactorAuth", Access::Bearer);

pub(crate) async fn handle(
    ctx: Ctx,
    _app: App,
    caller: Caller,
    State(env): State<Env>,
    Body(command): Body<Switch>,
) -> Result<Reply<Switched>, ApiError> {
    let user = caller.user;
    match (command.enable, user.has_two_factor()) {
        (true, true) => return Err(ErrorCode::TwoFactorOn.into()),
        // No code is right when there is no secret.
        (false, false) => return Err(ErrorCode::InvalidTwoFactorCode.into()),
        (true, false) | (false, true) => {}
    }
    let store = env.store.app(user.app_id);
    let factor = match store.attempt_second_factor(user.id, ctx.now).await? {
        FactorAttempt::Granted(factor) => factor,
        FactorAttempt::Gone => return Err(ErrorCode::InvalidToken.into()),
        FactorAttempt::Ended => return Err(ErrorCode::InvalidTwoFactorCode.into()),
        FactorAttempt::Throttled { retry_after } => return Err(ApiError::throttled(retry_after)),
    };
    if command.enable {
        switch_on(&env, &ctx, &user, &factor, &command.code).await
    } else {
        switch_off(&env, &ctx, &user, &factor, &command.code).await
    }
    .map(Reply::ok)
}

async fn switch_on(env: &Env, ctx: &Ctx, user: &User, factor: &Factor, code: &TotpCode) -> Result<Switched, ApiError> {
    let key = env.totp_key()?;
    let is_fresh = factor.pending_until > ctx.now.as_millisecond();
    let pending = factor.pending.as_ref().filter(|_| is_fresh).ok_or(ErrorCode::InvalidTwoFactorCode)?;
    let secret = key.open(user.app_id, user.id, pending).map_err(ApiError::internal)?;
    let step = secret.step_of(code, ctx.now, None).ok_or(ErrorCode::InvalidTwoFactorCode)?;
    let codes: Vec<_> = (0..RECOVERY_CODES).map(|_| RecoveryCode::generate(env.entropy.as_ref())).collect();
    let hashes = codes.iter().map(|code| key.hash(user.app_id, user.id, code)).collect();
    let attempt = env.entropy.hex::<8>();
    match env.store.app(user.app_id).switch_second_factor_on(user.id, pending, step, hashes, &attempt).await? {
        FactorChange::Done => Ok(Switched::On { recovery_codes: codes.iter().map(RecoveryCode::shown).collect() }),
        FactorChange::Refused => Err(ErrorCode::InvalidTwoFactorCode.into()),
    }
}

async fn switch_off(env: &Env, ctx: &Ctx, user: &User, factor: &Factor, code: &TotpCode) -> Result<Switched, ApiError> {
    let sealed = factor.secret.as_ref().ok_or(ErrorCode::InvalidTwoFactorCode)?;
    let secret = env.totp_key()?.open(user.app_id, user.id, sealed).map_err(ApiError::internal)?;
    let step = secret.step_of(code, ctx.now, factor.last_step).ok_or(ErrorCode::InvalidTwoFactorCode)?;
    let attempt = env.entropy.hex::<8>();
    match env.store.app(user.app_id).switch_second_factor_off(user.id, sealed, step, &attempt).await? {
        FactorChange::Done => Ok(Switched::Off(true)),
        FactorChange::Refused => Err(ErrorCode::InvalidTwoFactorCode.into()),
    }
}

#[derive(Debug)]
pub(crate) struct Switch {
    enable: bool,
    code: TotpCode,
}

impl Command for Switch {
    fn read(body: Json) -> Result<Self, ApiError> {
        let mut fields = Fields::of(body)?;
        Ok(Self { enable: fields.required("enable")?, code: fields.required("twoFactorCode")? })
    }
}

/// The codes that were switched on with, shown this once; or just that it is off.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Switched {
    #[serde(rename_all = "camelCase")]
    On {
        recovery_codes: Vec<String>,
    },
    Off(bool),
}
