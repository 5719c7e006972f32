//! How much one client address may do: settings of the deployment, not of an app.

use std::net::IpAddr;

/// The limits per client address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// QR sign-ins that one address may begin in a minute, over all apps.
    pub qr_codes_per_ip_per_minute: u64,
    /// Whether requests from this computer itself are not counted. Only the local server says so: there everything
    /// comes from one address.
    pub exempt_loopback: bool,
}

impl Limits {
    /// Whether requests from this address are not counted.
    pub const fn exempts(&self, address: IpAddr) -> bool {
        self.exempt_loopback && address.to_canonical().is_loopback()
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { qr_codes_per_ip_per_minute: 30, exempt_loopback: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_computer_is_exempt_only_where_that_is_said() {
        let local = Limits { exempt_loopback: true, ..Limits::default() };
        for loopback in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert!(local.exempts(loopback.parse().unwrap()), "{loopback}");
            assert!(!Limits::default().exempts(loopback.parse().unwrap()), "{loopback}");
        }
        assert!(!local.exempts("192.0.2.1".parse().unwrap()));
    }
}
