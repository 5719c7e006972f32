//! Signing in: the password check that several endpoints share, and the one gate that turns a user into a token.

use crate::{
    app::AppRecord,
    codes::Purpose,
    consent::ConsentId,
    contact::Address,
    env::Env,
    error::{ApiError, ErrorCode},
    http::{Ctx, Fields},
    jwt::{GrantType, OAuthClaims, TokenRequest, TokenResponse},
    limits::charge_failure,
    log::notes,
    password::Verified,
    proof::{give_back, prove},
    secret::{Password, VerificationCode},
    sign_up::Created,
    storage::{Account, AppStore, Attempt, Consumed, Grant, LoginKey, Within},
    text::UserName,
    two_factor::{self, Code},
    user::{User, UserId},
};

/// What a user is known by who signs in with a password.
#[derive(Clone, Copy, Debug)]
pub enum Login<'a> {
    /// The user name.
    UserName(&'a UserName),
    /// A phone or a mailbox that the user proved.
    Contact(&'a Address),
}

impl Login<'_> {
    /// What failures are counted under when it names nobody: a user has one budget, whichever way they are named.
    fn counted_as(self) -> String {
        match self {
            Self::UserName(name) => name.canonical(),
            // No user name contains a line break.
            Self::Contact(address) => format!("contact\n{}", address.canonical()),
        }
    }
}

/// The user with this name and this password. Unknown name, wrong password, no password and disabled user are one
/// and the same refusal, after the same work.
pub async fn by_password(
    env: &Env,
    ctx: &Ctx,
    app: &AppRecord,
    login: Login<'_>,
    password: &Password,
) -> Result<User, ApiError> {
    if !app.settings.password_sign_in_enabled {
        return Err(ErrorCode::InvalidCredentials.into());
    }
    let store = env.store.app(app.app_id);
    let counted_as = login.counted_as();
    let key = match login {
        Login::UserName(_) => LoginKey::UserName(&counted_as),
        Login::Contact(address) => LoginKey::Contact(address),
    };
    let failures = env.limits.password_failures(ctx.client);
    let named = match store.find_login(key, failures, ctx.now).await? {
        Within::Budget(named) => named,
        Within::Throttled { retry_after } => return Err(ApiError::throttled(retry_after)),
    };
    let account = |named: Option<UserId>| named.map_or(Account::Unknown(&counted_as), Account::Known);
    if let Some(user) = try_password(env, ctx, &store, account(named), password).await? {
        return Ok(user);
    }
    // The replica that was asked may not know yet who signed up a moment ago. Whoever fails is looked up again, so that
    // the work does not tell who is known.
    let named_now = store.find_login_now(key).await?;
    if named_now != named
        && let Some(user) = try_password(env, ctx, &store, account(named_now), password).await?
    {
        return Ok(user);
    }
    Err(charge_failure(env, failures, ctx.now, ErrorCode::InvalidCredentials).await)
}

/// The user, if the password is theirs: a try is charged before it is compared, and given back when it was right.
async fn try_password(
    env: &Env,
    ctx: &Ctx,
    store: &AppStore<'_>,
    account: Account<'_>,
    password: &Password,
) -> Result<Option<User>, ApiError> {
    if let Account::Known(user) = account {
        notes::user(user);
    }
    let user = match store.attempt_password(account, ctx.now).await? {
        Attempt::Granted(user) => user.map(|user| *user),
        // Answered as a wrong password, after the same work.
        Attempt::Ended => None,
        Attempt::Throttled { retry_after } => return Err(ApiError::throttled(retry_after)),
    };
    let stored = user.as_ref().and_then(|user| user.password_hash.as_deref());
    match (env.passwords.verify(password, stored).await, user) {
        (Verified::Right { outdated }, Some(user)) if user.is_active() => {
            let rehashed = if outdated { Some(env.passwords.hash(password, env.entropy.as_ref()).await) } else { None };
            store.clear_password_failures(&user, rehashed).await?;
            Ok(Some(user))
        }
        _ => Ok(None),
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
    let proof = prove(env, ctx, app, (address, &PURPOSES), code).await?;
    let admitted = async {
        let user = store.find_by_contact(address).await?.ok_or(ErrorCode::UserNotFound)?;
        notes::user(user.id);
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

/// A user who passed every factor that is asked of them. Only this module makes one, and only one of these gets a
/// token, so that no way to sign in goes around the second factor.
#[derive(Clone, Debug)]
pub struct Admitted(User);

impl Admitted {
    /// Somebody who signed up in this very request.
    pub fn new_user(user: Created) -> Self {
        Self(user.into_user())
    }

    /// Somebody who was admitted when the ticket was made that came with the request: an authorization code, a
    /// confirmed QR code. Only for a user who was read again and found live under the ticket's token version.
    pub const fn by_ticket(user: User) -> Self {
        Self(user)
    }

    /// The user.
    pub const fn user(&self) -> &User {
        &self.0
    }
}

/// The second factor as it was sent, if it was.
#[derive(Clone, Debug, Default)]
pub struct SecondFactor(Sent);

#[derive(Clone, Debug, Default)]
enum Sent {
    #[default]
    Nothing,
    Code(Code),
    /// Something that is no code at all.
    Other,
}

const NO_CODE: &str = "twoFactorCode must be six digits or a recovery code";

impl SecondFactor {
    /// Reads `twoFactorCode`. What is no code is refused only when one is asked for: v1 clients send placeholders for
    /// users who have no second factor.
    pub fn read(fields: &mut Fields) -> Result<Self, ApiError> {
        let text: Option<String> = fields.optional("twoFactorCode")?;
        Ok(Self(text.map_or(Sent::Nothing, |text| Code::parse(&text).map_or(Sent::Other, Sent::Code))))
    }

    /// Reads `twoFactorCode` where the documents give its pattern: what is no code is refused.
    pub fn read_strictly(fields: &mut Fields) -> Result<Self, ApiError> {
        match Self::read(fields)? {
            Self(Sent::Other) => Err(ApiError::invalid(NO_CODE)),
            other => Ok(other),
        }
    }
}

/// Lets a user in who passed the first factor. A code is used up by it, so that nothing that can fail for the user
/// should come between this and the token.
pub async fn admit(
    env: &Env,
    ctx: &Ctx,
    app: &AppRecord,
    user: User,
    second: &SecondFactor,
) -> Result<Admitted, ApiError> {
    debug_assert_eq!(user.app_id, app.app_id, "a user is let into their own app");
    if user.has_two_factor() {
        match &second.0 {
            Sent::Nothing => return Err(ErrorCode::TwoFactorRequired.into()),
            Sent::Other => return Err(ApiError::invalid(NO_CODE)),
            Sent::Code(code) => two_factor::spend(env, ctx, &user, code).await?,
        }
    }
    Ok(Admitted(user))
}

/// The token that an authorization code is exchanged for.
pub async fn oauth_token(
    env: &Env,
    ctx: &Ctx,
    app: &AppRecord,
    admitted: &Admitted,
    grant: &Grant,
    consent: ConsentId,
) -> Result<TokenResponse, ApiError> {
    notes::user(admitted.user().id);
    let request = TokenRequest {
        app,
        user: admitted.user(),
        grant_type: grant.grant_type,
        days: grant.days,
        oauth: Some(OAuthClaims { scope: &grant.scopes, consent, grant: &grant.id }),
    };
    env.tokens.at(ctx.now).await?.issue(request, ctx.now, env.entropy.as_ref()).map_err(ApiError::internal)
}

/// The token of an admitted user.
pub async fn token(
    env: &Env,
    ctx: &Ctx,
    app: &AppRecord,
    admitted: &Admitted,
    grant_type: GrantType,
) -> Result<TokenResponse, ApiError> {
    notes::user(admitted.user().id);
    let request = TokenRequest { app, user: admitted.user(), grant_type, days: app.settings.token_days, oauth: None };
    env.tokens.at(ctx.now).await?.issue(request, ctx.now, env.entropy.as_ref()).map_err(ApiError::internal)
}
