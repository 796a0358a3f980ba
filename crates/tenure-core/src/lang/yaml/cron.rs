//! The form of a schedule: cron of five fields.

/// A field's name, range and words.
struct Field {
    name: &'static str,
    min: u8,
    max: u8,
    words: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field {
        name: "minute",
        min: 0,
        max: 59,
        words: &[],
    },
    Field {
        name: "hour",
        min: 0,
        max: 23,
        words: &[],
    },
    Field {
        name: "day of the month",
        min: 1,
        max: 31,
        words: &[],
    },
    Field {
        name: "month",
        min: 1,
        max: 12,
        words: &[
            "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
        ],
    },
    Field {
        name: "weekday",
        min: 0,
        max: 7,
        words: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
    },
];

/// What is wrong with a schedule, if anything: `minute hour day month weekday`, each `*`, a
/// number, a word (`MON`, `JAN`), a range `1-5`, a step `*/15`, or several with commas.
pub(super) fn complaint(schedule: &str) -> Option<String> {
    let parts: Vec<&str> = schedule.split_whitespace().collect();
    if parts.len() != FIELDS.len() {
        return Some(format!(
            "a schedule has five fields (minute, hour, day, month, weekday), and this has {}",
            parts.len()
        ));
    }
    FIELDS
        .iter()
        .zip(parts)
        .find(|(field, part)| !part.split(',').all(|item| fits(field, item)))
        .map(|(field, part)| format!("`{part}` is no {}", field.name))
}

fn fits(field: &Field, item: &str) -> bool {
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (item, None),
    };
    let step_fits = step.is_none_or(|step| {
        step.parse::<u8>()
            .is_ok_and(|step| step > 0 && step <= field.max)
    });
    let range_fits = range == "*"
        || match range.split_once('-') {
            Some((from, until)) => match (number(field, from), number(field, until)) {
                (Some(from), Some(until)) => from <= until,
                _ => false,
            },
            None => number(field, range).is_some(),
        };
    step_fits && range_fits
}

fn number(field: &Field, text: &str) -> Option<u8> {
    let word = field
        .words
        .iter()
        .position(|word| word.eq_ignore_ascii_case(text));
    if let Some(at) = word {
        return Some(field.min + at as u8);
    }
    let digits = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|number| digits && (field.min..=field.max).contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_checked_field_by_field() {
        for good in [
            "0 9 * * MON",
            "*/15 8-17 1,15 JAN-MAR 1-5",
            "0 0 31 12 7",
            "5/10 * * * sun",
        ] {
            assert_eq!(complaint(good), None, "{good}");
        }
        for (bad, said) in [
            ("0 9 * *", "has 4"),
            ("60 9 * * *", "`60` is no minute"),
            ("0 9 * * FUN", "`FUN` is no weekday"),
            ("0 9 0 * *", "`0` is no day of the month"),
            ("0 17-9 * * *", "`17-9` is no hour"),
            ("*/0 * * * *", "`*/0` is no minute"),
            ("1,, * * * *", "`1,,` is no minute"),
        ] {
            let found = complaint(bad).unwrap_or_default();
            assert!(found.contains(said), "{bad}: {found}");
        }
    }
}
