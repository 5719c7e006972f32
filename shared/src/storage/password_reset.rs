//! A new password in exchange for a code, and the end of everything that the old one had opened.

use aws_sdk_dynamodb::types::{ConditionCheck, Update};
use jiff::Timestamp;

use super::{
    AppStore, StorageError,
    codes::{self, Proof, Seen},
    keys::{self, Table},
    number, text,
    transaction::{Transacted, Transaction},
};
use crate::{contact::Address, user::User};

/// What became of a reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// The new password is the only one, and every earlier token and code is dead.
    Done,
    /// The code was used or replaced meanwhile; nothing was written.
    CodeSpent,
    /// The user was changed, switched off or deleted meanwhile, or lost the address; nothing was written.
    UserChanged,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    User,
    Holder,
    Code,
    OtherCodes,
}

impl AppStore<'_> {
    /// Sets the password of the user who holds the proven address, uses the code, raises the token version (which
    /// codes, grants and tickets are checked against, too) and kills the codes at `other`, the user's other address.
    pub async fn reset_password(
        &self,
        user: &User,
        password_hash: &str,
        proof: &mut Proof,
        other: Option<&Address>,
        now: Timestamp,
    ) -> Result<Reset, StorageError> {
        let mut other_seen = match other {
            Some(address) => self.address_record(address).await?,
            None => Seen::default(),
        };
        for _ in 0..codes::ROUNDS {
            let mut transaction = Transaction::new();
            transaction.update(Step::User, self.new_password(user, password_hash, now)?);
            transaction.check(Step::Holder, self.still_holds(user, proof.address())?);
            let Some(consume) = self.consume_all_step(proof, now)? else { return Ok(Reset::CodeSpent) };
            transaction.put(Step::Code, consume);
            if let Some(address) = other
                && let Some(forget) = self.forget_step(address, &other_seen, now)?
            {
                transaction.put(Step::OtherCodes, forget);
            }
            let refused = match transaction.commit(self.store).await? {
                Transacted::Committed => return Ok(Reset::Done),
                Transacted::Refused(refused) => refused,
            };
            for (step, found) in refused {
                match step {
                    Step::User | Step::Holder => return Ok(Reset::UserChanged),
                    Step::Code => Self::refresh_proof(proof, found)?,
                    Step::OtherCodes => other_seen = Seen::of(found)?,
                }
            }
        }
        Err(StorageError::contended())
    }

    fn new_password(&self, user: &User, password_hash: &str, now: Timestamp) -> Result<Update, StorageError> {
        Update::builder()
            .table_name(self.store.tables.get(Table::Users)?)
            .set_key(Some(keys::user(self.app, user.id)))
            .update_expression(
                "SET #hash = :hash, #version = :next, updatedAt = :now REMOVE passwordFailures, lastPasswordFailure",
            )
            .condition_expression("#version = :seen AND #status = :active")
            .expression_attribute_names("#hash", "passwordHash")
            .expression_attribute_names("#version", "tokenVersion")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":hash", text(password_hash))
            .expression_attribute_values(":next", number(user.token_version + 1))
            .expression_attribute_values(":seen", number(user.token_version))
            .expression_attribute_values(":active", text("active"))
            .expression_attribute_values(":now", number(now.as_millisecond()))
            .build()
            .map_err(StorageError::from_build)
    }

    fn still_holds(&self, user: &User, address: &Address) -> Result<ConditionCheck, StorageError> {
        ConditionCheck::builder()
            .table_name(self.store.tables.get(Table::Users)?)
            .set_key(Some(keys::contact(self.app, address)))
            .condition_expression("userId = :user")
            .expression_attribute_values(":user", number(user.id.get()))
            .build()
            .map_err(StorageError::from_build)
    }
}
