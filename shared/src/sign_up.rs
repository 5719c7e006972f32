//! Signing up: what every sign-up takes beside its own fields, and the rules that all of them share.

use std::ops::Deref;

use crate::{
    app::AppRecord,
    env::Env,
    error::{ApiError, ErrorCode},
    http::{Ctx, Fields},
    password::{Surroundings, is_acceptable},
    points::{GIFT_REMARK, Posting},
    secret::Password,
    storage::{NewUser, SignUpLimit, SignedUp, Taken},
    text::{Avatar, Data, EmailText, ExternalId, NickName, PhoneText, UserName},
    user::{Contact, User, UserId, UserStatus},
};

/// How often a user's number is drawn again when it is taken, which practically never happens.
const DRAWS: u32 = 4;

/// The fields that every sign-up takes.
#[derive(Clone, Debug, Default)]
pub struct SignUpGroup {
    nick_name: Option<NickName>,
    avatar: Option<Avatar>,
    data: Option<Data>,
    phone: Option<PhoneText>,
    email: Option<EmailText>,
}

impl SignUpGroup {
    /// Reads the group's fields.
    pub fn read(fields: &mut Fields) -> Result<Self, ApiError> {
        let codes = [fields.optional::<String>("phoneCode")?, fields.optional::<String>("emailCode")?];
        if codes.iter().any(Option::is_some) {
            return Err(ApiError::invalid("verification codes are not available in this version"));
        }
        Ok(Self {
            nick_name: fields.optional("nickName")?,
            avatar: fields.optional("avatar")?,
            data: fields.optional("data")?,
            phone: fields.optional("phone")?,
            email: fields.optional("email")?,
        })
    }
}

/// What the account is to be called.
#[derive(Clone, Debug)]
pub enum Name {
    /// The user chose it: a name that is taken fails the sign-up.
    Chosen(UserName),
    /// Nobody chose it: if it does not fit or is taken, another one does.
    Default(String),
}

/// A sign-up as an endpoint hands it over.
#[derive(Clone, Debug)]
pub struct SignUp {
    /// What the account is to be called.
    pub name: Name,
    /// Its password; see [`chosen_password`] for the endpoints where one is optional.
    pub password: Option<Password>,
    /// The external identity that it is for.
    pub external_id: Option<ExternalId>,
    /// What every sign-up takes.
    pub group: SignUpGroup,
}

/// A user whom this very request created: the only one who needs no second factor to be let in, having none.
#[derive(Clone, Debug)]
pub struct Created(User);

impl Created {
    /// The user.
    pub fn into_user(self) -> User {
        self.0
    }
}

impl Deref for Created {
    type Target = User;

    fn deref(&self) -> &User {
        &self.0
    }
}

/// The password of an endpoint where it is optional: clients send the documented default for every visitor, which
/// is as good as none.
pub fn chosen_password(app: &AppRecord, sent: Option<Password>) -> Option<Password> {
    sent.filter(|password| {
        password.expose() != "123456" && app.settings.default_password.as_deref() != Some(password.expose())
    })
}

/// Creates the user, or says why not and changes nothing.
pub async fn sign_up(env: &Env, ctx: &Ctx, app: &AppRecord, request: SignUp) -> Result<Created, ApiError> {
    let SignUp { name, password, external_id, group } = request;
    if !app.settings.sign_up_enabled {
        return Err(ErrorCode::SignUpDisabled.into());
    }
    if app.settings.verify_phone || app.settings.verify_email {
        return Err(ErrorCode::ContactCodeRequired.into());
    }
    let (mut name, is_chosen) = match name {
        Name::Chosen(name) if name.is_reserved() => return Err(ErrorCode::AccountExists.into()),
        Name::Chosen(name) => (name, true),
        Name::Default(text) => {
            let name = UserName::parse(text).ok().filter(|name| !name.is_reserved());
            (name.unwrap_or_else(|| random_name(env)), false)
        }
    };
    let password_hash = hash(env, app, password, &name, &group).await?;
    let limit = app.settings.sign_ups_per_ip_per_hour.map(|per_hour| SignUpLimit { address: ctx.client, per_hour });
    let mut user = new_user(env, ctx, app, &name, external_id.as_ref(), group);
    user.password_hash = password_hash;
    let gift = gift(app)?;
    let store = env.store.app(app.app_id);
    for _ in 0..DRAWS {
        let canonical_name = &name.canonical();
        let new =
            NewUser { user: &user, canonical_name, external_id: external_id.as_ref(), limit, gift: gift.as_ref() };
        match store.sign_up(new, ctx.now).await? {
            SignedUp::Created => return Ok(Created(user)),
            SignedUp::Throttled { retry_after } => return Err(ApiError::throttled(retry_after)),
            SignedUp::Taken(Taken::ExternalId) => return Err(ErrorCode::AccountExists.into()),
            SignedUp::Taken(Taken::UserName) if is_chosen => return Err(ErrorCode::AccountExists.into()),
            SignedUp::Taken(Taken::UserName) => {
                name = random_name(env);
                user.user_name = name.as_str().to_owned();
            }
            SignedUp::Taken(Taken::UserId) => user.id = UserId::new(env.entropy.id()),
        }
    }
    Err(ApiError::internal("no free user number was drawn"))
}

/// The points that the app gives to a new user.
fn gift(app: &AppRecord) -> Result<Option<Posting>, ApiError> {
    let used = i64::try_from(app.settings.sign_up_points).map_err(ApiError::internal)?;
    Ok((used > 0).then(|| Posting { used, remark: GIFT_REMARK.to_owned(), payment: None }))
}

/// The hash of the password, or of the app's default one where none was chosen.
async fn hash(
    env: &Env,
    app: &AppRecord,
    password: Option<Password>,
    name: &UserName,
    group: &SignUpGroup,
) -> Result<Option<String>, ApiError> {
    let password = match password {
        Some(password) => {
            let email = group.email.as_ref().map_or("", EmailText::as_str);
            let around = Surroundings { app_name: &app.card.name, user_name: name.as_str(), email };
            if !is_acceptable(&password, &app.settings, around) {
                return Err(ErrorCode::WeakPassword.into());
            }
            Some(password)
        }
        None => app.settings.default_password.clone().map(Password::new),
    };
    let Some(password) = password else { return Ok(None) };
    Ok(Some(env.passwords.hash(&password, env.entropy.as_ref()).await))
}

fn new_user(
    env: &Env,
    ctx: &Ctx,
    app: &AppRecord,
    name: &UserName,
    external_id: Option<&ExternalId>,
    group: SignUpGroup,
) -> User {
    let created_at = ctx.now.as_millisecond();
    User {
        app_id: app.app_id,
        id: UserId::new(env.entropy.id()),
        guid: env.entropy.hex::<12>(),
        user_name: name.as_str().to_owned(),
        nick_name: group.nick_name.map(NickName::into_string).unwrap_or_default(),
        avatar: group.avatar.map(Avatar::into_string).unwrap_or_default(),
        data: group.data.map(Data::into_string),
        role: app.settings.default_role.clone(),
        password_hash: None,
        phone: Contact::unverified(group.phone.map(PhoneText::into_string)),
        email: Contact::unverified(group.email.map(EmailText::into_string)),
        platform: external_id.map(|id| id.platform.as_str().to_owned()).unwrap_or_default(),
        union_id: external_id.map(|id| id.union_id.as_str().to_owned()).unwrap_or_default(),
        totp_secret: None,
        status: UserStatus::Active,
        token_version: 0,
        created_at,
        updated_at: created_at,
    }
}

/// A name for an account that nobody named, or whose default is taken.
fn random_name(env: &Env) -> UserName {
    let name = format!("u_{}", env.entropy.hex::<8>());
    UserName::parse(name).unwrap_or_else(|_| unreachable!("hexadecimal digits are a name"))
}
