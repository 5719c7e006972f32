//! Creating a user together with everything that is unique about them.

use aws_sdk_dynamodb::types::Put;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    AppStore, IpBudget, StorageError,
    codes::{self, Proof},
    item,
    keys::{self, Table},
    transaction::{Transacted, Transaction},
};
use crate::{
    points::Posting,
    text::ExternalId,
    user::{User, UserId},
};

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
    pub limit: Option<IpBudget>,
    /// What the user is given to begin with.
    pub gift: Option<&'a Posting>,
}

/// What became of a sign-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignedUp {
    /// The user exists, and holds what was asked for.
    Created,
    /// Somebody else has it; nothing was written.
    Taken(Taken),
    /// A code was used or replaced meanwhile; nothing was written.
    CodeSpent,
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
    /// A phone or a mailbox that a code proved.
    Contact,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Unique(Taken),
    Limit,
    /// The use of the code with this number.
    Code(usize),
}

impl AppStore<'_> {
    /// Stores the user, reserves what only one user can have, and uses the codes that prove their addresses, all or
    /// nothing.
    pub async fn sign_up(
        &self,
        new: NewUser<'_>,
        proofs: &mut [Proof],
        now: Timestamp,
    ) -> Result<SignedUp, StorageError> {
        for _ in 0..codes::ROUNDS {
            let mut transaction = Transaction::new();
            self.reserve(&mut transaction, &new, proofs, now)?;
            if let Some(limit) = new.limit {
                transaction.update(Step::Limit, self.store.charge_ip_step(limit, now)?);
            }
            for (number, proof) in proofs.iter().enumerate() {
                let Some(consume) = self.consume_step(proof, now)? else { return Ok(SignedUp::CodeSpent) };
                transaction.put(Step::Code(number), consume);
            }
            let refused = match transaction.commit(self.store).await? {
                Transacted::Committed => return Ok(SignedUp::Created),
                Transacted::Refused(refused) => refused,
            };
            let mut is_stale = false;
            let mut steps = Vec::new();
            for (step, found) in refused {
                if let Step::Code(number) = step {
                    Self::refresh_proof(&mut proofs[number], found)?;
                    is_stale = true;
                }
                steps.push(step);
            }
            if !is_stale {
                return refusal(&steps, new.limit, now);
            }
        }
        Err(StorageError::contended())
    }

    /// The user, and a reservation for everything that is unique about them.
    fn reserve(
        &self,
        transaction: &mut Transaction<Step>,
        new: &NewUser<'_>,
        proofs: &[Proof],
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let users = self.store.tables.get(Table::Users)?;
        let holder = Holder { user_id: new.user.id };
        let mut unique = vec![
            (Taken::UserId, item(keys::user(self.app, new.user.id), new.user)?),
            (Taken::UserName, item(keys::user_name(self.app, new.canonical_name), &holder)?),
        ];
        if let Some(id) = new.external_id {
            unique.push((Taken::ExternalId, item(keys::external_id(self.app, id), &holder)?));
        }
        for proof in proofs {
            unique.push((Taken::Contact, item(keys::contact(self.app, proof.address()), &holder)?));
        }
        for (what, item) in unique {
            let put = Put::builder()
                .table_name(users)
                .set_item(Some(item))
                .condition_expression("attribute_not_exists(pk)")
                .build()
                .map_err(StorageError::from_build)?;
            transaction.put(Step::Unique(what), put);
        }
        if let Some(gift) = new.gift {
            // Points under this number are a former user's: draw another.
            for put in self.open_account(new.user.id, gift, now)? {
                transaction.put(Step::Unique(Taken::UserId), put);
            }
        }
        Ok(())
    }
}

/// What to say of a sign-up that these steps refused.
fn refusal(steps: &[Step], limit: Option<IpBudget>, now: Timestamp) -> Result<SignedUp, StorageError> {
    if let Some(limit) = limit.filter(|_| steps.contains(&Step::Limit)) {
        return Ok(SignedUp::Throttled { retry_after: limit.retry_after(now) });
    }
    // The number goes last: a collision there is mended by drawing again, the others are not.
    [Taken::ExternalId, Taken::Contact, Taken::UserName, Taken::UserId]
        .into_iter()
        .find(|what| steps.contains(&Step::Unique(*what)))
        .map(SignedUp::Taken)
        .ok_or_else(|| StorageError::Corrupt("a sign-up was refused for no reason".to_owned()))
}
