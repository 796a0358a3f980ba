//! When people work: hours, weekdays and seasons, in local time.

use jiff::tz::TimeZone;
use rand::Rng;
use tenure_core::time::{DAY_MS, SECOND_MS, Timestamp};

use super::catalog::LOCATIONS;
use super::chance::weighted;

/// Activity by hour of the local day, relative.
const HOURS: [f64; 24] = [
    0.2, 0.1, 0.1, 0.1, 0.1, 0.3, 1.0, 3.0, 7.0, 11.0, 11.5, 9.5, 6.0, 8.0, 10.5, 10.0, 8.5, 5.5,
    2.5, 1.5, 1.3, 1.1, 0.8, 0.4,
];

/// Activity by weekday, Monday first; the average working day is 1.
const WEEKDAYS: [f64; 7] = [1.0, 1.1, 1.08, 1.02, 0.8, 0.1, 0.07];

const SECONDS_PER_HOUR: i64 = 3_600;

/// The zones of [`LOCATIONS`], in the same order.
pub(crate) fn zones() -> Vec<TimeZone> {
    LOCATIONS
        .iter()
        .map(|location| tenure_core::time::zone(location.timezone).unwrap_or(TimeZone::UTC))
        .collect()
}

/// Days since 1970 of an instant, in UTC.
pub(crate) fn day_of(at_ms: i64) -> i32 {
    at_ms.div_euclid(DAY_MS) as i32
}

/// Instant of midnight UTC of a day.
pub(crate) fn midnight_ms(day: i32) -> i64 {
    i64::from(day) * DAY_MS
}

/// Monday is 0.
pub(crate) fn weekday(day: i32) -> usize {
    // 1970-01-01 was a Thursday.
    (day + 3).rem_euclid(7) as usize
}

/// How busy a day is, without regard to who: weekday times season.
pub(crate) fn busyness(day: i32) -> f64 {
    let date = Timestamp(midnight_ms(day)).in_zone(&TimeZone::UTC).date();
    let season = match (date.month(), date.day()) {
        (12, 23..=31) | (1, 1..=2) => 0.35,
        (7 | 8, _) => 0.9,
        _ => 1.0,
    };
    WEEKDAYS[weekday(day)] * season
}

/// The next day that is not a Saturday or Sunday, or the day itself.
pub(crate) fn working_day(day: i32) -> i32 {
    match weekday(day) {
        5 => day + 2,
        6 => day + 1,
        _ => day,
    }
}

/// What to add to a zone's local time to get UTC on that day (taken at noon, so that a moment in
/// the night of a clock change may be an hour off).
pub(crate) fn to_utc_ms(zone: &TimeZone, day: i32) -> i64 {
    let noon = Timestamp(midnight_ms(day) + DAY_MS / 2);
    -i64::from(zone.to_offset(noon.to_jiff()).seconds()) * SECOND_MS
}

/// Milliseconds after local midnight at which somebody is likely to be active.
pub(crate) fn time_of_day_ms(rng: &mut impl Rng) -> i64 {
    let hour = weighted(rng, &HOURS) as i64;
    hour * SECONDS_PER_HOUR * SECOND_MS + rng.random_range(0..SECONDS_PER_HOUR * SECOND_MS)
}

/// Milliseconds after local midnight within office hours (9 to 17).
pub(crate) fn office_time_ms(rng: &mut impl Rng) -> i64 {
    rng.random_range(9 * SECONDS_PER_HOUR * SECOND_MS..17 * SECONDS_PER_HOUR * SECOND_MS)
}
