//! Authorization codes: what they stand for, and how they end.

mod consents;
mod exchange;

use aws_sdk_dynamodb::{
    operation::{put_item::PutItemInput, update_item::UpdateItemInput},
    types::ReturnValuesOnConditionCheckFailure,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::{
    consents::Deleted,
    exchange::{Exchanged, Granter},
};
use super::{
    AppStore, IpBudget, StorageError, Updated, Within, item,
    keys::{self, Table},
    read, text,
};
use crate::{
    consent::{ConsentId, GrantId},
    jwt::GrantType,
    secret::AuthorizationCode,
    user::UserId,
};

const DAY: i64 = 86_400;

/// What an authorization code stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// Its id, which the token will carry.
    pub id: GrantId,
    /// Who signed in.
    pub user_id: UserId,
    /// The user's token version then.
    pub token_version: u64,
    /// How they signed in.
    pub grant_type: GrantType,
    /// The scopes as they were asked for.
    pub scopes: String,
    /// Where the code is sent; empty when the client fetched it itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub redirect_uri: String,
    /// The challenge whose verifier the exchange needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<String>,
    /// Days that the token lives.
    pub days: u32,
    /// When the code expires, in milliseconds since 1970.
    pub expires_at: i64,
}

/// What an authorization code is good for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodeState {
    /// It can be exchanged.
    Open(Box<Grant>),
    /// It was exchanged before.
    Used(UsedCode),
    /// Unknown, expired, or spent for nothing.
    Dead,
}

/// What an exchanged code gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedCode {
    user: UserId,
    consent: ConsentId,
    grant: GrantId,
}

/// What became of a code that was to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spent {
    /// It is good for nothing any more.
    Done,
    /// It was exchanged before.
    Used(UsedCode),
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum State {
    Open,
    Spent,
    Used,
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Spent => "spent",
            Self::Used => "used",
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CodeRow {
    grant: Grant,
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    consent_id: Option<ConsentId>,
    /// The row's sweeping time; decisions compare the grant's own.
    expires: i64,
}

impl CodeRow {
    fn into_state(self, now: Timestamp) -> CodeState {
        if let Some(used) = self.used() {
            return CodeState::Used(used);
        }
        let is_open = self.state == State::Open && now.as_millisecond() < self.grant.expires_at;
        if is_open { CodeState::Open(Box::new(self.grant)) } else { CodeState::Dead }
    }

    /// What it gave, if it was exchanged.
    fn used(&self) -> Option<UsedCode> {
        let consent = self.consent_id.filter(|_| self.state == State::Used)?;
        Some(UsedCode { user: self.grant.user_id, consent, grant: self.grant.id.clone() })
    }
}

impl AppStore<'_> {
    /// Stores what a new code stands for.
    pub async fn store_grant(&self, code: &AuthorizationCode, grant: &Grant) -> Result<(), StorageError> {
        let row = CodeRow {
            grant: grant.clone(),
            state: State::Open,
            consent_id: None,
            expires: grant.expires_at / 1_000 + DAY,
        };
        // No condition: nobody draws 128 bits twice, and the call may be repeated after a lost answer.
        self.store
            .db
            .send(
                PutItemInput::builder()
                    .table_name(self.store.tables.get(Table::Codes)?)
                    .set_item(Some(item(keys::authorization_code(self.app, code), &row)?)),
            )
            .await
            .map_err(StorageError::from_sdk)?;
        Ok(())
    }

    /// What a code is good for as of now, unless the budget is used up.
    pub async fn find_code(
        &self,
        code: &AuthorizationCode,
        budget: Option<IpBudget>,
        now: Timestamp,
    ) -> Result<Within<CodeState>, StorageError> {
        let key = (Table::Codes, keys::authorization_code(self.app, code), true);
        let row = match self.store.get_within([key], budget, now).await? {
            Within::Budget([row]) => row.map(read::<CodeRow>).transpose()?,
            Within::Throttled { retry_after } => return Ok(Within::Throttled { retry_after }),
        };
        Ok(Within::Budget(row.map_or(CodeState::Dead, |row| row.into_state(now))))
    }

    /// Ends a code that was presented with something wrong. When it was exchanged meanwhile, this is its second use.
    pub async fn spend_code(&self, code: &AuthorizationCode) -> Result<Spent, StorageError> {
        let call = UpdateItemInput::builder()
            .table_name(self.store.tables.get(Table::Codes)?)
            .set_key(Some(keys::authorization_code(self.app, code)))
            .update_expression("SET #state = :spent")
            .condition_expression("#state = :open")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":spent", text(State::Spent.as_str()))
            .expression_attribute_values(":open", text(State::Open.as_str()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let found = match self.store.update(call).await? {
            Updated::Done(_) | Updated::Refused(None) => return Ok(Spent::Done),
            Updated::Refused(Some(found)) => read::<CodeRow>(found)?,
        };
        Ok(found.used().map_or(Spent::Done, Spent::Used))
    }
}
