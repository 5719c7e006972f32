//! Verification codes: sending them. Sends messages; signs nothing.

mod send;
mod send_email_code;
mod send_sms_code;

use shared::http::Routes;

/// The group's endpoints.
pub fn routes() -> Routes {
    Routes::new().add(send_sms_code::ROUTE, send_sms_code::handle).add(send_email_code::ROUTE, send_email_code::handle)
}
