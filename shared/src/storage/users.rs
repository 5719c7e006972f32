//! Users: found by what is unique about them, changed field by field.

use jiff::Timestamp;

use super::{
    AppStore, Holder, Identity, StorageError, Updated,
    keys::{self, Table},
    number, text, update,
};
use crate::{
    text::ExternalId,
    user::{User, UserId},
};

/// What a profile update sets; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfileChange {
    /// The address of a picture.
    pub avatar: Option<String>,
    /// The name that others see.
    pub nick_name: Option<String>,
    /// What the client keeps here.
    pub data: Option<String>,
}

/// What became of a change to a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is stored.
    Done,
    /// The user is gone; nothing was written.
    Gone,
}

impl AppStore<'_> {
    /// The user as of now.
    pub async fn find_user(&self, id: UserId) -> Result<Option<User>, StorageError> {
        self.store.get(Table::Users, keys::user(self.app, id), true).await
    }

    /// Who holds a user name, given in its canonical form.
    pub async fn find_user_name(&self, canonical: &str) -> Result<Option<UserId>, StorageError> {
        self.holder(keys::user_name(self.app, canonical)).await
    }

    /// Whom an external identity signs in: the user who holds it as their own or as a binding that is not disabled.
    pub async fn find_external_id(&self, id: &ExternalId) -> Result<Option<UserId>, StorageError> {
        let identity: Option<Identity> = self.store.get(Table::Users, keys::external_id(self.app, id), true).await?;
        Ok(identity.filter(|identity| !identity.disabled).map(|identity| identity.user_id))
    }

    /// Who proved a phone, given in E.164 form.
    pub async fn find_phone(&self, e164: &str) -> Result<Option<UserId>, StorageError> {
        self.holder(keys::phone(self.app, e164)).await
    }

    /// Who proved a mailbox, given in lower case.
    pub async fn find_email(&self, lower_case: &str) -> Result<Option<UserId>, StorageError> {
        self.holder(keys::email(self.app, lower_case)).await
    }

    async fn holder(&self, key: keys::Key) -> Result<Option<UserId>, StorageError> {
        let holder: Option<Holder> = self.store.get(Table::Users, key, true).await?;
        Ok(holder.map(|holder| holder.user_id))
    }

    /// Sets the given fields, and nothing else: two changes at once both stay.
    pub async fn change_profile(
        &self,
        id: UserId,
        change: ProfileChange,
        now: Timestamp,
    ) -> Result<Change, StorageError> {
        let mut call = self
            .store
            .db
            .update_item()
            .table_name(self.store.tables.get(Table::Users)?)
            .set_key(Some(keys::user(self.app, id)))
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":now", number(now.as_millisecond()));
        let mut set = "SET updatedAt = :now".to_owned();
        let fields = [("avatar", change.avatar), ("nickName", change.nick_name), ("data", change.data)];
        for (name, value) in fields {
            if let Some(value) = value {
                set = format!("{set}, #{name} = :{name}");
                call = call
                    .expression_attribute_names(format!("#{name}"), name)
                    .expression_attribute_values(format!(":{name}"), text(value));
            }
        }
        Ok(match update(call.update_expression(set)).await? {
            Updated::Done(_) => Change::Done,
            Updated::Refused(_) => Change::Gone,
        })
    }
}
