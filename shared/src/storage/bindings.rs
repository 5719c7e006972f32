//! External accounts: bound, listed, changed, unbound.
//!
//! A binding is two items that live and die together: the reservation of the identity, from which sign-ins decide, and
//! the row that the user sees. The user's item counts the bindings, and those of them that sign the user in: every
//! change passes through it, so that neither the limit nor the last way to sign in is lost to two changes at once.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    operation::{query::QueryInput, update_item::UpdateItemInput},
    types::{AttributeValue, Delete, Put, ReturnValuesOnConditionCheckFailure, Update},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    AppStore, Item, StorageError, Updated, item,
    keys::{self, Table},
    number, read, text,
    transaction::{Transacted, Transaction},
};
use crate::{
    binding::{Binding, BindingId, MAX_BINDINGS, sign_in_refusal},
    text::{ExternalId, Platform, UnionId},
    user::{UserId, UserStatus},
};

const ALL_OLD: ReturnValuesOnConditionCheckFailure = ReturnValuesOnConditionCheckFailure::AllOld;

/// How often a change is tried again when another one of the same binding came between.
const ROUNDS: u32 = 4;

/// The reservation of an external identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The user who holds it.
    pub user_id: UserId,
    /// The binding that it is; the user's own identity is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binding_id: Option<BindingId>,
    /// Whether it signs nobody in for now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
}

/// What became of a new binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// It is stored.
    Done,
    /// The user holds the identity already; nothing was written.
    HeldAlready,
    /// Somebody else holds it; nothing was written.
    HeldByAnother,
    /// The user has as many as are allowed; nothing was written.
    LimitReached,
    /// The number, drawn at random, is another binding's: draw another.
    IdTaken,
    /// The user is gone or switched off; nothing was written.
    UserGone,
}

/// What a change of a binding sets; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BindingChange {
    /// The address of a picture.
    pub avatar: Option<String>,
    /// What the client keeps here.
    pub data: Option<String>,
    /// Whether it signs the user in.
    pub enabled: Option<bool>,
}

/// What became of a change or a removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindingChanged {
    /// It is stored.
    Done,
    /// The user has no such binding.
    NotFound,
    /// The user could not sign in any more; nothing was written.
    LastWay,
    /// The user is gone or switched off; nothing was written.
    UserGone,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Reservation,
    Row,
    User,
}

/// What the user's item counts, and what it then may not.
#[derive(Clone, Copy)]
struct Guard {
    /// By how much the number of bindings changes.
    bindings: i8,
    /// By how much the number of those changes that sign the user in.
    usable: i8,
    rule: Rule,
}

#[derive(Clone, Copy)]
enum Rule {
    /// The user must be there.
    Live,
    /// And may have one more.
    Limit,
    /// And must keep another one that signs in.
    NotTheLast,
}

impl AppStore<'_> {
    /// Binds an identity to the user, all or nothing.
    pub async fn bind(&self, id: &ExternalId, binding: &Binding) -> Result<Bound, StorageError> {
        let user = binding.user_id;
        let identity = Identity { user_id: user, binding_id: Some(binding.id), disabled: !binding.enabled };
        let put = |table, item: Item| {
            Put::builder()
                .table_name(table)
                .set_item(Some(item))
                .condition_expression("attribute_not_exists(pk)")
                .return_values_on_condition_check_failure(ALL_OLD)
                .build()
                .map_err(StorageError::from_build)
        };
        let (users, bindings) = (self.store.tables.get(Table::Users)?, self.store.tables.get(Table::Bindings)?);
        let guard = Guard { bindings: 1, usable: i8::from(binding.enabled && can_sign_in(id)), rule: Rule::Limit };
        let mut transaction = Transaction::new();
        transaction
            .put(Step::Reservation, put(users, item(keys::external_id(self.app, id), &identity)?)?)
            .put(Step::Row, put(bindings, item(keys::binding(self.app, user, binding.id), binding)?)?)
            .update(Step::User, self.count(user, guard)?);
        let refused = match transaction.commit(self.store).await? {
            Transacted::Committed => return Ok(Bound::Done),
            Transacted::Refused(refused) => refused,
        };
        // Who holds the identity comes first: to its holder nothing else matters.
        let mut outcome = Bound::IdTaken;
        for (step, there) in refused {
            match (step, there) {
                (Step::Reservation, Some(there)) if read::<Identity>(there.clone())?.user_id == user => {
                    return Ok(Bound::HeldAlready);
                }
                (Step::Reservation, _) => return Ok(Bound::HeldByAnother),
                (Step::User, there) => outcome = if is_live(there)? { Bound::LimitReached } else { Bound::UserGone },
                (Step::Row, _) => {}
            }
        }
        Ok(outcome)
    }

    /// The user's bindings, oldest first.
    pub async fn list_bindings(&self, user: UserId) -> Result<Vec<Binding>, StorageError> {
        let mut bindings = Vec::new();
        let mut start = None;
        loop {
            let page = self
                .store
                .db
                .send(
                    QueryInput::builder()
                        .table_name(self.store.tables.get(Table::Bindings)?)
                        .key_condition_expression("#pk = :pk")
                        .expression_attribute_names("#pk", keys::PK)
                        .expression_attribute_values(":pk", text(keys::bindings_of(self.app, user)))
                        .consistent_read(true)
                        .set_exclusive_start_key(start),
                )
                .await
                .map_err(StorageError::from_sdk)?;
            for item in page.items.unwrap_or_default() {
                bindings.push(read::<Binding>(item)?);
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                bindings.sort_by_key(|binding| (binding.created_at, binding.id.get()));
                return Ok(bindings);
            }
        }
    }

    /// Takes a binding away. `has_other_way`: whether the user can sign in without any binding.
    pub async fn unbind(
        &self,
        user: UserId,
        id: BindingId,
        has_other_way: bool,
    ) -> Result<BindingChanged, StorageError> {
        for _ in 0..ROUNDS {
            let Some(binding) = self.find_binding(user, id).await? else { return Ok(BindingChanged::NotFound) };
            let identity = identity_of(&binding)?;
            let row = Delete::builder()
                .table_name(self.store.tables.get(Table::Bindings)?)
                .set_key(Some(keys::binding(self.app, user, id)))
                .condition_expression("#version = :version")
                .expression_attribute_names("#version", "version")
                .expression_attribute_values(":version", number(binding.version));
            let reservation = Delete::builder()
                .table_name(self.store.tables.get(Table::Users)?)
                .set_key(Some(keys::external_id(self.app, &identity)))
                .condition_expression("#binding = :binding")
                .expression_attribute_names("#binding", "bindingId")
                .expression_attribute_values(":binding", number(id));
            let signs_in = binding.enabled && can_sign_in(&identity);
            let rule = if signs_in && !has_other_way { Rule::NotTheLast } else { Rule::Live };
            let guard = Guard { bindings: -1, usable: -i8::from(signs_in), rule };
            let mut transaction = Transaction::new();
            transaction
                .delete(Step::Row, row.build().map_err(StorageError::from_build)?)
                .delete(Step::Reservation, reservation.build().map_err(StorageError::from_build)?)
                .update(Step::User, self.count(user, guard)?);
            if let Some(outcome) = settle(transaction.commit(self.store).await?)? {
                return Ok(outcome);
            }
        }
        Err(restless())
    }

    /// Sets the given fields of a binding, and nothing else. `has_other_way`: whether the user can sign in without any
    /// binding.
    pub async fn change_binding(
        &self,
        user: UserId,
        id: BindingId,
        change: &BindingChange,
        has_other_way: bool,
        now: Timestamp,
    ) -> Result<BindingChanged, StorageError> {
        for _ in 0..ROUNDS {
            let Some(binding) = self.find_binding(user, id).await? else { return Ok(BindingChanged::NotFound) };
            let Some(enabled) = change.enabled.filter(|enabled| *enabled != binding.enabled) else {
                // Whether it signs in stays as it is, so that nothing but the row is concerned.
                let Set { expression, names, values } = Set::of(change, now);
                let call = UpdateItemInput::builder()
                    .table_name(self.store.tables.get(Table::Bindings)?)
                    .set_key(Some(keys::binding(self.app, user, id)))
                    .update_expression(expression)
                    .condition_expression("attribute_exists(pk)")
                    .set_expression_attribute_names(Some(names))
                    .set_expression_attribute_values(Some(values));
                return Ok(match self.store.update(call).await? {
                    Updated::Done(_) => BindingChanged::Done,
                    Updated::Refused(_) => BindingChanged::NotFound,
                });
            };
            let identity = identity_of(&binding)?;
            let Set { expression, names, values } = Set::of(change, now);
            let row = Update::builder()
                .table_name(self.store.tables.get(Table::Bindings)?)
                .set_key(Some(keys::binding(self.app, user, id)))
                .update_expression(format!("{expression}, #enabled = :enabled, #version = :next"))
                .condition_expression("#version = :version")
                .set_expression_attribute_names(Some(names))
                .set_expression_attribute_values(Some(values))
                .expression_attribute_names("#enabled", "enabled")
                .expression_attribute_names("#version", "version")
                .expression_attribute_values(":enabled", AttributeValue::Bool(enabled))
                .expression_attribute_values(":version", number(binding.version))
                .expression_attribute_values(":next", number(binding.version + 1));
            let reservation = Update::builder()
                .table_name(self.store.tables.get(Table::Users)?)
                .set_key(Some(keys::external_id(self.app, &identity)))
                .update_expression("SET #disabled = :disabled")
                .condition_expression("#binding = :binding")
                .expression_attribute_names("#disabled", "disabled")
                .expression_attribute_names("#binding", "bindingId")
                .expression_attribute_values(":disabled", AttributeValue::Bool(!enabled))
                .expression_attribute_values(":binding", number(id));
            let signs_in = i8::from(can_sign_in(&identity));
            let is_loss = !enabled && signs_in == 1 && !has_other_way;
            let guard = Guard {
                bindings: 0,
                usable: if enabled { signs_in } else { -signs_in },
                rule: if is_loss { Rule::NotTheLast } else { Rule::Live },
            };
            let mut transaction = Transaction::new();
            transaction
                .update(Step::Row, row.build().map_err(StorageError::from_build)?)
                .update(Step::Reservation, reservation.build().map_err(StorageError::from_build)?)
                .update(Step::User, self.count(user, guard)?);
            if let Some(outcome) = settle(transaction.commit(self.store).await?)? {
                return Ok(outcome);
            }
        }
        Err(restless())
    }

    async fn find_binding(&self, user: UserId, id: BindingId) -> Result<Option<Binding>, StorageError> {
        self.store.get(Table::Bindings, keys::binding(self.app, user, id), true).await
    }

    /// The user's part of every change.
    fn count(&self, user: UserId, guard: Guard) -> Result<Update, StorageError> {
        let mut update = Update::builder()
            .table_name(self.store.tables.get(Table::Users)?)
            .set_key(Some(keys::user(self.app, user)))
            .update_expression("ADD #bindings :bindings, #usable :usable")
            .expression_attribute_names("#status", "status")
            .expression_attribute_names("#bindings", "bindings")
            .expression_attribute_names("#usable", "usableBindings")
            .expression_attribute_values(":active", text("active"))
            .expression_attribute_values(":bindings", number(guard.bindings))
            .expression_attribute_values(":usable", number(guard.usable))
            .return_values_on_condition_check_failure(ALL_OLD);
        update = match guard.rule {
            Rule::Live => update.condition_expression("#status = :active"),
            Rule::Limit => update
                .condition_expression("#status = :active AND (attribute_not_exists(#bindings) OR #bindings < :most)")
                .expression_attribute_values(":most", number(MAX_BINDINGS)),
            Rule::NotTheLast => update
                .condition_expression("#status = :active AND #usable > :one")
                .expression_attribute_values(":one", number(1)),
        };
        update.build().map_err(StorageError::from_build)
    }
}

/// The fields of a change as an update expression.
struct Set {
    expression: String,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Set {
    fn of(change: &BindingChange, now: Timestamp) -> Self {
        let mut set = Self {
            expression: "SET #updated = :updated".to_owned(),
            names: HashMap::from([("#updated".to_owned(), "updatedAt".to_owned())]),
            values: HashMap::from([(":updated".to_owned(), number(now.as_millisecond()))]),
        };
        for (name, value) in [("avatar", &change.avatar), ("data", &change.data)] {
            if let Some(value) = value {
                set.expression = format!("{}, #{name} = :{name}", set.expression);
                set.names.insert(format!("#{name}"), name.to_owned());
                set.values.insert(format!(":{name}"), text(value.clone()));
            }
        }
        set
    }
}

/// The outcome of a change, or nothing when another one came between and it must be tried again.
fn settle(transacted: Transacted<Step>) -> Result<Option<BindingChanged>, StorageError> {
    let refused = match transacted {
        Transacted::Committed => return Ok(Some(BindingChanged::Done)),
        Transacted::Refused(refused) => refused,
    };
    let mut outcome = None;
    for (step, there) in refused {
        match step {
            Step::Row | Step::Reservation => return Ok(None),
            Step::User => {
                outcome = Some(if is_live(there)? { BindingChanged::LastWay } else { BindingChanged::UserGone });
            }
        }
    }
    Ok(outcome)
}

/// Whether the user's item, as a refused condition found it, is that of an active user.
fn is_live(item: Option<Item>) -> Result<bool, StorageError> {
    #[derive(Deserialize)]
    struct Life {
        status: UserStatus,
    }
    let Some(item) = item else { return Ok(false) };
    Ok(read::<Life>(item)?.status == UserStatus::Active)
}

fn can_sign_in(id: &ExternalId) -> bool {
    sign_in_refusal(id).is_none()
}

fn identity_of(binding: &Binding) -> Result<ExternalId, StorageError> {
    let corrupt = |refusal: &str| StorageError::Corrupt(format!("the identity of a binding {refusal}"));
    Ok(ExternalId {
        platform: Platform::parse(binding.platform.clone()).map_err(corrupt)?,
        union_id: UnionId::parse(binding.union_id.clone()).map_err(corrupt)?,
    })
}

fn restless() -> StorageError {
    StorageError::Unavailable("others keep changing the same binding".into())
}
