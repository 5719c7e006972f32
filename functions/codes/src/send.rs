//! What both endpoints do: count, and send a code to whoever may have one.

use shared::{
    app::AppRecord,
    codes::Purpose,
    contact::{Address, Email},
    env::Env,
    error::ApiError,
    http::{Ctx, Reply},
    messages::Message,
    secret::VerificationCode,
    storage::{Issued, NewCode},
};

/// Known and unknown addresses get the same answer after the same calls and the same time. The code is counted and
/// stored before it is sent: a carrier that fails costs the sender one of their codes, and nothing is sent twice.
pub(crate) async fn send(
    env: &Env,
    ctx: &Ctx,
    app: &AppRecord,
    address: Address,
    purpose: Purpose,
) -> Result<Reply<bool>, ApiError> {
    let store = env.store.app(app.app_id);
    let entropy = env.entropy.as_ref();
    // Nothing that is sent to everybody depends on who is known.
    let recipient = if purpose.reaches_strangers() {
        Some(address.clone())
    } else {
        let user = store.find_by_contact(&address).await?;
        user.map(|user| stored_form(&address, &user.email.address))
    };
    let code = VerificationCode::draw(entropy);
    let new = NewCode {
        address: &address,
        purpose,
        code: &code,
        limits: &env.send_limits.0,
        client: env.limits.sends(ctx.client),
        budget: env.budgets.of(address.channel()),
    };
    match store.issue_code(new, ctx.now).await? {
        Issued::Done => {}
        Issued::Throttled { retry_after } => return Err(ApiError::throttled(retry_after)),
        Issued::BudgetSpent { retry_after } => {
            let cause = format!("the budget of codes by {} is spent for today", address.channel().as_str());
            return Err(ApiError { cause: Some(cause.into()), ..ApiError::throttled(retry_after) });
        }
    }
    let message = recipient.map(|to| Message::code(app, to, purpose, code, entropy, ctx.now));
    match &message {
        Some(message) if purpose.reaches_strangers() => env.messages.deliver(message).await,
        message => env.messages.deliver_unseen(address.channel(), message.as_ref()).await,
    }
    Ok(Reply::ok(true))
}

/// The address as its holder wrote it: some mail systems tell letter cases apart.
fn stored_form(address: &Address, stored_email: &str) -> Address {
    match address {
        Address::Phone(phone) => Address::Phone(phone.clone()),
        Address::Email(sent) => {
            let stored = Email::parse(stored_email).ok().filter(|stored| stored == sent);
            Address::Email(stored.unwrap_or_else(|| sent.clone()))
        }
    }
}
