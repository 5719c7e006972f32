//! Built functions without Lambda: the events that they are sent, what they find around them, and the API that they
//! ask for events.

mod addresses;
mod event;
mod function;
mod world;

pub use addresses::{answers, free_address};
pub use event::{Event, recorded};
pub use function::Function;
pub use world::{APP_KEY, SN, World};

/// The password in the recorded events; it must never show up in a log.
pub const PASSWORD: &str = "correct horse battery";
