//! Schedules: cron expressions of five fields, by the local clock of the workspace's zone.
//!
//! `minute hour day-of-month month day-of-week`, each `*`, a number, a range `1-5`, a list
//! `1,15` or a step `*/10`, `10-50/20`; months and weekdays also by their English three-letter
//! names, Sunday is 0 or 7. As in Vixie cron, when both day fields are restricted, a day that
//! satisfies either will do. A skipped local time runs at the first valid instant after it, a
//! repeated one runs once, at its first occurrence.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::policy::local::{instant_at, local_minutes};
use crate::time::Timestamp;

/// Days searched for a match: enough for 29 February across a century without one.
const MAX_SEARCH_DAYS: u32 = 366 * 9;

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// A parsed cron expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    either_day: bool,
}

impl Schedule {
    /// Parses five fields; the error says which field is wrong and why.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields[..] else {
            return Err(format!(
                "a schedule has five fields, this has {}",
                fields.len()
            ));
        };
        let weekday_bits = parse_field("day of the week", weekdays, 0, 7, &WEEKDAYS)?;
        Ok(Self {
            minutes: parse_field("minute", minutes, 0, 59, &[])?,
            hours: parse_field("hour", hours, 0, 23, &[])?,
            days: parse_field("day of the month", days, 1, 31, &[])?,
            months: parse_field("month", months, 1, 12, &MONTHS)?,
            weekdays: weekday_bits | (weekday_bits >> 7 & 1),
            either_day: !days.starts_with('*') && !weekdays.starts_with('*'),
        })
    }

    /// The first occurrence strictly after `now`; `None` if there is none for years
    /// (30 February).
    pub fn next_after(&self, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let (mut date, minutes) = local_minutes(now, zone);
        let mut from = minutes;
        for _ in 0..MAX_SEARCH_DAYS {
            if self.matches_date(date) {
                let mut start = from;
                while let Some(minute) = self.first_minute(start) {
                    let at = instant_at(zone, date, minute)?;
                    if at > now {
                        return Some(at);
                    }
                    start = minute + 1;
                }
            }
            date = date.tomorrow().ok()?;
            from = 0;
        }
        None
    }

    fn matches_date(&self, date: Date) -> bool {
        let day = self.days >> date.day() & 1 == 1;
        let weekday = self.weekdays >> date.weekday().to_sunday_zero_offset() & 1 == 1;
        let month = self.months >> date.month() & 1 == 1;
        month
            && if self.either_day {
                day || weekday
            } else {
                day && weekday
            }
    }

    /// First matching minute of a day at or after `from`.
    fn first_minute(&self, from: u16) -> Option<u16> {
        let (first_hour, first_minute) = (from / 60, from % 60);
        (first_hour..24)
            .filter(|hour| self.hours >> hour & 1 == 1)
            .find_map(|hour| {
                let start = if hour == first_hour { first_minute } else { 0 };
                let left = self.minutes >> start << start;
                (left != 0).then(|| hour * 60 + left.trailing_zeros() as u16)
            })
    }
}

fn parse_field(what: &str, text: &str, min: u32, max: u32, names: &[&str]) -> Result<u64, String> {
    let fail = |item: &str| format!("`{item}` is no {what} ({min} to {max})");
    let number = |item: &str| -> Result<u32, String> {
        let lower = item.to_ascii_lowercase();
        let found = names.iter().position(|name| *name == lower);
        let value = match found {
            // Weekday names start at 0, month names at 1: at the field's minimum.
            Some(at) => at as u32 + min,
            None => item.parse().map_err(|_| fail(item))?,
        };
        if (min..=max).contains(&value) {
            Ok(value)
        } else {
            Err(fail(item))
        }
    };
    let mut bits = 0_u64;
    for item in text.split(',') {
        let (range, step) = item.split_once('/').unwrap_or((item, "1"));
        let step: u32 = step
            .parse()
            .ok()
            .filter(|step| *step > 0)
            .ok_or_else(|| fail(item))?;
        let (first, last) = match range.split_once('-') {
            None if range == "*" => (min, max),
            None if item.contains('/') => (number(range)?, max),
            None => (number(range)?, number(range)?),
            Some((first, last)) => (number(first)?, number(last)?),
        };
        if first > last {
            return Err(format!("`{item}`: the range of the {what} runs backwards"));
        }
        let mut value = first;
        while value <= last {
            bits |= 1 << value;
            value += step;
        }
    }
    Ok(bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::zone;

    fn check(cron: &str, zone_name: &str, now: &str, expected: &str) {
        let schedule = Schedule::parse(cron).unwrap();
        let now = Timestamp::parse(now).unwrap();
        let next = schedule.next_after(now, &zone(zone_name).unwrap()).unwrap();
        assert_eq!(
            next,
            Timestamp::parse(expected).unwrap(),
            "{cron} after {now}"
        );
    }

    #[test]
    fn the_next_occurrence_is_strictly_after_now() {
        check(
            "0 9 * * *",
            "UTC",
            "2026-01-05T09:00:00Z",
            "2026-01-06T09:00:00Z",
        );
        check(
            "0 9 * * *",
            "UTC",
            "2026-01-05T08:59:59Z",
            "2026-01-05T09:00:00Z",
        );
        check(
            "*/15 * * * *",
            "UTC",
            "2026-01-05T09:01:00Z",
            "2026-01-05T09:15:00Z",
        );
        check(
            "30 8 1 * *",
            "UTC",
            "2026-01-05T09:00:00Z",
            "2026-02-01T08:30:00Z",
        );
        check(
            "0 9 * * mon-fri",
            "UTC",
            "2026-01-09T09:00:00Z",
            "2026-01-12T09:00:00Z",
        );
        check(
            "0 9 * * 7",
            "UTC",
            "2026-01-05T09:00:00Z",
            "2026-01-11T09:00:00Z",
        );
        check(
            "0 9 13 * fri",
            "UTC",
            "2026-01-05T09:00:00Z",
            "2026-01-09T09:00:00Z",
        );
        check(
            "0 0 29 feb *",
            "UTC",
            "2026-01-05T09:00:00Z",
            "2028-02-29T00:00:00Z",
        );
        check(
            "59 23 31 dec *",
            "UTC",
            "2026-12-31T23:59:00Z",
            "2027-12-31T23:59:00Z",
        );
    }

    #[test]
    fn schedules_follow_the_local_clock_across_daylight_saving() {
        let berlin = "Europe/Berlin";
        check(
            "0 9 * * *",
            berlin,
            "2026-03-28T12:00:00Z",
            "2026-03-29T07:00:00Z",
        );
        check(
            "30 2 * * *",
            berlin,
            "2026-03-28T12:00:00Z",
            "2026-03-29T01:00:00Z",
        );
        check(
            "30 2 * * *",
            berlin,
            "2026-10-24T12:00:00Z",
            "2026-10-25T00:30:00Z",
        );
        check(
            "30 2 * * *",
            berlin,
            "2026-10-25T00:30:00Z",
            "2026-10-26T01:30:00Z",
        );
    }

    #[test]
    fn a_wrong_schedule_says_which_field_is_wrong() {
        for (cron, words) in [
            ("0 9 * *", "five fields"),
            ("60 9 * * *", "no minute"),
            ("0 9-8 * * *", "backwards"),
            ("0 9 * foo *", "no month"),
            ("*/0 9 * * *", "no minute"),
        ] {
            let error = Schedule::parse(cron).unwrap_err();
            assert!(error.contains(words), "{cron}: {error}");
        }
        let never = Schedule::parse("0 0 30 feb *").unwrap();
        assert_eq!(never.next_after(Timestamp(0), &TimeZone::UTC), None);
    }
}
