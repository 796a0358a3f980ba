//! Wall-clock times of a zone as instants, correct across daylight saving.
//!
//! A local time that is skipped happens at the first valid instant after the gap; one that
//! occurs twice happens at the first occurrence.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::plan::Plan;
use crate::subject::SubjectState;
use crate::time::{MINUTE_MS, Timestamp, zone};

/// Minutes in a local day.
pub(crate) const MINUTES_PER_DAY: u16 = 24 * 60;

/// The trait that names a subject's zone.
pub(crate) const ZONE_TRAIT: &str = "timezone";

/// The zone of a subject: its trait `timezone`, else its account's, else the policy's. A name that
/// is no zone counts as none.
pub(crate) fn zone_of(
    plan: &Plan,
    own: Option<&SubjectState>,
    account: Option<&SubjectState>,
) -> TimeZone {
    let named = |state: Option<&SubjectState>| zone(state?.traits.get(ZONE_TRAIT)?.as_text()?);
    named(own)
        .or_else(|| named(account))
        .unwrap_or_else(|| plan.policy.zone().clone())
}

/// The local date and the minutes after local midnight of an instant.
pub(crate) fn local_minutes(at: Timestamp, zone: &TimeZone) -> (Date, u16) {
    let local = zone.to_datetime(at.to_jiff());
    (
        local.date(),
        local.hour() as u16 * 60 + local.minute() as u16,
    )
}

/// ISO number of a date's weekday: 1 is Monday, 7 is Sunday.
pub(crate) fn iso_weekday(date: Date) -> i8 {
    date.weekday().to_monday_one_offset()
}

/// The instant of a local date and minute. `None` only at the ends of the calendar.
pub(crate) fn instant_at(zone: &TimeZone, date: Date, minutes: u16) -> Option<Timestamp> {
    instants_at(zone, date, minutes).map(|(first, _)| first)
}

/// Like [`instant_at`], but the second occurrence where there are two and the first is not after
/// `now`.
pub(crate) fn instant_after(
    zone: &TimeZone,
    date: Date,
    minutes: u16,
    now: Timestamp,
) -> Option<Timestamp> {
    let (first, second) = instants_at(zone, date, minutes)?;
    Some(if first > now { first } else { second })
}

/// The next instant, at or after `now`, at which the local clock shows `minutes` after midnight
/// on one of `weekdays` (ISO numbers, empty is any day).
pub(crate) fn next_local_time(
    zone: &TimeZone,
    now: Timestamp,
    minutes: u16,
    weekdays: &[i8],
) -> Option<Timestamp> {
    let (mut date, _) = local_minutes(now, zone);
    // Eight days: today may already be over.
    for _ in 0..=7 {
        if weekdays.is_empty() || weekdays.contains(&iso_weekday(date)) {
            let at = instant_at(zone, date, minutes)?;
            if at >= now {
                return Some(at);
            }
        }
        date = date.tomorrow().ok()?;
    }
    None
}

fn instants_at(zone: &TimeZone, date: Date, minutes: u16) -> Option<(Timestamp, Timestamp)> {
    let minutes = minutes.min(MINUTES_PER_DAY - 1);
    let time = Time::new((minutes / 60) as i8, (minutes % 60) as i8, 0, 0).ok()?;
    let ambiguous = zone.to_ambiguous_timestamp(DateTime::from_parts(date, time));
    match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } => {
            let at = ambiguous.compatible().ok()?.into();
            Some((at, at))
        }
        AmbiguousOffset::Fold { .. } => Some((
            ambiguous.earlier().ok()?.into(),
            ambiguous.later().ok()?.into(),
        )),
        AmbiguousOffset::Gap { .. } => {
            // Read with the offset after the gap, a skipped time lies before the transition.
            let before = ambiguous.earlier().ok()?;
            let at = zone.following(before).next()?.timestamp().into();
            Some((at, at))
        }
    }
}

/// An instant as a person in that zone reads it: `2026-03-29 08:00 Europe/Berlin`.
pub(crate) fn spoken(at: Timestamp, zone: &TimeZone) -> String {
    let (date, minutes) = local_minutes(at, zone);
    let name = zone.iana_name().unwrap_or("local time");
    format!("{date} {:02}:{:02} {name}", minutes / 60, minutes % 60)
}

/// A duration as a person says it: `3 days`, `90 minutes`.
pub(crate) fn spoken_ms(ms: i64) -> String {
    let units = [
        (24 * 60 * MINUTE_MS, "day"),
        (60 * MINUTE_MS, "hour"),
        (MINUTE_MS, "minute"),
        (1_000, "second"),
    ];
    let (unit_ms, unit) = units
        .into_iter()
        .find(|(unit_ms, _)| ms != 0 && ms % unit_ms == 0)
        .unwrap_or((1, "millisecond"));
    let count = ms / unit_ms;
    let plural = if count.abs() == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::zone;

    fn check(zone_name: &str, now: &str, minutes: u16, weekdays: &[i8], expected: &str) {
        let zone = zone(zone_name).unwrap();
        let now = Timestamp::parse(now).unwrap();
        let at = next_local_time(&zone, now, minutes, weekdays).unwrap();
        let expected = Timestamp::parse(expected).unwrap();
        assert_eq!(at, expected, "{zone_name} from {now} to minute {minutes}");
    }

    #[test]
    fn the_next_local_time_is_right_across_daylight_saving() {
        let berlin = "Europe/Berlin";
        check(
            berlin,
            "2026-03-28T09:00:00Z",
            600,
            &[],
            "2026-03-28T09:00:00Z",
        );
        check(
            berlin,
            "2026-03-28T09:00:01Z",
            600,
            &[],
            "2026-03-29T08:00:00Z",
        );
        // 02:30 does not exist on the 29th: the first valid instant is 03:00, which is 01:00Z.
        check(
            berlin,
            "2026-03-28T12:00:00Z",
            150,
            &[],
            "2026-03-29T01:00:00Z",
        );
        // 02:30 occurs twice on 25 October: the first is in summer time.
        check(
            berlin,
            "2026-10-24T12:00:00Z",
            150,
            &[],
            "2026-10-25T00:30:00Z",
        );
        check(
            berlin,
            "2026-10-25T00:30:01Z",
            150,
            &[],
            "2026-10-26T01:30:00Z",
        );
        let york = "America/New_York";
        check(
            york,
            "2026-03-08T05:00:00Z",
            150,
            &[],
            "2026-03-08T07:00:00Z",
        );
        check(
            york,
            "2026-11-01T04:00:00Z",
            90,
            &[],
            "2026-11-01T05:30:00Z",
        );
    }

    #[test]
    fn the_next_local_time_waits_for_its_weekday() {
        // 2026-01-05 is a Monday.
        check(
            "UTC",
            "2026-01-05T09:00:00Z",
            540,
            &[1],
            "2026-01-05T09:00:00Z",
        );
        check(
            "UTC",
            "2026-01-05T09:01:00Z",
            540,
            &[1],
            "2026-01-12T09:00:00Z",
        );
        check(
            "UTC",
            "2026-01-05T09:01:00Z",
            540,
            &[3, 5],
            "2026-01-07T09:00:00Z",
        );
        check(
            "Asia/Tokyo",
            "2026-01-04T16:00:00Z",
            540,
            &[1],
            "2026-01-05T00:00:00Z",
        );
    }

    #[test]
    fn durations_are_spoken_in_their_largest_whole_unit() {
        assert_eq!(spoken_ms(3 * 24 * 60 * MINUTE_MS), "3 days");
        assert_eq!(spoken_ms(90 * MINUTE_MS), "90 minutes");
        assert_eq!(spoken_ms(60 * MINUTE_MS), "1 hour");
        assert_eq!(spoken_ms(0), "0 milliseconds");
    }
}
