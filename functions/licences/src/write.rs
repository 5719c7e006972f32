//! What all writes have in common: what they come to, and that a client may repeat them under one request id.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::{
    env::Env,
    error::{ApiError, ErrorCode},
    http::{Ctx, LicencePath, LicenceWriter, Reply, RequestId},
    licence::Sn,
    storage::{Begun, Claim, Linked, Unlinked},
    text::UserName,
};
use tokio::time::{Instant, sleep, timeout_at};

use crate::page::Rows;

/// How long a repeated request waits for the answer of the first one.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it looks.
const PAUSE: Duration = Duration::from_millis(200);

/// A write to the users of a licence code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Link users.
    Link,
    /// Link the user in the path.
    LinkOne,
    /// Unlink users.
    Unlink,
    /// Unlink the user in the path.
    UnlinkOne,
}

impl Action {
    const fn word(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::LinkOne => "link one",
            Self::Unlink => "unlink",
            Self::UnlinkOne => "unlink one",
        }
    }
}

/// What a write came to, in the form that is kept for whoever repeats it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Outcome {
    Done { sn: String, names: Vec<String> },
    NoLicence,
    NoUser,
    NoSeat,
    NotLinked,
}

/// An outcome, and whether repeating the request could do more.
struct Worked {
    outcome: Outcome,
    cut_short: bool,
}

/// A row of a batch's answer.
#[derive(Debug, Serialize)]
pub(crate) struct NameRow {
    sn: String,
    name: String,
}

/// Everything that a write is made of.
#[derive(Debug)]
pub(crate) struct Write<'a> {
    pub(crate) env: &'a Env,
    pub(crate) ctx: &'a Ctx,
    pub(crate) writer: &'a LicenceWriter,
    pub(crate) path: &'a LicencePath,
    pub(crate) request_id: RequestId,
    pub(crate) action: Action,
}

impl Write<'_> {
    /// Does it, or answers as the first request of the same id was answered.
    pub(crate) async fn run(self, names: &[UserName]) -> Result<Reply<Rows<NameRow>>, ApiError> {
        let outcome = match &self.request_id.0 {
            None => self.work(names, None).await?.outcome,
            Some(id) => self.once(id, names).await?,
        };
        let (sn, names) = match outcome {
            Outcome::Done { sn, names } => (sn, names),
            Outcome::NoLicence => return Err(self.writer.sn_not_found(self.env).await),
            Outcome::NoUser => return Err(ErrorCode::UserNotFound.into()),
            Outcome::NoSeat => return Err(ErrorCode::SeatsExhausted.into()),
            Outcome::NotLinked => return Err(ErrorCode::NotFound.into()),
        };
        let items: Vec<_> = names.into_iter().map(|name| NameRow { sn: sn.clone(), name }).collect();
        Ok(Reply::ok(Rows { total: items.len() as u64, items }))
    }

    /// Works if nobody else does under this id, else waits for what they come to.
    async fn once(&self, id: &str, names: &[UserName]) -> Result<Outcome, ApiError> {
        let store = self.env.store.app(self.writer.app.app_id);
        let sn = self.path.sn.as_ref().map_or("", Sn::canonical);
        let id = [self.writer.bitkey.id.as_str(), id];
        let mut content = vec![self.action.word(), sn, &self.path.name];
        content.extend(names.iter().map(UserName::as_str));

        let deadline = Instant::now() + PATIENCE;
        let claim = loop {
            match store.begin_request(&id, &content, self.ctx.now).await? {
                Begun::First(claim) => break claim,
                Begun::Answered(answer) => return serde_json::from_str(&answer).map_err(ApiError::internal),
                Begun::Conflict => return Err(ErrorCode::RequestIdConflict.into()),
                Begun::InProgress => {
                    if timeout_at(deadline, sleep(PAUSE)).await.is_err() {
                        return Err(ApiError::unavailable("the first request of this id has no answer yet"));
                    }
                }
            }
        };
        match self.work(names, Some(&claim)).await {
            Ok(Worked { outcome, cut_short: false }) => {
                let answer = serde_json::to_string(&outcome).map_err(ApiError::internal)?;
                // The write is done: a failure to keep its answer does not undo it.
                if let Err(error) = store.finish_request(&claim, &answer).await {
                    tracing::warn!(%error, "the answer of a licence write is not kept");
                }
                Ok(outcome)
            }
            // Who repeats it gets the rest done.
            unfinished => {
                if let Err(error) = store.release_request(&claim).await {
                    tracing::warn!(%error, "the request id of a licence write stays claimed for a while");
                }
                unfinished.map(|worked| worked.outcome)
            }
        }
    }

    async fn work(&self, names: &[UserName], claim: Option<&Claim>) -> Result<Worked, ApiError> {
        let store = self.env.store.app(self.writer.app.app_id);
        let none = Worked { outcome: Outcome::NoLicence, cut_short: false };
        let Some(sn) = &self.path.sn else { return Ok(none) };
        let Some(licence) = self.writer.find_licence(self.env, sn).await? else { return Ok(none) };
        let worked = match self.action {
            Action::Link | Action::LinkOne => linked(store.link_users(sn, licence, names).await?),
            Action::Unlink | Action::UnlinkOne => self.unlinked(store.unlink_users(sn, licence, names, claim).await?),
        };
        let done = match &worked.outcome {
            Outcome::Done { names, .. } => names.len(),
            Outcome::NoLicence | Outcome::NoUser | Outcome::NoSeat | Outcome::NotLinked => 0,
        };
        tracing::info!(
            app = self.writer.app.app_id.get(),
            bitkey = self.writer.bitkey.id.as_str(),
            action = self.action.word(),
            asked = names.len(),
            done,
            cut_short = worked.cut_short,
            "licence write"
        );
        Ok(worked)
    }

    fn unlinked(&self, unlinked: Unlinked) -> Worked {
        match unlinked {
            Unlinked::NoLicence => Worked { outcome: Outcome::NoLicence, cut_short: false },
            Unlinked::Done { names, cut_short, .. } if names.is_empty() && self.action == Action::UnlinkOne => {
                Worked { outcome: Outcome::NotLinked, cut_short }
            }
            Unlinked::Done { sn, names, cut_short } => Worked { outcome: Outcome::Done { sn, names }, cut_short },
        }
    }
}

fn linked(linked: Linked) -> Worked {
    match linked {
        Linked::NoLicence => Worked { outcome: Outcome::NoLicence, cut_short: false },
        Linked::Done { names, any_known, cut_short, .. } if names.is_empty() => {
            Worked { outcome: if any_known { Outcome::NoSeat } else { Outcome::NoUser }, cut_short }
        }
        Linked::Done { sn, names, cut_short, .. } => Worked { outcome: Outcome::Done { sn, names }, cut_short },
    }
}
