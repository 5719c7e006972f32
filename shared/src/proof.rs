//! Proving an address by the code that was sent to it.

use crate::{
    app::AppRecord,
    codes::Purpose,
    contact::Address,
    env::Env,
    error::{ApiError, ErrorCode},
    http::Ctx,
    limits::charge_failure,
    secret::VerificationCode,
    storage::{Proof, Tried},
};

/// The proof that the client has a code that was sent to the address for one of these purposes. A wrong one is charged
/// to the record of the address, and then to the client: who tries one code on a thousand phones stays within each of
/// their budgets.
pub async fn prove(
    env: &Env,
    ctx: &Ctx,
    app: &AppRecord,
    (address, purposes): (&Address, &[Purpose]),
    code: &VerificationCode,
) -> Result<Proof, ApiError> {
    let failures = env.limits.verification_failures(ctx.client);
    match env.store.app(app.app_id).try_code(address, purposes, code, failures, ctx.now).await? {
        Tried::Right(proof) => Ok(*proof),
        Tried::Wrong => Err(charge_failure(env, failures, ctx.now, ErrorCode::InvalidCode).await),
        Tried::Throttled { retry_after } => Err(ApiError::throttled(retry_after)),
    }
}

/// Nothing came of right codes. If that cannot be written, they stay charged with one try, and that is all.
pub async fn give_back(env: &Env, ctx: &Ctx, app: &AppRecord, proofs: Vec<Proof>) {
    for proof in proofs {
        if let Err(error) = env.store.app(app.app_id).give_back_code(proof, ctx.now).await {
            tracing::warn!(%error, "a code that was right stays charged");
        }
    }
}
