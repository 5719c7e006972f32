//! Authorization codes and consents: a code is spent in the transaction that writes its consent.

use aws_sdk_dynamodb::types::{Delete, Put, ReturnValuesOnConditionCheckFailure, Update};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    AppStore, IpBudget, Item, StorageError, Updated, Within, item,
    keys::{self, EXPIRES, Key, PK, SK, Table},
    number, read, text,
    transaction::{Transacted, Transaction, pause},
    update,
};
use crate::{
    consent::{Consent, ConsentId, GrantId},
    jwt::GrantType,
    secret::AuthorizationCode,
    user::UserId,
};

/// How often a consent is looked at again when others change it at the same time.
const TRIES: u32 = 30;
/// The most consents that a list shows.
const LISTED: usize = 1_000;
/// As many grants of a consent are refused one by one; one more, and the consent is withdrawn.
const MAX_REFUSED: u32 = 50;
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

/// What became of an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exchanged {
    /// The code is spent, and this consent written.
    Done(ConsentId),
    /// The code was exchanged before; nothing was written.
    Used(UsedCode),
    /// The code was spent for nothing, or is gone; nothing was written.
    Dead,
}

/// What became of a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// It is gone.
    Done,
    /// It is not among the user's own.
    Unknown,
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

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PairRow {
    consent_id: ConsentId,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Code,
    Consent,
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
        // No condition: nobody draws 128 bits twice, and the SDK may repeat the call after a lost answer.
        self.store
            .db
            .put_item()
            .table_name(self.store.tables.get(Table::Codes)?)
            .set_item(Some(item(keys::authorization_code(self.app, code), &row)?))
            .send()
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
        let key = (Table::Codes, keys::authorization_code(self.app, code));
        Ok(match self.store.get_within::<CodeRow>(key, budget, now).await? {
            Within::Budget(row) => Within::Budget(row.map_or(CodeState::Dead, |row| row.into_state(now))),
            Within::Throttled { retry_after } => Within::Throttled { retry_after },
        })
    }

    /// Ends a code that was presented with something wrong. When it was exchanged meanwhile, this is its second use.
    pub async fn spend_code(&self, code: &AuthorizationCode) -> Result<Spent, StorageError> {
        let call = self
            .store
            .db
            .update_item()
            .table_name(self.store.tables.get(Table::Codes)?)
            .set_key(Some(keys::authorization_code(self.app, code)))
            .update_expression("SET #state = :spent")
            .condition_expression("#state = :open")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":spent", text(State::Spent.as_str()))
            .expression_attribute_values(":open", text(State::Open.as_str()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let found = match update(call).await? {
            Updated::Done(_) | Updated::Refused(None) => return Ok(Spent::Done),
            Updated::Refused(Some(found)) => read::<CodeRow>(found)?,
        };
        Ok(found.used().map_or(Spent::Done, Spent::Used))
    }

    /// Spends an open code and writes or refreshes the user's consent, both or neither.
    pub async fn exchange(
        &self,
        code: &AuthorizationCode,
        grant: &Grant,
        now: Timestamp,
    ) -> Result<Exchanged, StorageError> {
        let pair = || keys::consent_pair(self.app, grant.user_id, &grant.redirect_uri, &grant.scopes);
        for refusals in 0..TRIES {
            let pointer: Option<PairRow> = self.store.get(Table::Consents, pair(), true).await?;
            let seen = match pointer {
                Some(PairRow { consent_id }) => self.find_consent(grant.user_id, consent_id).await?,
                None => None,
            };
            let mut transaction = Transaction::new();
            let given = match seen {
                Some(seen) => self.refresh(&mut transaction, grant, seen, now)?,
                None => self.give(&mut transaction, grant, pair(), now)?,
            };
            transaction.update(Step::Code, self.mark_used(code, grant, given, now)?);
            let refused = match transaction.commit(self.store).await? {
                Transacted::Committed => return Ok(Exchanged::Done(given)),
                Transacted::Refused(refused) => refused,
            };
            if let Some((_, row)) = refused.into_iter().find(|(step, _)| *step == Step::Code) {
                let used = row.map(read::<CodeRow>).transpose()?.and_then(|row| row.used());
                return Ok(used.map_or(Exchanged::Dead, Exchanged::Used));
            }
            // The consent was given, refreshed or taken back meanwhile: look again.
            pause(self.store, refusals).await;
        }
        Err(StorageError::Unavailable("others kept changing the consent".into()))
    }

    /// The steps of a consent that is not there yet, and its number.
    fn give(
        &self,
        transaction: &mut Transaction<Step>,
        grant: &Grant,
        pair: Key,
        now: Timestamp,
    ) -> Result<ConsentId, StorageError> {
        let id = ConsentId::new(self.store.entropy.id());
        let now = now.as_millisecond();
        let consent = Consent {
            id,
            redirect_uri: grant.redirect_uri.clone(),
            scopes: grant.scopes.clone(),
            grant_type: grant.grant_type,
            created_at: now,
            updated_at: now,
            refused: std::collections::BTreeSet::default(),
        };
        for item in [
            item(pair, &PairRow { consent_id: id })?,
            item(keys::consent(self.app, grant.user_id, id), &consent)?,
            item(keys::consent_by_update(self.app, grant.user_id, now, id), &consent)?,
        ] {
            transaction.put(Step::Consent, self.put_consent(item, true)?);
        }
        Ok(id)
    }

    /// The steps of a consent that is given again, and its number.
    fn refresh(
        &self,
        transaction: &mut Transaction<Step>,
        grant: &Grant,
        seen: Consent,
        now: Timestamp,
    ) -> Result<ConsentId, StorageError> {
        let (id, user, now) = (seen.id, grant.user_id, now.as_millisecond());
        let refresh = Update::builder()
            .table_name(self.store.tables.get(Table::Consents)?)
            .set_key(Some(keys::consent(self.app, user, id)))
            .update_expression("SET grantType = :grantType, updatedAt = :now")
            .condition_expression("updatedAt = :seen")
            .expression_attribute_values(":grantType", text(grant.grant_type.as_str()))
            .expression_attribute_values(":now", number(now))
            .expression_attribute_values(":seen", number(seen.updated_at))
            .build()
            .map_err(StorageError::from_build)?;
        transaction.update(Step::Consent, refresh);
        if seen.updated_at != now {
            let old = keys::consent_by_update(self.app, user, seen.updated_at, id);
            transaction.delete(Step::Consent, self.delete_row(old)?.build().map_err(StorageError::from_build)?);
        }
        let listed = Consent {
            grant_type: grant.grant_type,
            updated_at: now,
            refused: std::collections::BTreeSet::default(),
            ..seen
        };
        let row = item(keys::consent_by_update(self.app, user, now, id), &listed)?;
        transaction.put(Step::Consent, self.put_consent(row, false)?);
        Ok(id)
    }

    fn put_consent(&self, item: Item, is_new: bool) -> Result<Put, StorageError> {
        let put = Put::builder().table_name(self.store.tables.get(Table::Consents)?).set_item(Some(item));
        let put = if is_new { put.condition_expression("attribute_not_exists(pk)") } else { put };
        put.build().map_err(StorageError::from_build)
    }

    fn delete_row(&self, key: Key) -> Result<aws_sdk_dynamodb::types::builders::DeleteBuilder, StorageError> {
        Ok(Delete::builder().table_name(self.store.tables.get(Table::Consents)?).set_key(Some(key)))
    }

    /// The row stays as long as the token lives, so that a second use can still end it.
    fn mark_used(
        &self,
        code: &AuthorizationCode,
        grant: &Grant,
        consent: ConsentId,
        now: Timestamp,
    ) -> Result<Update, StorageError> {
        Update::builder()
            .table_name(self.store.tables.get(Table::Codes)?)
            .set_key(Some(keys::authorization_code(self.app, code)))
            .update_expression("SET #state = :used, consentId = :consent, #expires = :expires")
            .condition_expression("#state = :open")
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#expires", EXPIRES)
            .expression_attribute_values(":used", text(State::Used.as_str()))
            .expression_attribute_values(":open", text(State::Open.as_str()))
            .expression_attribute_values(":consent", number(consent))
            .expression_attribute_values(":expires", number(now.as_second() + i64::from(grant.days) * DAY))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(StorageError::from_build)
    }

    /// Ends the token that a code gave, for the code was used again.
    pub async fn refuse_grant(&self, used: &UsedCode) -> Result<(), StorageError> {
        let call = self
            .store
            .db
            .update_item()
            .table_name(self.store.tables.get(Table::Consents)?)
            .set_key(Some(keys::consent(self.app, used.user, used.consent)))
            .update_expression("ADD refused :grant")
            .condition_expression(
                "attribute_exists(pk) AND \
                 (attribute_not_exists(refused) OR contains(refused, :id) OR size(refused) < :max)",
            )
            .expression_attribute_values(
                ":grant",
                aws_sdk_dynamodb::types::AttributeValue::Ss(vec![used.grant.as_str().to_owned()]),
            )
            .expression_attribute_values(":id", text(used.grant.as_str()))
            .expression_attribute_values(":max", number(MAX_REFUSED))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match update(call).await? {
            // Refused without a row: the consent is gone, and the token with it.
            Updated::Done(_) | Updated::Refused(None) => Ok(()),
            // A client that uses every code twice would make the row grow for ever.
            Updated::Refused(Some(_)) => match self.delete_consent(used.user, used.consent).await? {
                Deleted::Done | Deleted::Unknown => Ok(()),
            },
        }
    }

    /// One of a user's consents as of now.
    pub async fn find_consent(&self, user: UserId, id: ConsentId) -> Result<Option<Consent>, StorageError> {
        self.store.get(Table::Consents, keys::consent(self.app, user, id), true).await
    }

    /// The user's consents, the one that was last given first; of more than a thousand, the first thousand.
    pub async fn list_consents(&self, user: UserId) -> Result<Vec<Consent>, StorageError> {
        let mut consents = Vec::new();
        let mut start = None;
        loop {
            let page = self
                .store
                .db
                .query()
                .table_name(self.store.tables.get(Table::Consents)?)
                .key_condition_expression("#pk = :pk AND begins_with(#sk, :at)")
                .expression_attribute_names("#pk", PK)
                .expression_attribute_names("#sk", SK)
                .expression_attribute_values(":pk", keys::user_partition(self.app, user))
                .expression_attribute_values(":at", text(keys::CONSENTS_BY_UPDATE))
                .scan_index_forward(false)
                .consistent_read(true)
                .limit(i32::try_from(LISTED - consents.len()).unwrap_or(i32::MAX))
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(StorageError::from_sdk)?;
            for item in page.items.unwrap_or_default() {
                consents.push(read::<Consent>(item)?);
            }
            start = page.last_evaluated_key;
            if start.is_none() || consents.len() >= LISTED {
                return Ok(consents);
            }
        }
    }

    /// Takes a consent back: its tokens are refused from the next request on.
    pub async fn delete_consent(&self, user: UserId, id: ConsentId) -> Result<Deleted, StorageError> {
        for refusals in 0..TRIES {
            let Some(seen) = self.find_consent(user, id).await? else { return Ok(Deleted::Unknown) };
            let build = StorageError::from_build;
            let consent = self
                .delete_row(keys::consent(self.app, user, id))?
                .condition_expression("updatedAt = :seen")
                .expression_attribute_values(":seen", number(seen.updated_at));
            let pair = self
                .delete_row(keys::consent_pair(self.app, user, &seen.redirect_uri, &seen.scopes))?
                .condition_expression("consentId = :id")
                .expression_attribute_values(":id", number(id));
            let listed = self.delete_row(keys::consent_by_update(self.app, user, seen.updated_at, id))?;
            let mut transaction = Transaction::new();
            transaction
                .delete((), consent.build().map_err(build)?)
                .delete((), pair.build().map_err(build)?)
                .delete((), listed.build().map_err(build)?);
            match transaction.commit(self.store).await? {
                Transacted::Committed => return Ok(Deleted::Done),
                Transacted::Refused(_) => pause(self.store, refusals).await,
            }
        }
        Err(StorageError::Unavailable("others kept changing the consent".into()))
    }
}
