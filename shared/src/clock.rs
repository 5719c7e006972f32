//! Time as an input: a request reads the clock once, tests bring their own.

use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};

/// Where the time comes from.
pub trait Clock: std::fmt::Debug + Send + Sync + 'static {
    /// The time of day, UTC.
    fn now(&self) -> Timestamp;
}

/// The computer's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the time is read")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Measures how long something took; never part of a decision.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    /// Starts to measure.
    #[expect(clippy::disallowed_methods, reason = "durations are for the log, no rule depends on them")]
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    /// Time since the start.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// A date and time as v1 clients read it: `yyyy-MM-dd HH:mm:ss` in the deployment's time zone.
pub fn local_date_time(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A date and time as 2.0 clients read it: RFC 3339 with the offset of the deployment's time zone.
pub fn rfc3339(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// The calendar day in the deployment's time zone, `yyyy-MM-dd`: days compare as their texts do.
pub fn local_day(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d").to_string()
}

/// A stored time as v1 clients read it; one that cannot be shown is the beginning of time.
pub fn stored_date_time(milliseconds: i64, zone: &TimeZone) -> String {
    local_date_time(Timestamp::from_millisecond(milliseconds).unwrap_or_default(), zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v2_dates_say_their_offset() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let at: Timestamp = "2026-03-01T20:05:09.5Z".parse().unwrap();
        assert_eq!(rfc3339(at, &zone), "2026-03-02T04:05:09+08:00");
        assert_eq!(rfc3339(at, &TimeZone::UTC), "2026-03-01T20:05:09+00:00");
    }

    #[test]
    fn v1_dates_are_local() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let at: Timestamp = "2026-03-01T20:05:09Z".parse().unwrap();
        assert_eq!(local_date_time(at, &zone), "2026-03-02 04:05:09");
        assert_eq!(local_day(at, &zone), "2026-03-02");
        assert_eq!(stored_date_time(at.as_millisecond(), &zone), "2026-03-02 04:05:09");
    }
}
