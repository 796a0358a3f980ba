//! Instants and time zones. Durations are plain `i64` milliseconds named `*_ms`.

use std::fmt;

use jiff::civil;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// One second in milliseconds.
pub const SECOND_MS: i64 = 1_000;
/// One minute in milliseconds.
pub const MINUTE_MS: i64 = 60 * SECOND_MS;
/// One hour in milliseconds.
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
/// One day of 24 hours in milliseconds.
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// The latest instant we accept from outside (9999-12-30); it keeps all date arithmetic in range.
pub const MAX_TIMESTAMP: Timestamp = Timestamp(253_402_128_000_000);
/// The earliest instant we accept from outside (1900-01-01).
pub const MIN_TIMESTAMP: Timestamp = Timestamp(-2_208_988_800_000);

impl Timestamp {
    /// This instant plus `ms` milliseconds (saturating).
    #[must_use]
    pub fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this instant.
    pub fn since_ms(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Parses RFC 3339 (`2026-03-01T10:00:00Z`, offsets allowed), a date (`2026-03-01`, midnight
    /// UTC) or a date and time without an offset (`2026-03-01 10:00`, read as UTC).
    /// `None` if it is neither, or out of the accepted range.
    pub fn parse(text: &str) -> Option<Self> {
        Self::parse_in(text, || TimeZone::UTC)
    }

    /// Like [`Timestamp::parse`], with a date, or a date and time without an offset, read by the
    /// clock of a zone; it is asked for only then.
    pub fn parse_in(text: &str, zone: impl FnOnce() -> TimeZone) -> Option<Self> {
        let text = dated(text)?;
        if let Ok(at) = text.parse::<jiff::Timestamp>() {
            return Self(at.as_millisecond()).in_range();
        }
        Self::of_local(text.parse().ok()?, &zone())
    }

    /// The instant at which the clock of a zone shows this: the first valid one after it where
    /// daylight saving skips it, the first of two.
    pub fn of_local(at: civil::DateTime, zone: &TimeZone) -> Option<Self> {
        let at = at.to_zoned_datetime(zone.clone()).ok()?.timestamp();
        Self(at.as_millisecond()).in_range()
    }

    fn in_range(self) -> Option<Self> {
        (MIN_TIMESTAMP..=MAX_TIMESTAMP)
            .contains(&self)
            .then_some(self)
    }

    /// The same instant for `jiff`, clamped to the accepted range.
    pub fn to_jiff(self) -> jiff::Timestamp {
        let ms = self.0.clamp(MIN_TIMESTAMP.0, MAX_TIMESTAMP.0);
        jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }

    /// Wall-clock date and time in a zone.
    pub fn in_zone(self, zone: &TimeZone) -> jiff::ZonedDateTime {
        self.to_jiff().to_zoned_datetime(zone.clone())
    }
}

impl From<jiff::Timestamp> for Timestamp {
    fn from(at: jiff::Timestamp) -> Self {
        Self(at.as_millisecond())
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with milliseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.to_jiff())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A date, or a date and time, without an offset: an instant only beside a zone. `None` for what
/// has an offset, is neither, or is out of the accepted range.
pub fn parse_local(text: &str) -> Option<civil::DateTime> {
    let text = dated(text)?;
    if text.parse::<jiff::Timestamp>().is_ok() {
        return None;
    }
    let at: civil::DateTime = text.parse().ok()?;
    Timestamp::of_local(at, &TimeZone::UTC).map(|_| at)
}

/// Text that could be in a date form.
fn dated(text: &str) -> Option<&str> {
    let text = text.trim();
    let shaped = (8..=40).contains(&text.len()) && text.as_bytes()[0].is_ascii_digit();
    shaped.then_some(text)
}

/// The IANA zone of that name, or `None` when unknown.
pub fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_parse_from_the_forms_senders_use_and_print_as_rfc_3339() {
        let at = Timestamp::parse("2026-03-01T10:00:00+02:00").unwrap();
        assert_eq!(at.to_string(), "2026-03-01T08:00:00.000Z");
        assert_eq!(
            Timestamp::parse("2026-03-01").unwrap().to_string(),
            "2026-03-01T00:00:00.000Z"
        );
        assert_eq!(
            Timestamp::parse("2026-03-01 03:00").unwrap().to_string(),
            "2026-03-01T03:00:00.000Z"
        );
        assert_eq!(Timestamp::parse("pro"), None);
    }

    #[test]
    fn a_date_begins_when_the_clock_of_its_zone_says_so() {
        let read = |text: &str, name: &str| {
            let at = Timestamp::parse_in(text, || zone(name).unwrap());
            at.unwrap().to_string()
        };
        let cases = [
            ("2026-01-15", "Europe/Berlin", "2026-01-14T23:00:00.000Z"),
            ("2026-07-15", "Europe/Berlin", "2026-07-14T22:00:00.000Z"),
            ("2026-07-15", "America/New_York", "2026-07-15T04:00:00.000Z"),
            // Midnight is skipped in Cairo on the day on which the clocks go forward.
            ("2026-04-24", "Africa/Cairo", "2026-04-23T22:00:00.000Z"),
            // It happens twice in Havana when they go back.
            ("2026-11-01", "America/Havana", "2026-11-01T04:00:00.000Z"),
            (
                "2026-07-15T10:00:00Z",
                "Asia/Tokyo",
                "2026-07-15T10:00:00.000Z",
            ),
            ("2026-07-15 10:00", "Asia/Tokyo", "2026-07-15T01:00:00.000Z"),
        ];
        for (text, name, expected) in cases {
            assert_eq!(read(text, name), expected, "{text} in {name}");
        }
        assert!(parse_local("2026-07-15").is_some());
        assert_eq!(parse_local("2026-07-15T10:00:00Z"), None);
    }
}
