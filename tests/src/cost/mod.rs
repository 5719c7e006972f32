//! What every endpoint costs: its calls and capacity units, measured through the recorded calls of the SDK, and what
//! they come to in money.

mod bill;
mod document;
mod figures;
mod meter;
pub mod prices;
mod run;
pub mod scenarios;
pub mod usage;

pub use bill::{Bill, Memory, milliseconds};
pub use document::document;
pub use figures::{Figure, Figures, Growth, Section, check};
pub use meter::{Meter, Profile, Touch};
pub use run::{Case, Measured, Run};
