//! Signing up: what every sign-up takes beside its own fields, and the rules that all of them share.

use std::ops::Deref;

use crate::{
    app::AppRecord,
    codes::Purpose,
    contact::{Address, Channel, Email, Phone},
    env::Env,
    error::{ApiError, ErrorCode},
    http::{Ctx, Fields},
    messages::Message,
    password::{Surroundings, is_acceptable},
    points::{GIFT_REMARK, Posting},
    proof::{self, give_back},
    secret::{Password, VerificationCode},
    storage::{IpBudget, NewUser, Proof, SignedUp, Taken},
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
    phone: Option<Claim>,
    email: Option<Claim>,
}

/// A phone or a mailbox that somebody says is theirs.
#[derive(Clone, Debug)]
enum Claim {
    /// Kept as it was sent.
    Bare(String),
    /// To be proven.
    WithCode(Address, VerificationCode),
}

impl Claim {
    fn phone(fields: &mut Fields) -> Result<Option<Self>, ApiError> {
        if let Some(code) = fields.optional("phoneCode")? {
            return Ok(Some(Self::WithCode(Address::Phone(fields.required("phone")?), code)));
        }
        let text: Option<PhoneText> = fields.optional("phone")?;
        Ok(text.map(|text| match Phone::parse(text.as_str()) {
            Ok(phone) => Self::Bare(phone.emitted().to_owned()),
            Err(_) => Self::Bare(text.into_string()),
        }))
    }

    fn email(fields: &mut Fields) -> Result<Option<Self>, ApiError> {
        if let Some(code) = fields.optional("emailCode")? {
            return Ok(Some(Self::WithCode(Address::Email(fields.required("email")?), code)));
        }
        let text: Option<EmailText> = fields.optional("email")?;
        Ok(text.map(|text| Self::Bare(text.into_string())))
    }

    fn emitted(&self) -> &str {
        match self {
            Self::Bare(text) => text,
            Self::WithCode(address, _) => address.emitted(),
        }
    }

    /// How the user's record keeps it, once the code was found right.
    fn contact(claim: Option<Self>) -> Contact {
        match claim {
            None => Contact::default(),
            Some(Self::Bare(text)) => Contact::unverified(Some(text)),
            Some(Self::WithCode(address, _)) => Contact::verified(&address),
        }
    }
}

impl SignUpGroup {
    /// Reads the group's fields.
    pub fn read(fields: &mut Fields) -> Result<Self, ApiError> {
        Ok(Self {
            nick_name: fields.optional("nickName")?,
            avatar: fields.optional("avatar")?,
            data: fields.optional("data")?,
            phone: Claim::phone(fields)?,
            email: Claim::email(fields)?,
        })
    }

    /// Reads the group's fields where the address of this channel must come, with its code.
    pub fn read_with_code(fields: &mut Fields, channel: Channel) -> Result<(Self, Address), ApiError> {
        let group = Self::read(fields)?;
        let (claim, address, code) = match channel {
            Channel::Sms => (&group.phone, "phone", "phoneCode"),
            Channel::Email => (&group.email, "email", "emailCode"),
        };
        match claim {
            Some(Claim::WithCode(address, _)) => Ok((group.clone(), address.clone())),
            Some(Claim::Bare(_)) => Err(ApiError::invalid(format!("{code} is required"))),
            None => Err(ApiError::invalid(format!("{address} is required"))),
        }
    }

    /// The addresses that came with a code.
    fn with_codes(&self) -> impl Iterator<Item = (&Address, &VerificationCode)> {
        [&self.phone, &self.email].into_iter().flatten().filter_map(|claim| match claim {
            Claim::WithCode(address, code) => Some((address, code)),
            Claim::Bare(_) => None,
        })
    }

    fn has_code_for(&self, channel: Channel) -> bool {
        self.with_codes().any(|(address, _)| address.channel() == channel)
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

/// Creates the user, or says why not and changes nothing but the count of wrong codes.
pub async fn sign_up(env: &Env, ctx: &Ctx, app: &AppRecord, request: SignUp) -> Result<Created, ApiError> {
    let SignUp { name, password, external_id, group } = request;
    if !app.settings.sign_up_enabled {
        return Err(ErrorCode::SignUpDisabled.into());
    }
    if (app.settings.verify_phone && !group.has_code_for(Channel::Sms))
        || (app.settings.verify_email && !group.has_code_for(Channel::Email))
    {
        return Err(ErrorCode::ContactCodeRequired.into());
    }
    let (name, is_chosen) = match name {
        Name::Chosen(name) if name.is_reserved() => return Err(ErrorCode::AccountExists.into()),
        Name::Chosen(name) => (name, true),
        Name::Default(text) => {
            let name = UserName::parse(text).ok().filter(|name| !name.is_reserved());
            (name.unwrap_or_else(|| random_name(env)), false)
        }
    };
    let password = acceptable(app, password, &name, &group)?;
    let mut proofs = prove(env, ctx, app, &group).await?;
    let mut user = new_user(env, ctx, app, &name, external_id.as_ref(), group);
    if let Some(password) = password {
        user.password_hash = Some(env.passwords.hash(&password, env.entropy.as_ref()).await);
    }
    match create(env, ctx, app, user, (name, is_chosen), external_id.as_ref(), &mut proofs).await {
        Ok(user) => {
            welcome(env, ctx, app, &user).await;
            Ok(Created(user))
        }
        Err(error) => {
            give_back(env, ctx, app, proofs).await;
            Err(error)
        }
    }
}

/// Tries the codes that came with the group. If one is wrong, the others cost nothing.
async fn prove(env: &Env, ctx: &Ctx, app: &AppRecord, group: &SignUpGroup) -> Result<Vec<Proof>, ApiError> {
    let mut proofs = Vec::new();
    for (address, code) in group.with_codes() {
        match proof::prove(env, ctx, app, (address, &[Purpose::SignUp]), code).await {
            Ok(proof) => proofs.push(proof),
            Err(error) => {
                give_back(env, ctx, app, proofs).await;
                return Err(error);
            }
        }
    }
    Ok(proofs)
}

/// Stores the user under a free number, and under a free name if nobody chose one.
async fn create(
    env: &Env,
    ctx: &Ctx,
    app: &AppRecord,
    mut user: User,
    (mut name, is_chosen): (UserName, bool),
    external_id: Option<&ExternalId>,
    proofs: &mut [Proof],
) -> Result<User, ApiError> {
    let limit = app.settings.sign_ups_per_ip_per_hour.map(|limit| IpBudget {
        kind: "signups",
        app: Some(app.app_id),
        address: ctx.client,
        limit,
        window: 3_600,
    });
    let gift = gift(app)?;
    let store = env.store.app(app.app_id);
    for _ in 0..DRAWS {
        let canonical_name = &name.canonical();
        let new = NewUser { user: &user, canonical_name, external_id, limit, gift: gift.as_ref() };
        match store.sign_up(new, proofs, ctx.now).await? {
            SignedUp::Created => return Ok(user),
            SignedUp::Throttled { retry_after } => return Err(ApiError::throttled(retry_after)),
            SignedUp::CodeSpent => return Err(ErrorCode::InvalidCode.into()),
            SignedUp::Taken(Taken::ExternalId | Taken::Contact) => return Err(ErrorCode::AccountExists.into()),
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

/// The password if it may be set, or the app's default one where none was chosen.
fn acceptable(
    app: &AppRecord,
    password: Option<Password>,
    name: &UserName,
    group: &SignUpGroup,
) -> Result<Option<Password>, ApiError> {
    let Some(password) = password else { return Ok(app.settings.default_password.clone().map(Password::new)) };
    let email = group.email.as_ref().map_or("", Claim::emitted);
    let around = Surroundings { app_name: &app.card.name, user_name: name.as_str(), email };
    if is_acceptable(&password, &app.settings, around) {
        Ok(Some(password))
    } else {
        Err(ErrorCode::WeakPassword.into())
    }
}

/// A first mail to a mailbox that was just proven, if the app wants one. The account exists whatever becomes of it.
async fn welcome(env: &Env, ctx: &Ctx, app: &AppRecord, user: &User) {
    if !app.settings.templates.welcome_mail {
        return;
    }
    if let Ok(email) = Email::parse(user.email.proven()) {
        env.messages.deliver(&Message::welcome(app, email, user, env.entropy.as_ref(), ctx.now)).await;
    }
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
        phone: Claim::contact(group.phone),
        email: Claim::contact(group.email),
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
