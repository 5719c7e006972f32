//! `POST /api/AppUsers/{appId}/RechargePoints`: credits points for a paid price, once per order.

use axum::{
    extract::{FromRequestParts, State},
    http::request::Parts,
};
use shared::{
    app::AppRecord,
    clock::local_day,
    env::Env,
    error::{ApiError, ErrorCode},
    http::{Access, App, Body, Caller, Command, Ctx, Field, Fields, Json, RechargeProof, Refusal, Reply, Route},
    points::{Payment, Posting},
    storage::{OrderState, Posted},
    text::{OrderId, Remark},
    user::User,
};

pub(crate) const ROUTE: Route = Route::post("/api/AppUsers/{appId}/RechargePoints", Access::Bearer);

pub(crate) async fn handle(
    ctx: Ctx,
    app: App,
    caller: Caller,
    _proof: RechargeProof,
    key: IdempotencyKey,
    State(env): State<Env>,
    Body(command): Body<Recharge>,
) -> Result<Reply<bool>, ApiError> {
    recharge(&env, &ctx, &app, &caller.user, command, key).await
}

/// The rule that both methods share.
pub(crate) async fn recharge(
    env: &Env,
    ctx: &Ctx,
    app: &AppRecord,
    user: &User,
    command: Recharge,
    IdempotencyKey(key): IdempotencyKey,
) -> Result<Reply<bool>, ApiError> {
    if let (Some(order), Some(key)) = (&command.order, &key)
        && order != key
    {
        return Err(ApiError::invalid("orderId and Idempotency-Key have different values"));
    }
    let Some(prices) = &app.settings.price_table else { return Err(ErrorCode::RechargeDisabled.into()) };
    let Price(price) = command.price;
    let payment = Payment {
        price,
        order: command.order.or(key),
        day: local_day(ctx.now, &env.time_zone),
        daily_limit: app.settings.daily_recharge_limit,
    };
    let store = env.store.app(user.app_id);
    let posted = match prices.get(&price.to_string()) {
        Some(points) => {
            let used = i64::try_from(*points).map_err(ApiError::internal)?;
            let remark = command.remark.into_string();
            store.post_points(user.id, &Posting { used, remark, payment: Some(payment) }, ctx.now).await?
        }
        // The price may have been listed when the order was credited.
        None => match store.compare_order(user.id, Some(&payment)).await? {
            OrderState::New => return Err(ErrorCode::PriceNotListed.into()),
            OrderState::Same => Posted::Repeated,
            OrderState::Other => Posted::OrderConflict,
        },
    };
    match posted {
        Posted::Done { .. } | Posted::Repeated => Ok(Reply::ok(true)),
        Posted::OrderConflict => Err(ErrorCode::OrderConflict.into()),
        // The closed list of reasons has no other word for a limit.
        Posted::DailyLimit | Posted::TooMany => Err(ErrorCode::DailyLimit.into()),
        Posted::Insufficient { .. } => Err(ApiError::internal("a recharge consumed points")),
    }
}

#[derive(Debug)]
pub(crate) struct Recharge {
    price: Price,
    remark: Remark,
    order: Option<OrderId>,
}

impl Command for Recharge {
    fn read(body: Json) -> Result<Self, ApiError> {
        let mut fields = Fields::of(body)?;
        Ok(Self {
            price: fields.required("price")?,
            remark: fields.optional("remark")?.unwrap_or_default(),
            order: fields.optional("orderId")?,
        })
    }
}

/// What was paid, in fen.
#[derive(Clone, Copy, Debug)]
struct Price(u64);

impl Field for Price {
    fn read(value: Json) -> Result<Self, Refusal> {
        const REFUSAL: Refusal = "must be a whole number from 0 to 1000000000";
        let price = u64::read(value).map_err(|_| REFUSAL)?;
        if price <= 1_000_000_000 { Ok(Self(price)) } else { Err(REFUSAL) }
    }
}

/// The header that names the order, if it came.
#[derive(Clone, Debug)]
pub(crate) struct IdempotencyKey(Option<OrderId>);

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let mut values = parts.headers.get_all("idempotency-key").iter();
        let (first, second) = (values.next(), values.next());
        let invalid = |problem: &str| ApiError::invalid(format!("Idempotency-Key {problem}"));
        match (first.map(|value| value.to_str()), second) {
            (None, _) | (Some(Ok("")), None) => Ok(Self(None)),
            (Some(Ok(text)), None) => OrderId::parse(text).map(|order| Self(Some(order))).map_err(invalid),
            (Some(_), Some(_)) => Err(invalid("is given twice")),
            (Some(Err(_)), None) => Err(invalid("must be printable")),
        }
    }
}
