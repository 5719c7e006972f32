//! `POST /api/AppUsers/{appId}/QRCodeSignUp`: the phone confirms as an external identity, new or known.

use axum::extract::State;
use shared::{
    env::Env,
    error::{ApiError, ErrorCode},
    http::{Access, App, Body, Command, Ctx, Fields, Json, Reply, Route, UnionIdProof},
    jwt::{GrantType, TokenResponse},
    secret::{Password, QrSecret},
    sign_in::{self, Admitted, SecondFactor},
    sign_in_key::SignInKey,
    sign_up::{self, Name, SignUpGroup, chosen_password},
    storage::ConfirmedSignIn,
    text::{ExternalId, Platform, UserName},
    user::User,
};

pub(crate) const ROUTE: Route = Route::post("/api/AppUsers/{appId}/QRCodeSignUp", Access::Anonymous);

/// Where the identity comes from when the phone does not say: phones scan with a mini program.
const DEFAULT_PLATFORM: &str = "wxminip";

pub(crate) async fn handle(
    ctx: Ctx,
    app: App,
    _proof: UnionIdProof,
    State(env): State<Env>,
    Body(command): Body<QrCodeSignUp>,
) -> Result<Reply<TokenResponse>, ApiError> {
    let store = env.store.app(app.app_id);
    let QrCodeSignUp { sign_in_key, scan_nonce, second_factor, account } = command;
    // Looked at before anybody is asked for a second factor or signs up; decided by the write at the end.
    let scan = store.find_scan(sign_in_key, scan_nonce.as_ref(), ctx.now).await?.ok_or(ErrorCode::QrUnusable)?;
    let holder = find_holder(&env, &app, &account.external_id).await?;
    if let Some(confirmed_by) = scan.confirmed_by
        && holder.as_ref().is_none_or(|user| user.id != confirmed_by)
    {
        return Err(ErrorCode::QrUnusable.into());
    }
    let admitted = match holder {
        Some(user) => sign_in::admit(&env, &ctx, &app, user, &second_factor).await?,
        None => create(&env, &ctx, &app, account, &second_factor).await?,
    };
    // Somebody who has just signed up and then loses the race for the page keeps the account.
    match store.confirm_qr_sign_in(sign_in_key, &scan, admitted.user(), ctx.now).await? {
        ConfirmedSignIn::Done => {}
        ConfirmedSignIn::Unusable => return Err(ErrorCode::QrUnusable.into()),
    }
    sign_in::token(&env, &ctx, &app, &admitted, GrantType::UnionId).await.map(Reply::ok)
}

async fn find_holder(env: &Env, app: &App, id: &ExternalId) -> Result<Option<User>, ApiError> {
    let store = env.store.app(app.app_id);
    let Some(user) = store.find_external_id(id).await? else { return Ok(None) };
    Ok(store.find_user(user).await?.filter(User::is_active))
}

/// Creates the account, unless a request at the same moment did.
async fn create(
    env: &Env,
    ctx: &Ctx,
    app: &App,
    account: Account,
    second_factor: &SecondFactor,
) -> Result<Admitted, ApiError> {
    let external_id = account.external_id.clone();
    let request = sign_up::SignUp {
        name: account.user_name.map_or_else(|| Name::Default(external_id.union_id.as_str().to_owned()), Name::Chosen),
        password: chosen_password(app, account.password),
        external_id: Some(account.external_id),
        group: account.group,
    };
    match sign_up::sign_up(env, ctx, app, request).await {
        Ok(user) => Ok(Admitted::new_user(user)),
        Err(error) if error.code == ErrorCode::AccountExists => match find_holder(env, app, &external_id).await? {
            Some(user) => sign_in::admit(env, ctx, app, user, second_factor).await,
            None => Err(error),
        },
        Err(error) => Err(error),
    }
}

#[derive(Debug)]
pub(crate) struct QrCodeSignUp {
    sign_in_key: SignInKey,
    scan_nonce: Option<QrSecret>,
    second_factor: SecondFactor,
    account: Account,
}

/// The account to be confirmed, or to be created first.
#[derive(Debug)]
struct Account {
    external_id: ExternalId,
    user_name: Option<UserName>,
    password: Option<Password>,
    group: SignUpGroup,
}

impl Command for QrCodeSignUp {
    fn read(body: Json) -> Result<Self, ApiError> {
        let mut fields = Fields::of(body)?;
        let platform = match fields.optional("platform")? {
            Some(platform) => platform,
            None => Platform::parse(DEFAULT_PLATFORM).map_err(ApiError::invalid)?,
        };
        Ok(Self {
            sign_in_key: fields.required("signInKey")?,
            scan_nonce: fields.optional("scanNonce")?.map(|nonce: String| QrSecret::new(nonce)),
            second_factor: SecondFactor::read(&mut fields)?,
            account: Account {
                external_id: ExternalId { platform, union_id: fields.required("unionID")? },
                user_name: fields.optional("userName")?,
                password: fields.optional_as(&["pwd", "password"])?,
                group: SignUpGroup::read(&mut fields)?,
            },
        })
    }
}
