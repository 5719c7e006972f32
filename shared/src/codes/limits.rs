//! How many codes are sent: to one address, and by a whole deployment.

use crate::contact::Channel;

/// How often a message may be sent to one address of an app, over all purposes: several rates at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendLimits(pub Vec<Rate>);

/// Codes per day (UTC) and channel, over all apps and clients: a ceiling for the bill when somebody has the budgets per
/// address and per client and very many of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DailyBudgets {
    /// Text messages.
    pub sms: u64,
    /// Mails.
    pub mail: u64,
}

impl DailyBudgets {
    /// The budget of a channel.
    pub const fn of(self, channel: Channel) -> DailyBudget {
        match channel {
            Channel::Sms => DailyBudget(self.sms),
            Channel::Email => DailyBudget(self.mail),
        }
    }
}

impl Default for DailyBudgets {
    fn default() -> Self {
        Self { sms: 1_000, mail: 10_000 }
    }
}

/// So many codes a day, counted in several places, so that no single item has to take all of a deployment's sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DailyBudget(u64);

impl DailyBudget {
    /// Few enough codes for one place: below this a second one would only make the last ones hard to find.
    const PER_PLACE: u64 = 500;
    /// More places than any bill can need.
    const MOST_PLACES: u64 = 64;

    /// In how many places it is counted.
    pub fn places(self) -> u64 {
        self.0.div_ceil(Self::PER_PLACE).clamp(1, Self::MOST_PLACES)
    }

    /// The share of one place; those of all places are the budget.
    pub fn share(self, place: u64) -> u64 {
        (self.0 + place) / self.places()
    }
}

/// So many within so many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The most.
    pub most: usize,
    /// Seconds.
    pub within: i64,
}

impl SendLimits {
    /// Reads rates such as `1/60 5/3600 10/86400`.
    pub fn parse(text: &str) -> Option<Self> {
        let rate = |text: &str| {
            let (most, within) = text.split_once('/')?;
            let rate = Rate { most: most.parse().ok()?, within: within.parse().ok()? };
            ((1..=100).contains(&rate.most) && (1..=86_400).contains(&rate.within)).then_some(rate)
        };
        let rates: Vec<_> = text.split_whitespace().map(rate).collect::<Option<_>>()?;
        (!rates.is_empty()).then_some(Self(rates))
    }
}

impl Default for SendLimits {
    fn default() -> Self {
        let rate = |most, within| Rate { most, within };
        Self(vec![rate(1, 60), rate(5, 3_600), rate(10, 86_400)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_of_a_budget_are_the_budget() {
        for budget in [0, 1, 7, 500, 501, 1_000, 10_000, 99_999, 1_000_000] {
            let budget = DailyBudget(budget);
            assert_eq!((0..budget.places()).map(|place| budget.share(place)).sum::<u64>(), budget.0);
        }
        assert_eq!((DailyBudget(1_000).places(), DailyBudget(1 << 40).places()), (2, 64));
    }

    #[test]
    fn rates_are_read() {
        assert_eq!(SendLimits::parse("1/60 5/3600 10/86400").unwrap(), SendLimits::default());
        for bad in ["", "1", "0/60", "1/0", "-1/60", "1/86401", "101/60", "a/b"] {
            assert_eq!(SendLimits::parse(bad), None, "{bad}");
        }
    }
}
