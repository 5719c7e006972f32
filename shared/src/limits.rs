//! How much one client address may do: settings of the deployment, not of an app.

use std::net::IpAddr;

use jiff::Timestamp;

use crate::{
    env::Env,
    error::{ApiError, ErrorCode},
    storage::{IpBudget, IpCharge},
};

const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;

/// The limits per client address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// QR sign-ins that one address may begin in a minute, over all apps.
    pub qr_codes_per_ip_per_minute: u64,
    /// Codes that one address may have sent in an hour, over all apps.
    pub sends_per_ip_per_hour: u64,
    /// Wrong passwords of one address in an hour, over all apps and users.
    pub password_failures_per_ip_per_hour: u64,
    /// Wrong verification codes of one address in an hour, over all apps, phones and mailboxes.
    pub verification_failures_per_ip_per_hour: u64,
    /// Authorization codes that do not exist, tried by one address in an hour, over all apps.
    pub code_failures_per_ip_per_hour: u64,
    /// Bitkeys and licence codes that do not exist, tried by one address in a minute, over all apps.
    pub licence_failures_per_ip_per_minute: u64,
    /// Whether requests from this computer itself are not counted. Only the local server says so: there everything
    /// comes from one address.
    pub exempt_loopback: bool,
}

impl Limits {
    /// QR sign-ins that this client may begin; none where it is not counted, as below.
    pub fn qr_codes(&self, client: IpAddr) -> Option<IpBudget> {
        self.budget("qr", client, self.qr_codes_per_ip_per_minute, MINUTE)
    }

    /// Mini-program codes that it may ask for.
    pub fn mini_program_codes(&self, client: IpAddr) -> Option<IpBudget> {
        self.budget("wxacode", client, self.qr_codes_per_ip_per_minute, MINUTE)
    }

    /// Verification codes that it may have sent.
    pub fn sends(&self, client: IpAddr) -> Option<IpBudget> {
        self.budget("sends", client, self.sends_per_ip_per_hour, HOUR)
    }

    /// Wrong passwords that it may try.
    pub fn password_failures(&self, client: IpAddr) -> Option<IpBudget> {
        self.budget("password", client, self.password_failures_per_ip_per_hour, HOUR)
    }

    /// Wrong verification codes that it may try.
    pub fn verification_failures(&self, client: IpAddr) -> Option<IpBudget> {
        self.budget("verification", client, self.verification_failures_per_ip_per_hour, HOUR)
    }

    /// Authorization codes that it may guess at.
    pub fn code_failures(&self, client: IpAddr) -> Option<IpBudget> {
        self.budget("code", client, self.code_failures_per_ip_per_hour, HOUR)
    }

    /// Bitkeys and licence codes that it may guess at.
    pub fn licence_failures(&self, client: IpAddr) -> Option<IpBudget> {
        self.budget("licence", client, self.licence_failures_per_ip_per_minute, MINUTE)
    }

    fn budget(&self, kind: &'static str, address: IpAddr, limit: u64, window: i64) -> Option<IpBudget> {
        let is_exempt = self.exempt_loopback && address.to_canonical().is_loopback();
        (!is_exempt).then_some(IpBudget { kind, app: None, address, limit, window })
    }
}

/// What a guess is told that was wrong, once its client is charged for it. One too many is told only that.
pub async fn charge_failure(env: &Env, budget: Option<IpBudget>, now: Timestamp, told: ErrorCode) -> ApiError {
    let Some(budget) = budget else { return told.into() };
    match env.store.charge_ip(budget, now).await {
        Ok(IpCharge::Granted) => told.into(),
        Ok(IpCharge::Throttled { retry_after }) => ApiError::throttled(retry_after),
        Err(error) => error.into(),
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            qr_codes_per_ip_per_minute: 30,
            sends_per_ip_per_hour: 20,
            password_failures_per_ip_per_hour: 100,
            verification_failures_per_ip_per_hour: 100,
            code_failures_per_ip_per_hour: 100,
            licence_failures_per_ip_per_minute: 20,
            exempt_loopback: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_computer_is_exempt_only_where_that_is_said() {
        let local = Limits { exempt_loopback: true, ..Limits::default() };
        for loopback in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(local.sends(loopback.parse().unwrap()), None, "{loopback}");
            assert!(Limits::default().sends(loopback.parse().unwrap()).is_some(), "{loopback}");
        }
        assert!(local.sends("192.0.2.1".parse().unwrap()).is_some());
    }
}
