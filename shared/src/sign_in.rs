//! Signing in: the password check that several endpoints share, and the one gate that turns a user into a token.

use crate::{
    app::AppRecord,
    codes::Purpose,
    contact::Address,
    env::Env,
    error::{ApiError, ErrorCode},
    http::{Ctx, Fields},
    jwt::{GrantType, TokenRequest, TokenResponse},
    password::Verified,
    secret::{Password, VerificationCode},
    sign_up::give_back,
    storage::{Account, Attempt, Consumed, Tried},
    text::UserName,
    user::User,
};

/// The user with this name and this password. Unknown name, wrong password, no password and disabled user are one
/// and the same refusal, after the same work.
pub async fn by_password(
    env: &Env,
    ctx: &Ctx,
    app: &AppRecord,
    name: &UserName,
    password: &Password,
) -> Result<User, ApiError> {
    if !app.settings.password_sign_in_enabled {
        return Err(ErrorCode::InvalidCredentials.into());
    }
    let store = env.store.app(app.app_id);
    let canonical = name.canonical();
    let account = store.find_user_name(&canonical).await?.map_or(Account::Unknown(&canonical), Account::Known);
    let user = match store.attempt_password(account, ctx.now).await? {
        Attempt::Granted(user) => user.map(|user| *user),
        Attempt::Throttled { retry_after } => return Err(ApiError::throttled(retry_after)),
    };
    let stored = user.as_ref().and_then(|user| user.password_hash.as_deref());
    match (env.passwords.verify(password, stored).await, user) {
        (Verified::Right { outdated }, Some(user)) if user.is_active() => {
            let rehashed = if outdated { Some(env.passwords.hash(password, env.entropy.as_ref()).await) } else { None };
            store.clear_password_failures(&user, rehashed).await?;
            Ok(user)
        }
        _ => Err(ErrorCode::InvalidCredentials.into()),
    }
}

/// The user who proved this address, with the second factor passed and the code used. Whatever refuses them leaves
/// the code as it was.
pub async fn by_code(
    env: &Env,
    ctx: &Ctx,
    app: &AppRecord,
    address: &Address,
    code: &VerificationCode,
    second: &SecondFactor,
) -> Result<Admitted, ApiError> {
    // The documented API has no purpose for signing in: its clients ask for a sign-up code.
    const PURPOSES: [Purpose; 2] = [Purpose::SignIn, Purpose::SignUp];
    let store = env.store.app(app.app_id);
    let proof = match store.try_code(address, &PURPOSES, code, ctx.now).await? {
        Tried::Right(proof) => *proof,
        Tried::Wrong => return Err(ErrorCode::InvalidCode.into()),
    };
    let admitted = async {
        let user = store.find_by_contact(address).await?.ok_or(ErrorCode::UserNotFound)?;
        admit(env, ctx, app, user, second).await
    };
    match admitted.await {
        Ok(admitted) => match store.consume_code(proof, ctx.now).await? {
            Consumed::Done => Ok(admitted),
            Consumed::Spent => Err(ErrorCode::InvalidCode.into()),
        },
        Err(error) => {
            give_back(env, ctx, app, vec![proof]).await;
            Err(error)
        }
    }
}

/// A user who passed every factor that is asked of them. Only [`admit`] makes one of a user who signs in, so that no
/// way to sign in goes around the second factor.
#[derive(Clone, Debug)]
pub struct Admitted(User);

impl Admitted {
    /// Somebody who signed up in this very request.
    pub const fn new_user(user: User) -> Self {
        Self(user)
    }

    /// The user.
    pub const fn user(&self) -> &User {
        &self.0
    }
}

/// The second factor as it was sent, if it was.
#[derive(Clone, Debug, Default)]
pub struct SecondFactor(#[expect(dead_code, reason = "no user can switch a second factor on yet")] Option<String>);

impl SecondFactor {
    /// Reads `twoFactorCode`.
    pub fn read(fields: &mut Fields) -> Result<Self, ApiError> {
        fields.optional("twoFactorCode").map(Self)
    }
}

/// Lets a user in who passed the first factor.
#[expect(clippy::unused_async, reason = "checking a second factor is a write")]
pub async fn admit(
    _env: &Env,
    _ctx: &Ctx,
    _app: &AppRecord,
    user: User,
    _second: &SecondFactor,
) -> Result<Admitted, ApiError> {
    Ok(Admitted(user))
}

/// The token of an admitted user.
pub fn token(
    env: &Env,
    ctx: &Ctx,
    app: &AppRecord,
    admitted: &Admitted,
    grant_type: GrantType,
) -> Result<TokenResponse, ApiError> {
    let request = TokenRequest { app, user: admitted.user(), grant_type, days: app.settings.token_days };
    env.tokens.issue(request, ctx.now, env.entropy.as_ref()).map_err(ApiError::internal)
}
