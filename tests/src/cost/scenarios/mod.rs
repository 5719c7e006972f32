//! Every endpoint's principal requests: the usual success, and the refusals that cost something else.

mod accounts;
mod codes;
mod external_accounts;
mod licences;
mod oauth;
mod public;
mod qr;
mod users;

pub use licences::vendor;

use super::{Measured, Run};
use crate::{Client, World};

/// The password of everybody here.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// Measures all of them.
pub async fn all() -> Vec<Measured> {
    let mut measured = Vec::new();
    measured.extend(accounts::run(Run::new().await).await);
    measured.extend(codes::run(Run::new().await).await);
    measured.extend(qr::run(Run::new().await).await);
    measured.extend(oauth::run(Run::new().await).await);
    measured.extend(users::run(Run::new().await).await);
    measured.extend(external_accounts::run(Run::new().await).await);
    measured.extend(licences::run(Run::new().await).await);
    measured.extend(public::run(Run::new().await).await);
    measured
}

/// A new user of the documented app with a password, ready to call.
pub(crate) async fn user(world: &World, name: &str) -> Client {
    let token = world.client().sign_up(2, name, PASSWORD).await;
    world.client().bearer(&token)
}
