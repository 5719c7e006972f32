//! `POST /api/OAuth/{appId}/GrantCode`: a code for a user who signs in, to be exchanged for a token.

use axum::extract::State;
use serde::Serialize;
use shared::{
    consent::GrantId,
    contact::Address,
    env::Env,
    error::{ApiError, ErrorCode},
    http::{Access, App, Body, Command, Ctx, Field, Fields, Json, Query, Refusal, Reply, Route, SentAppSecret},
    jwt::{GrantType, MAX_TOKEN_DAYS},
    redirect::RedirectUri,
    secret::{AuthorizationCode, Password},
    settings::Proof,
    sign_in::{self, Login, SecondFactor},
    storage::Grant,
    text::{ExternalId, Scopes, UserName},
    user::User,
};

use crate::scheme::SchemeOnly;

pub(crate) const ROUTE: Route = Route::post("/api/OAuth/{appId}/GrantCode", Access::Anonymous);

/// Seconds that a code lives.
const LIFETIME: u32 = 120;

pub(crate) async fn handle(
    ctx: Ctx,
    app: App,
    secret: SentAppSecret,
    Query(_): Query<SchemeOnly>,
    State(env): State<Env>,
    Body(command): Body<GrantCode>,
) -> Result<Reply<GrantedCode>, ApiError> {
    if matches!(command.claim, Claim::UnionId(_)) && app.settings.union_id_proof == Proof::Secret {
        secret.require()?;
    }
    if command.redirect_uri.as_ref().is_some_and(|uri| !uri.is_allowed(&app)) {
        return Err(ErrorCode::RedirectUriNotAllowed.into());
    }
    let user = command.claim.user(&env, &ctx, &app).await?;
    let admitted = sign_in::admit(&env, &ctx, &app, user, &command.second_factor).await?;

    let code = AuthorizationCode::generate(env.entropy.as_ref());
    let grant = Grant {
        id: GrantId::generate(env.entropy.as_ref()),
        user_id: admitted.user().id,
        token_version: admitted.user().token_version,
        grant_type: command.claim.grant_type(),
        scopes: command.scopes.into_string(),
        redirect_uri: command.redirect_uri.map(RedirectUri::into_string).unwrap_or_default(),
        challenge: command.challenge,
        days: command.days.0,
        expires_at: ctx.now.as_millisecond() + i64::from(LIFETIME) * 1_000,
    };
    env.store.app(app.app_id).store_grant(&code, &grant).await?;
    Ok(Reply::ok(GrantedCode { code: code.expose().to_owned(), expires_in: LIFETIME }))
}

#[derive(Serialize)]
pub(crate) struct GrantedCode {
    code: String,
    expires_in: u32,
}

#[derive(Debug)]
pub(crate) struct GrantCode {
    claim: Claim,
    scopes: Scopes,
    redirect_uri: Option<RedirectUri>,
    challenge: Option<String>,
    days: Days,
    second_factor: SecondFactor,
}

impl Command for GrantCode {
    fn read(body: Json) -> Result<Self, ApiError> {
        let mut fields = Fields::of(body)?;
        Ok(Self {
            claim: Claim::read(&mut fields)?,
            scopes: fields.required("scopes")?,
            redirect_uri: fields.optional("redirect_uri")?,
            challenge: challenge(&mut fields)?,
            days: fields.optional("expireInDays")?.unwrap_or(Days(1)),
            second_factor: SecondFactor::read(&mut fields)?,
        })
    }
}

/// Who signs in, and with what.
#[derive(Debug)]
enum Claim {
    Account(UserName, Password),
    Contact(Address, Password),
    UnionId(ExternalId),
}

impl Claim {
    fn read(fields: &mut Fields) -> Result<Self, ApiError> {
        const PASSWORD: [&str; 2] = ["password", "pwd"];
        Ok(match fields.required::<String>("grant_type")?.as_str() {
            "account" => Self::Account(fields.required("userName")?, fields.required_as(&PASSWORD)?),
            "email" => Self::Contact(Address::Email(fields.required("userName")?), fields.required_as(&PASSWORD)?),
            "phone" => Self::Contact(Address::Phone(fields.required("userName")?), fields.required_as(&PASSWORD)?),
            "unionid" => Self::UnionId(ExternalId::read(fields)?),
            _ => return Err(ApiError::invalid("grant_type must be account, email, phone or unionid")),
        })
    }

    const fn grant_type(&self) -> GrantType {
        match self {
            Self::Account(..) => GrantType::Account,
            Self::Contact(Address::Email(_), _) => GrantType::Email,
            Self::Contact(Address::Phone(_), _) => GrantType::Phone,
            Self::UnionId(_) => GrantType::UnionId,
        }
    }

    /// The user who passes this first factor.
    async fn user(&self, env: &Env, ctx: &Ctx, app: &App) -> Result<User, ApiError> {
        let (login, password) = match self {
            Self::Account(name, password) => (Login::UserName(name), password),
            Self::Contact(address, password) => (Login::Contact(address), password),
            Self::UnionId(external_id) => {
                let store = env.store.app(app.app_id);
                let id = store.find_external_id(external_id).await?.ok_or(ErrorCode::UserNotFound)?;
                return store.find_user(id).await?.filter(User::is_active).ok_or(ErrorCode::UserNotFound.into());
            }
        };
        sign_in::by_password(env, ctx, app, login, password).await
    }
}

/// Days that the token lives, 1 to 99.
#[derive(Clone, Copy, Debug)]
struct Days(u32);

impl Field for Days {
    fn read(value: Json) -> Result<Self, Refusal> {
        let days = u64::read(value).ok().and_then(|days| u32::try_from(days).ok());
        days.filter(|days| (1..=MAX_TOKEN_DAYS).contains(days)).map(Self).ok_or("must be from 1 to 99")
    }
}

/// A code challenge (RFC 7636). A method that would let the code's observer make the verifier is none.
fn challenge(fields: &mut Fields) -> Result<Option<String>, ApiError> {
    let challenge: Option<String> = fields.optional("code_challenge")?;
    let method: Option<String> = fields.optional("code_challenge_method")?;
    match (challenge, method.as_deref()) {
        (None, None) => Ok(None),
        (Some(challenge), Some("S256")) => {
            let is_hash =
                challenge.len() == 43 && challenge.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
            if !is_hash {
                return Err(ApiError::invalid("code_challenge must be 43 characters of base64url"));
            }
            Ok(Some(challenge))
        }
        (None, Some("S256")) => Err(ApiError::invalid("code_challenge is required")),
        (_, _) => Err(ApiError::invalid("code_challenge_method must be S256")),
    }
}
