//! What is found out while a request is served and belongs into its line: noted wherever it happens, without passing
//! anything through every signature in between. Outside of a request notes are lost.

use std::cell::RefCell;

use tokio::task_local;

use crate::{bitkey::BitkeyId, user::UserId};

/// The notes of one request.
#[derive(Debug, Default)]
pub struct Notes {
    /// The request's own id.
    pub request_id: String,
    /// Whom it is about: the bearer, or whoever was named and exists.
    pub user: Option<u64>,
    /// The key that a licence call came with.
    pub bitkey: Option<String>,
    /// Passwords that were hashed, to store or to compare.
    pub password_hashes: u64,
    /// Messages that a carrier took.
    pub messages_sent: u64,
    /// Messages that none took.
    pub messages_failed: u64,
}

task_local! {
    static NOTES: RefCell<Notes>;
}

impl Notes {
    /// Notes of the request with this id.
    pub fn of(request_id: &str) -> Self {
        Self { request_id: request_id.to_owned(), ..Self::default() }
    }
}

/// Takes notes while a request is served.
pub async fn taken<F: Future>(notes: Notes, serving: F) -> (F::Output, Notes) {
    NOTES.scope(RefCell::new(notes), async { (serving.await, NOTES.with(RefCell::take)) }).await
}

/// The request is about this user.
pub fn user(id: UserId) {
    note(|notes| notes.user = Some(id.get()));
}

/// The request came with this key.
pub fn bitkey(id: &BitkeyId) {
    note(|notes| notes.bitkey = Some(id.as_str().to_owned()));
}

/// A password was hashed.
pub fn password_hash() {
    note(|notes| notes.password_hashes += 1);
}

/// A message was handed to its carrier, or was not.
pub fn message(is_sent: bool) {
    note(|notes| if is_sent { notes.messages_sent += 1 } else { notes.messages_failed += 1 });
}

/// The id of the request that is being served.
pub fn request_id() -> Option<String> {
    NOTES.try_with(|notes| notes.borrow().request_id.clone()).ok()
}

fn note(change: impl FnOnce(&mut Notes)) {
    // An error says that no request is being served.
    let _ = NOTES.try_with(|notes| change(&mut notes.borrow_mut()));
}
