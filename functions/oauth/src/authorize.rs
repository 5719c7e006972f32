//! `POST /api/OAuth/{appId}/Authorize`: a token for a code, once.

use axum::extract::State;
use shared::{
    env::Env,
    error::{ApiError, ErrorCode},
    http::{Access, App, Command, Ctx, Field, Fields, Json, OptionalBody, Query, Refusal, Reply, Route, SentAppSecret},
    jwt::TokenResponse,
    limits::charge_failure,
    redirect::RedirectUri,
    secret::{AuthorizationCode, CodeVerifier},
    settings::CodeExchange,
    sign_in::{self, Admitted},
    storage::{AppStore, CodeState, Exchanged, Grant, Granter, Spent, UsedCode, Within},
    text::Scheme,
    user::User,
};

pub(crate) const ROUTE: Route = Route::post("/api/OAuth/{appId}/Authorize", Access::Anonymous);

pub(crate) async fn handle(
    ctx: Ctx,
    app: App,
    secret: SentAppSecret,
    Query(query): Query<InQuery>,
    State(env): State<Env>,
    OptionalBody(body): OptionalBody<InBody>,
) -> Result<Reply<TokenResponse>, ApiError> {
    let body = body.unwrap_or_default();
    let code = match (query.code, body.code) {
        (Some(in_query), Some(in_body)) if in_query != in_body => return Err(ErrorCode::InvalidGrant.into()),
        (Some(Code(code)), _) | (None, Some(Code(code))) => code,
        (None, None) => return Err(ApiError::invalid("code is required")),
    };
    let store = env.store.app(app.app_id);
    // An app's own server exchanges for everybody, also for those who send it codes that nobody granted.
    let failures = if secret.is_right() { None } else { env.limits.code_failures(ctx.client) };
    let grant = match store.find_code(&code, failures, ctx.now).await? {
        Within::Budget(CodeState::Open(grant)) => *grant,
        Within::Budget(CodeState::Used(earlier)) => return Err(replayed(&store, &earlier, &ctx).await),
        Within::Budget(CodeState::Dead) => {
            return Err(charge_failure(&env, failures, ctx.now, ErrorCode::InvalidGrant).await);
        }
        Within::Throttled { retry_after } => return Err(ApiError::throttled(retry_after)),
    };
    // Whoever cannot exchange the code must not be able to spend it, either.
    if needs_app_secret(&grant, app.settings.code_exchange) {
        secret.require()?;
    }
    if !is_right_place(&grant, body.redirect_uri.as_ref()) || !is_verified(&grant, body.code_verifier.as_ref()) {
        return Err(match store.spend_code(&code).await? {
            Spent::Done => ErrorCode::InvalidGrant.into(),
            Spent::Used(earlier) => replayed(&store, &earlier, &ctx).await,
        });
    }
    // Everything that the user did before a reset is void: the code, too.
    let Granter { user, kept } = store.find_granter(&grant).await?;
    let is_live = |user: &User| user.is_active() && user.token_version == grant.token_version;
    let user = user.filter(is_live).ok_or(ErrorCode::InvalidGrant)?;
    match store.exchange(&code, &grant, kept, ctx.now).await? {
        Exchanged::Done(consent) => {
            let admitted = Admitted::by_ticket(user);
            sign_in::oauth_token(&env, &ctx, &app, &admitted, &grant, consent).await.map(Reply::ok)
        }
        Exchanged::Used(earlier) => Err(replayed(&store, &earlier, &ctx).await),
        Exchanged::Dead => Err(ErrorCode::InvalidGrant.into()),
    }
}

/// A second use means that the code is known to more than one: what the first use gave ends, too.
async fn replayed(store: &AppStore<'_>, earlier: &UsedCode, ctx: &Ctx) -> ApiError {
    match store.refuse_grant(earlier, ctx.now).await {
        Ok(()) => ErrorCode::InvalidGrant.into(),
        Err(error) => error.into(),
    }
}

/// A code that travelled through a browser, without a challenge, is exchanged by the app's server alone.
fn needs_app_secret(grant: &Grant, exchange: CodeExchange) -> bool {
    exchange == CodeExchange::Pkce && !grant.redirect_uri.is_empty() && grant.challenge.is_none()
}

/// A redirect URI may be left out; one that is sent is the one that the code was granted for.
fn is_right_place(grant: &Grant, sent: Option<&RedirectUri>) -> bool {
    sent.is_none_or(|sent| sent.as_str() == grant.redirect_uri)
}

/// A challenge needs its verifier. A verifier without a challenge means that somebody took the challenge away.
fn is_verified(grant: &Grant, verifier: Option<&CodeVerifier>) -> bool {
    match (&grant.challenge, verifier) {
        (Some(challenge), Some(verifier)) => verifier.matches(challenge),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

#[derive(Debug)]
pub(crate) struct InQuery {
    code: Option<Code>,
}

impl Command for InQuery {
    fn read(query: Json) -> Result<Self, ApiError> {
        let mut fields = Fields::of(query)?;
        fields.optional::<Scheme>("scheme")?;
        Ok(Self { code: fields.optional("code")? })
    }
}

#[derive(Debug, Default)]
pub(crate) struct InBody {
    code: Option<Code>,
    code_verifier: Option<CodeVerifier>,
    redirect_uri: Option<RedirectUri>,
}

impl Command for InBody {
    fn read(body: Json) -> Result<Self, ApiError> {
        let mut fields = Fields::of(body)?;
        Ok(Self {
            code: fields.optional("code")?,
            code_verifier: fields.optional::<Text>("code_verifier")?.map(|Text(text)| CodeVerifier::new(text)),
            redirect_uri: fields.optional("redirect_uri")?,
        })
    }
}

/// A code as it was sent: what is none of ours is simply not found.
#[derive(Debug, PartialEq, Eq)]
struct Code(AuthorizationCode);

impl Field for Code {
    fn read(value: Json) -> Result<Self, Refusal> {
        Text::read(value).map(|Text(text)| Self(AuthorizationCode::new(text)))
    }
}

/// A text without control characters.
struct Text(String);

impl Field for Text {
    fn read(value: Json) -> Result<Self, Refusal> {
        let text = String::read(value)?;
        if text.chars().any(char::is_control) {
            return Err("must not contain control characters");
        }
        Ok(Self(text))
    }
}

#[cfg(test)]
mod tests {
    use shared::{consent::GrantId, jwt::GrantType, user::UserId};

    use super::*;

    fn grant(redirect_uri: &str, challenge: Option<&str>) -> Grant {
        Grant {
            id: GrantId::parse("0".repeat(32)).unwrap(),
            user_id: UserId::new(1),
            token_version: 0,
            grant_type: GrantType::Account,
            scopes: "openid".to_owned(),
            redirect_uri: redirect_uri.to_owned(),
            challenge: challenge.map(str::to_owned),
            days: 1,
            expires_at: 0,
        }
    }

    #[test]
    fn the_secret_is_for_codes_that_nothing_else_protects() {
        let cases = [
            ("", None, CodeExchange::Pkce, false),
            ("https://a.example/", None, CodeExchange::Pkce, true),
            ("https://a.example/", Some("x"), CodeExchange::Pkce, false),
            ("https://a.example/", None, CodeExchange::Open, false),
        ];
        for (redirect_uri, challenge, exchange, needed) in cases {
            assert_eq!(
                needs_app_secret(&grant(redirect_uri, challenge), exchange),
                needed,
                "{redirect_uri} {challenge:?}"
            );
        }
    }

    #[test]
    fn a_verifier_and_a_challenge_need_each_other() {
        let challenge = Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        let verifier = CodeVerifier::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert!(is_verified(&grant("", challenge), Some(&verifier)));
        assert!(is_verified(&grant("", None), None));
        assert!(!is_verified(&grant("", challenge), None));
        assert!(!is_verified(&grant("", None), Some(&verifier)));
        assert!(!is_verified(&grant("", challenge), Some(&CodeVerifier::new("x".repeat(43)))));
    }
}
