//! What signing up with a mailbox and signing up with a phone have in common: a code proves either.

use shared::{
    contact::{Address, Channel},
    env::Env,
    error::ApiError,
    http::{App, Ctx, Fields, Json, Reply},
    jwt::{GrantType, TokenResponse},
    secret::Password,
    sign_in::{self, Admitted},
    sign_up::{self, Name, SignUpGroup, chosen_password},
    text::UserName,
};

#[derive(Debug)]
pub(crate) struct CodeSignUp {
    address: Address,
    user_name: Option<UserName>,
    password: Option<Password>,
    group: SignUpGroup,
}

impl CodeSignUp {
    pub(crate) fn read(body: Json, channel: Channel) -> Result<Self, ApiError> {
        let mut fields = Fields::of(body)?;
        let (group, address) = SignUpGroup::read_with_code(&mut fields, channel)?;
        Ok(Self {
            address,
            user_name: fields.optional("userName")?,
            password: fields.optional_as(&["pwd", "password"])?,
            group,
        })
    }

    pub(crate) async fn carry_out(self, env: &Env, ctx: &Ctx, app: &App) -> Result<Reply<TokenResponse>, ApiError> {
        let grant = match self.address {
            Address::Phone(_) => GrantType::Phone,
            Address::Email(_) => GrantType::Email,
        };
        let default_name = || Name::Default(self.address.emitted().to_owned());
        let request = sign_up::SignUp {
            name: self.user_name.map_or_else(default_name, Name::Chosen),
            password: chosen_password(app, self.password),
            external_id: None,
            group: self.group,
        };
        let user = sign_up::sign_up(env, ctx, app, request).await?;
        sign_in::token(env, ctx, app, &Admitted::new_user(user), grant).await.map(Reply::ok)
    }
}
