//! Creating a user together with everything that is unique about them.

use std::net::IpAddr;

use aws_sdk_dynamodb::types::{Put, Update};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    AppStore, StorageError, item,
    keys::{self, EXPIRES, Table},
    number,
    transaction::{Transacted, Transaction},
};
use crate::{
    points::Posting,
    text::ExternalId,
    user::{User, UserId},
};

const HOUR: i64 = 3_600;

/// A reservation: who holds something that only one user of an app can have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// The user who holds it.
    pub user_id: UserId,
}

/// A user to be, with everything that is to hold together with them.
#[derive(Clone, Copy, Debug)]
pub struct NewUser<'a> {
    /// The user.
    pub user: &'a User,
    /// The user name in its canonical form, to be reserved.
    pub canonical_name: &'a str,
    /// The external identity to be reserved.
    pub external_id: Option<&'a ExternalId>,
    /// What the client's address may still create.
    pub limit: Option<SignUpLimit>,
    /// What the user is given to begin with.
    pub gift: Option<&'a Posting>,
}

/// How many users one client address may create in an hour.
#[derive(Clone, Copy, Debug)]
pub struct SignUpLimit {
    /// The client's address.
    pub address: IpAddr,
    /// The most users in an hour.
    pub per_hour: u64,
}

/// What became of a sign-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignedUp {
    /// The user exists, and holds what was asked for.
    Created,
    /// Somebody else has it; nothing was written.
    Taken(Taken),
    /// The client's address created enough users for now; nothing was written.
    Throttled {
        /// Seconds until it may create more.
        retry_after: u64,
    },
}

/// What somebody else has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The number, drawn at random: draw another.
    UserId,
    /// The user name.
    UserName,
    /// The external identity.
    ExternalId,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Unique(Taken),
    Limit,
}

impl AppStore<'_> {
    /// Stores the user and reserves what only one user can have, all or nothing.
    pub async fn sign_up(&self, new: NewUser<'_>, now: Timestamp) -> Result<SignedUp, StorageError> {
        let NewUser { user, canonical_name, external_id, limit, gift } = new;
        let users = self.store.tables.get(Table::Users)?;
        let holder = Holder { user_id: user.id };
        let mut unique = vec![
            (Taken::UserId, item(keys::user(self.app, user.id), user)?),
            (Taken::UserName, item(keys::user_name(self.app, canonical_name), &holder)?),
        ];
        if let Some(id) = external_id {
            unique.push((Taken::ExternalId, item(keys::external_id(self.app, id), &holder)?));
        }
        let mut transaction = Transaction::new();
        for (what, item) in unique {
            let put = Put::builder()
                .table_name(users)
                .set_item(Some(item))
                .condition_expression("attribute_not_exists(pk)")
                .build()
                .map_err(StorageError::from_build)?;
            transaction.put(Step::Unique(what), put);
        }
        if let Some(limit) = limit {
            transaction.update(Step::Limit, self.count_sign_up(limit, now)?);
        }
        if let Some(gift) = gift {
            // Points under this number are a former user's: draw another.
            for put in self.open_account(user.id, gift, now)? {
                transaction.put(Step::Unique(Taken::UserId), put);
            }
        }
        let refused = match transaction.commit(self.store).await? {
            Transacted::Committed => return Ok(SignedUp::Created),
            Transacted::Refused(refused) => refused,
        };
        let is_refused = |step| refused.iter().any(|(refused, _)| *refused == step);
        if is_refused(Step::Limit) {
            return Ok(SignedUp::Throttled { retry_after: (HOUR - now.as_second().rem_euclid(HOUR)).unsigned_abs() });
        }
        // The number goes last: a collision there is mended by drawing again, the others are not.
        let what = [Taken::ExternalId, Taken::UserName, Taken::UserId]
            .into_iter()
            .find(|what| is_refused(Step::Unique(*what)));
        what.map(SignedUp::Taken).ok_or_else(|| StorageError::Corrupt("a sign-up was refused for no reason".to_owned()))
    }

    fn count_sign_up(&self, limit: SignUpLimit, now: Timestamp) -> Result<Update, StorageError> {
        let hour = now.as_second().div_euclid(HOUR);
        Update::builder()
            .table_name(self.store.tables.get(Table::Codes)?)
            .set_key(Some(keys::sign_ups_from(self.app, self.store.hash()?, limit.address, hour)))
            .update_expression("SET #count = if_not_exists(#count, :zero) + :one, #expires = :expires")
            .condition_expression("attribute_not_exists(#count) OR #count < :limit")
            .expression_attribute_names("#count", "count")
            .expression_attribute_names("#expires", EXPIRES)
            .expression_attribute_values(":zero", number(0))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":limit", number(limit.per_hour))
            .expression_attribute_values(":expires", number((hour + 2) * HOUR))
            .build()
            .map_err(StorageError::from_build)
    }
}
