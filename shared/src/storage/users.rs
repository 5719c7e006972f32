//! Users: found by what is unique about them, changed field by field.

use aws_sdk_dynamodb::operation::update_item::UpdateItemInput;
use jiff::Timestamp;

use super::{
    AppStore, Holder, Identity, IpBudget, StorageError, Updated, Within,
    keys::{self, Key, Table},
    number, read, text,
};
use crate::{
    contact::Address,
    text::ExternalId,
    user::{User, UserId},
};

/// What a user is known by who signs in with a password.
#[derive(Clone, Copy, Debug)]
pub enum LoginKey<'a> {
    /// The user name in its canonical form.
    UserName(&'a str),
    /// A phone or a mailbox that the user proved.
    Contact(&'a Address),
}

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

    /// Whom somebody means who tries a password, unless the budget is used up: as a replica knows it, for half the price.
    /// What a replica says may be seconds old; see [`AppStore::find_login_now`].
    pub async fn find_login(
        &self,
        login: LoginKey<'_>,
        budget: Option<IpBudget>,
        now: Timestamp,
    ) -> Result<Within<Option<UserId>>, StorageError> {
        let key = (Table::Users, self.login_key(login), false);
        let holder = match self.store.get_within([key], budget, now).await? {
            Within::Budget([holder]) => holder.map(read::<Holder>).transpose()?,
            Within::Throttled { retry_after } => return Ok(Within::Throttled { retry_after }),
        };
        Ok(Within::Budget(holder.map(|holder| holder.user_id)))
    }

    /// Whom somebody means who tries a password, as of now.
    pub async fn find_login_now(&self, login: LoginKey<'_>) -> Result<Option<UserId>, StorageError> {
        let holder: Option<Holder> = self.store.get(Table::Users, self.login_key(login), true).await?;
        Ok(holder.map(|holder| holder.user_id))
    }

    fn login_key(&self, login: LoginKey<'_>) -> Key {
        match login {
            LoginKey::UserName(canonical) => keys::user_name(self.app, canonical),
            LoginKey::Contact(address) => keys::contact(self.app, address),
        }
    }

    /// Whom an external identity signs in: the user who holds it as their own or as a binding that is not disabled.
    pub async fn find_external_id(&self, id: &ExternalId) -> Result<Option<UserId>, StorageError> {
        let identity: Option<Identity> = self.store.get(Table::Users, keys::external_id(self.app, id), true).await?;
        Ok(identity.filter(|identity| !identity.disabled).map(|identity| identity.user_id))
    }

    /// The user who proved a phone or a mailbox: two reads, whether there is somebody or not, so that counting calls tells
    /// nothing. Whoever may not do anything is nobody.
    pub async fn find_by_contact(&self, address: &Address) -> Result<Option<User>, StorageError> {
        let holder: Option<Holder> = self.store.get(Table::Users, keys::contact(self.app, address), true).await?;
        let user = self.find_user(holder.map_or(UserId::NOBODY, |holder| holder.user_id)).await?;
        Ok(user.filter(User::is_active))
    }

    /// Sets the given fields, and nothing else: two changes at once both stay.
    pub async fn change_profile(
        &self,
        id: UserId,
        change: ProfileChange,
        now: Timestamp,
    ) -> Result<Change, StorageError> {
        let mut call = UpdateItemInput::builder()
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
        Ok(match self.store.update(call.update_expression(set)).await? {
            Updated::Done(_) => Change::Done,
            Updated::Refused(_) => Change::Gone,
        })
    }
}
