//! `tessera user`: the operator's view of an app's users.

use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Value, json};
use shared::{
    app::AppId,
    clock::{Clock as _, SystemClock},
    points::Posting,
    storage::{Posted, Store},
    text::Remark,
    user::UserId,
};

use crate::{app::parse_app_id, failure::Failure};

#[derive(Subcommand)]
pub(crate) enum UserCommand {
    /// Credit or deduct points; the row is in the user's own list
    Points(PointsArgs),
    /// Switch off the second factor of somebody who lost theirs
    TwoFactorOff(WhichUser),
    /// Forget the failed passwords and two-factor codes of somebody whom they keep out
    Unlock(WhichUser),
}

#[derive(Args)]
pub(crate) struct WhichUser {
    /// The app's number
    #[arg(long, value_name = "ID", value_parser = parse_app_id)]
    app: AppId,
    /// The user's number
    #[arg(long, value_name = "ID", value_parser = parse_user_id)]
    user: UserId,
}

#[derive(Args)]
#[command(group(ArgGroup::new("amount").required(true)))]
pub(crate) struct PointsArgs {
    /// The app's number
    #[arg(long, value_name = "ID", value_parser = parse_app_id)]
    app: AppId,
    /// The user's number
    #[arg(long, value_name = "ID", value_parser = parse_user_id)]
    user: UserId,
    /// Points to credit
    #[arg(long, value_name = "N", group = "amount", value_parser = clap::value_parser!(i64).range(1..1 << 53))]
    add: Option<i64>,
    /// Points to deduct; no more than the user has
    #[arg(long, value_name = "N", group = "amount", value_parser = clap::value_parser!(i64).range(1..1 << 53))]
    deduct: Option<i64>,
    /// What for; the user sees it
    #[arg(long, value_name = "TEXT")]
    remark: String,
}

fn parse_user_id(text: &str) -> Result<UserId, String> {
    UserId::parse(text).ok_or_else(|| "a user's number is a positive integer".to_owned())
}

pub(crate) async fn run(store: Store, command: UserCommand) -> Result<Value, Failure> {
    match command {
        UserCommand::Points(args) => points(&store, args).await,
        UserCommand::TwoFactorOff(WhichUser { app, user }) => {
            if !store.app(app).remove_second_factor(user).await? {
                return Err(Failure::new(format!("app {app} has no user {user}")));
            }
            Ok(json!({"appId": app, "userId": user, "twoFactor": false}))
        }
        UserCommand::Unlock(WhichUser { app, user }) => {
            if !store.app(app).forget_failures(user).await? {
                return Err(Failure::new(format!("app {app} has no user {user}")));
            }
            Ok(json!({"appId": app, "userId": user, "locked": false}))
        }
    }
}

async fn points(store: &Store, args: PointsArgs) -> Result<Value, Failure> {
    let PointsArgs { app, user, add, deduct, remark } = args;
    let amount = add.or(deduct.map(|points| -points)).ok_or_else(|| Failure::new("--add or --deduct is required"))?;
    let remark = Remark::parse(&remark).map_err(|refusal| Failure::new(format!("--remark {refusal}")))?.into_string();
    let store = store.app(app);
    if store.find_user(user).await?.is_none() {
        return Err(Failure::new(format!("app {app} has no user {user}")));
    }
    let posting = Posting { used: amount, remark, payment: None };
    match store.post_points(user, &posting, SystemClock.now()).await? {
        Posted::Done { balance } => {
            Ok(json!({"appId": app, "userId": user, "used": amount, "remark": posting.remark, "balance": balance}))
        }
        Posted::Insufficient { balance } => Err(Failure::new(format!("user {user} has only {balance} points"))),
        Posted::TooMany => Err(Failure::new(format!("user {user} would have more points than anybody can"))),
        Posted::Repeated | Posted::OrderConflict | Posted::DailyLimit => {
            Err(Failure::new("the store took the posting for a payment"))
        }
    }
}
