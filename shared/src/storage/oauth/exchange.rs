//! Codes for consents: a code is spent in the transaction that writes its consent.

use aws_sdk_dynamodb::types::{Put, ReturnValuesOnConditionCheckFailure, Update};
use jiff::Timestamp;

use super::{CodeRow, DAY, Grant, State, UsedCode};
use crate::{
    consent::{Consent, ConsentId, ConsentPlace},
    secret::AuthorizationCode,
    storage::{
        AppStore, StorageError, item,
        keys::{self, EXPIRES, Key, Table},
        number, read, text,
        transaction::{Transacted, Transaction, pause},
    },
    user::User,
};

/// How often a consent is looked at again when others change it at the same time.
const TRIES: u32 = 30;

/// Who granted a code, as of now.
#[derive(Clone, Debug, PartialEq)]
pub struct Granter {
    /// The user, if there still is one.
    pub user: Option<User>,
    /// What is kept in the first place for the consent: the consent, one that was taken back, or another pair's.
    pub kept: Option<Consent>,
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Code,
    Consent,
}

/// How the consent stands.
enum Standing {
    /// Given, under this number.
    Given(ConsentId),
    /// Not given; it would get this number, in the place of one that was taken back.
    Open { id: ConsentId, instead_of: Option<ConsentId> },
}

impl AppStore<'_> {
    /// Who granted a code, and what is kept of their consent: in one call.
    pub async fn find_granter(&self, grant: &Grant) -> Result<Granter, StorageError> {
        let user = (Table::Users, keys::user(self.app, grant.user_id), true);
        let kept = (Table::Consents, self.consent_key(grant, 0), true);
        let mut items = self.store.get_each(&[user, kept]).await?.into_iter();
        let user = items.next().flatten().map(read).transpose()?;
        Ok(Granter { user, kept: items.next().flatten().map(read).transpose()? })
    }

    /// Spends an open code and writes or refreshes the user's consent, both or neither. `kept` is what
    /// [`AppStore::find_granter`] found.
    pub async fn exchange(
        &self,
        code: &AuthorizationCode,
        grant: &Grant,
        kept: Option<Consent>,
        now: Timestamp,
    ) -> Result<Exchanged, StorageError> {
        let mut kept = kept;
        for refusals in 0..TRIES {
            let mut transaction = Transaction::new();
            let id = match self.standing(grant, kept).await? {
                Standing::Given(id) => {
                    transaction.update(Step::Consent, self.refresh(grant, id, now)?);
                    id
                }
                Standing::Open { id, instead_of } => {
                    transaction.put(Step::Consent, self.give(grant, id, instead_of, now)?);
                    id
                }
            };
            transaction.update(Step::Code, self.mark_used(code, grant, id, now)?);
            let refused = match transaction.commit(self.store).await? {
                Transacted::Committed => return Ok(Exchanged::Done(id)),
                Transacted::Refused(refused) => refused,
            };
            if let Some((_, row)) = refused.into_iter().find(|(step, _)| *step == Step::Code) {
                let used = row.map(read::<CodeRow>).transpose()?.and_then(|row| row.used());
                return Ok(used.map_or(Exchanged::Dead, Exchanged::Used));
            }
            // The consent was given or taken back meanwhile: look again.
            pause(self.store, refusals).await;
            kept = self.kept(grant, 0).await?;
        }
        Err(StorageError::Unavailable("others kept changing the consent".into()))
    }

    fn consent_key(&self, grant: &Grant, rank: u8) -> Key {
        let place = ConsentPlace::of(self.app, grant.user_id, &grant.redirect_uri, &grant.scopes, rank);
        keys::consent(self.app, grant.user_id, place)
    }

    async fn kept(&self, grant: &Grant, rank: u8) -> Result<Option<Consent>, StorageError> {
        self.store.get(Table::Consents, self.consent_key(grant, rank), true).await
    }

    /// Looks from place to place until one is this pair's or nobody's. `first` is what is kept in the first one.
    async fn standing(&self, grant: &Grant, mut first: Option<Consent>) -> Result<Standing, StorageError> {
        for rank in 0..ConsentPlace::TRIES {
            let kept = if rank == 0 { first.take() } else { self.kept(grant, rank).await? };
            let Some(kept) = kept else {
                let place = ConsentPlace::of(self.app, grant.user_id, &grant.redirect_uri, &grant.scopes, rank);
                return Ok(Standing::Open { id: ConsentId::first(place), instead_of: None });
            };
            if (&kept.redirect_uri, &kept.scopes) != (&grant.redirect_uri, &grant.scopes) {
                continue;
            }
            if kept.is_given() {
                return Ok(Standing::Given(kept.id));
            }
            if let Some(id) = kept.id.next() {
                return Ok(Standing::Open { id, instead_of: Some(kept.id) });
            }
        }
        Err(StorageError::Unavailable("no place is left for the consent".into()))
    }

    fn give(
        &self,
        grant: &Grant,
        id: ConsentId,
        instead_of: Option<ConsentId>,
        now: Timestamp,
    ) -> Result<Put, StorageError> {
        let now = now.as_millisecond();
        let consent = Consent {
            id,
            redirect_uri: grant.redirect_uri.clone(),
            scopes: grant.scopes.clone(),
            grant_type: grant.grant_type,
            created_at: now,
            updated_at: now,
            refused: std::collections::BTreeSet::default(),
            expires: None,
        };
        let put = Put::builder()
            .table_name(self.store.tables.get(Table::Consents)?)
            .set_item(Some(item(keys::consent(self.app, grant.user_id, id.place()), &consent)?));
        let put = match instead_of {
            None => put.condition_expression("attribute_not_exists(pk)"),
            Some(old) => put
                .condition_expression("id = :old AND attribute_exists(#expires)")
                .expression_attribute_names("#expires", EXPIRES)
                .expression_attribute_values(":old", number(old)),
        };
        put.build().map_err(StorageError::from_build)
    }

    fn refresh(&self, grant: &Grant, id: ConsentId, now: Timestamp) -> Result<Update, StorageError> {
        Update::builder()
            .table_name(self.store.tables.get(Table::Consents)?)
            .set_key(Some(keys::consent(self.app, grant.user_id, id.place())))
            .update_expression("SET grantType = :grantType, updatedAt = :now")
            .condition_expression("id = :id AND attribute_not_exists(#expires)")
            .expression_attribute_names("#expires", EXPIRES)
            .expression_attribute_values(":grantType", text(grant.grant_type.as_str()))
            .expression_attribute_values(":now", number(now.as_millisecond()))
            .expression_attribute_values(":id", number(id))
            .build()
            .map_err(StorageError::from_build)
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
}
