//! List prices in US dollars, without taxes and free allowances of the cloud's first year, with where and when they were
//! read. They change: look before you rely on them.

/// Where the cloud's prices below hold.
pub const REGION: &str = "us-east-1 (N. Virginia)";
/// When they were looked up.
pub const READ_ON: &str = "2026-11-25";

/// An HTTP API's request, up to 512 KB. <https://aws.amazon.com/api-gateway/pricing/>: the first 300 million a month.
pub const HTTP_API_REQUEST: f64 = 1.00e-6;
/// A request beyond them.
pub const HTTP_API_REQUEST_BEYOND: f64 = 0.90e-6;
/// How many a month are at the first price.
pub const HTTP_API_FIRST: f64 = 300e6;

/// An invocation. <https://aws.amazon.com/lambda/pricing/>
pub const LAMBDA_REQUEST: f64 = 0.20e-6;
/// A GB-second on arm64.
pub const LAMBDA_GB_SECOND: f64 = 0.000_013_333_4;

/// A read request unit on demand. <https://aws.amazon.com/dynamodb/pricing/on-demand/>
pub const READ_UNIT: f64 = 0.125e-6;
/// A write request unit on demand.
pub const WRITE_UNIT: f64 = 0.625e-6;
/// A GB of table for a month, and of its point-in-time recovery.
pub const TABLE_GB: f64 = 0.25 + 0.20;

/// A GB of log, taken in. <https://aws.amazon.com/cloudwatch/pricing/>
pub const LOG_GB: f64 = 0.50;
/// A metric of one's own for a month.
pub const METRIC: f64 = 0.30;

/// A GB out to the internet, the first 10 TB a month. <https://aws.amazon.com/ec2/pricing/on-demand/#Data_Transfer>
pub const TRANSFER_GB: f64 = 0.09;

/// A hosted service as its price list has it for users who sign in with a password, a code or another provider.
#[derive(Clone, Copy, Debug)]
pub struct Hosted {
    /// The service and the plan.
    pub name: &'static str,
    /// What a month costs whoever has users at all.
    pub base: f64,
    /// Up to how many monthly users, and what each of them costs.
    pub tiers: &'static [(f64, f64)],
    /// Where the price was read.
    pub source: &'static str,
    /// When it was read there, or by whoever wrote it down.
    pub read_on: &'static str,
}

impl Hosted {
    /// A month's price; none where the list was not seen that far.
    pub fn monthly(&self, users: f64) -> Option<f64> {
        let (mut price, mut below) = (self.base, 0.0);
        for (up_to, each) in self.tiers {
            price += (users.min(*up_to) - below).max(0.0) * each;
            below = *up_to;
        }
        (users <= below).then_some(price)
    }
}

/// The services whose lists could be read. Others publish none for these numbers, or behind a calculator.
pub const HOSTED: [Hosted; 5] = [
    Hosted {
        name: "Amazon Cognito Lite",
        base: 0.0,
        tiers: &[(10e3, 0.0), (100e3, 0.0055), (1e6, 0.0046)],
        source: "https://aws.amazon.com/cognito/pricing/",
        read_on: "2026-09-20",
    },
    Hosted {
        name: "Amazon Cognito Essentials",
        base: 0.0,
        tiers: &[(10e3, 0.0), (f64::INFINITY, 0.015)],
        source: "https://aws.amazon.com/cognito/pricing/",
        read_on: "2026-09-20",
    },
    Hosted {
        name: "Google Identity Platform (Firebase)",
        base: 0.0,
        tiers: &[(50e3, 0.0), (100e3, 0.0055), (1e6, 0.0046), (10e6, 0.0032), (f64::INFINITY, 0.0025)],
        source: "https://cloud.google.com/identity-platform/pricing",
        read_on: "2026-11-25",
    },
    Hosted {
        name: "Supabase Auth, Pro",
        base: 25.0,
        tiers: &[(100e3, 0.0), (f64::INFINITY, 0.003_25)],
        source: "https://supabase.com/docs/guides/platform/manage-your-usage/monthly-active-users",
        read_on: "2026-11-25",
    },
    Hosted {
        name: "Clerk, Pro (users who come back)",
        base: 25.0,
        tiers: &[(50e3, 0.0), (100e3, 0.02)],
        source: "https://clerk.com/pricing",
        read_on: "2026-03-09",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_are_added_up() {
        let google = HOSTED[2].monthly(160e3).expect("a price");
        assert!((google - (50e3 * 0.0055 + 60e3 * 0.0046)).abs() < 1e-6);
        let supabase = HOSTED[3].monthly(160e3).expect("a price");
        assert!((supabase - 220.0).abs() < 1e-6, "the list's own example");
        assert_eq!(HOSTED[0].monthly(10e6), None);
    }
}
