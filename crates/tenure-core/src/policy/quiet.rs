//! Quiet hours: when marketing messages rest, by the local clock of who would get them.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::local::{instant_after, iso_weekday, local_minutes};
use crate::define::QuietHoursDef;
use crate::time::Timestamp;

/// Spans of quiet that may follow one another without a gap (a night, a quiet day, a night, …)
/// before we say there is no end; compiling refuses a week without a loud minute.
const MAX_JOINED_SPANS: usize = 32;

/// When the quiet that holds at `now` ends; `None` when it is not quiet.
pub(super) fn quiet_until(
    quiet: &QuietHoursDef,
    now: Timestamp,
    zone: &TimeZone,
) -> Option<Timestamp> {
    let mut at = end_of_span(quiet, now, zone)?;
    for _ in 0..MAX_JOINED_SPANS {
        match end_of_span(quiet, at, zone) {
            Some(later) => at = later,
            None => break,
        }
    }
    Some(at)
}

/// Whether a whole week of these hours has no loud minute.
pub(super) fn never_ends(quiet: &QuietHoursDef) -> bool {
    let all_days = (1..=7).all(|day| quiet.days.contains(&day));
    all_days || quiet.from_minutes == quiet.until_minutes
}

fn end_of_span(quiet: &QuietHoursDef, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let (date, minutes) = local_minutes(now, zone);
    let (date, minutes) = local_end(quiet, date, minutes)?;
    instant_after(zone, date, minutes, now)
}

/// Local date and minute at which the span around a local minute ends, if that minute is quiet.
fn local_end(quiet: &QuietHoursDef, date: Date, minutes: u16) -> Option<(Date, u16)> {
    let (from, until) = (quiet.from_minutes, quiet.until_minutes);
    let in_window = if from < until {
        (from..until).contains(&minutes)
    } else {
        minutes >= from || minutes < until
    };
    if quiet.days.contains(&iso_weekday(date)) {
        return Some((date.tomorrow().ok()?, 0));
    }
    if !in_window {
        return None;
    }
    if minutes < until {
        return Some((date, until));
    }
    Some((date.tomorrow().ok()?, until))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::zone;

    fn check(from: u16, until: u16, days: &[i8], zone_name: &str, now: &str, end: Option<&str>) {
        let quiet = QuietHoursDef {
            from_minutes: from,
            until_minutes: until,
            days: days.to_vec(),
        };
        let now = Timestamp::parse(now).unwrap();
        let got = quiet_until(&quiet, now, &zone(zone_name).unwrap());
        let end = end.map(|end| Timestamp::parse(end).unwrap());
        assert_eq!(got, end, "{from}..{until} {days:?} {zone_name} at {now}");
    }

    #[test]
    fn quiet_hours_run_over_midnight_and_join_quiet_days() {
        let (from, until) = (20 * 60, 8 * 60);
        let utc = "UTC";
        check(from, until, &[], utc, "2026-01-05T12:00:00Z", None);
        check(
            from,
            until,
            &[],
            utc,
            "2026-01-05T20:00:00Z",
            Some("2026-01-06T08:00:00Z"),
        );
        check(
            from,
            until,
            &[],
            utc,
            "2026-01-06T07:59:59Z",
            Some("2026-01-06T08:00:00Z"),
        );
        check(from, until, &[], utc, "2026-01-06T08:00:00Z", None);
        // Friday night joins a quiet week-end and the night into Monday.
        check(
            from,
            until,
            &[6, 7],
            utc,
            "2026-01-09T21:00:00Z",
            Some("2026-01-12T08:00:00Z"),
        );
        check(
            12 * 60,
            13 * 60,
            &[],
            utc,
            "2026-01-05T12:30:00Z",
            Some("2026-01-05T13:00:00Z"),
        );
        check(12 * 60, 13 * 60, &[], utc, "2026-01-05T13:00:00Z", None);
    }

    #[test]
    fn quiet_hours_follow_the_local_clock_across_daylight_saving() {
        let (from, until) = (22 * 60, 8 * 60);
        let berlin = "Europe/Berlin";
        check(
            from,
            until,
            &[],
            berlin,
            "2026-03-28T21:30:00Z",
            Some("2026-03-29T06:00:00Z"),
        );
        check(
            from,
            until,
            &[],
            berlin,
            "2026-10-24T20:30:00Z",
            Some("2026-10-25T07:00:00Z"),
        );
        // The end itself is skipped: quiet ends at the first valid instant after it.
        check(
            from,
            150,
            &[],
            berlin,
            "2026-03-28T21:30:00Z",
            Some("2026-03-29T01:00:00Z"),
        );
        // In the second pass through a repeated hour the end is the second one.
        check(
            from,
            150,
            &[],
            berlin,
            "2026-10-25T01:10:00Z",
            Some("2026-10-25T01:30:00Z"),
        );
        check(
            from,
            until,
            &[],
            "America/New_York",
            "2026-03-08T04:00:00Z",
            Some("2026-03-08T12:00:00Z"),
        );
        check(
            from,
            until,
            &[],
            "America/New_York",
            "2026-11-01T03:00:00Z",
            Some("2026-11-01T13:00:00Z"),
        );
    }
}
