//! Reading one value of a row.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;
use tenure_core::time::{MAX_TIMESTAMP, MIN_TIMESTAMP, Timestamp};

use super::mapping::ValueType;

/// A value as its type wants it; the error says what was expected, without repeating what was there.
pub(super) fn read(
    raw: &Value,
    kind: ValueType,
    format: Option<&str>,
    zone: &TimeZone,
) -> Result<Value, String> {
    match kind {
        ValueType::Text => Ok(text(raw)),
        ValueType::Number => number(raw).ok_or_else(|| {
            "is not a number (a decimal point, no separators of thousands)".to_owned()
        }),
        ValueType::Flag => flag(raw)
            .map(Value::from)
            .ok_or_else(|| "is neither true nor false".to_owned()),
        ValueType::Date => instant(raw, format, zone).map(|at| Value::from(at.to_string())),
    }
}

/// An instant; `format` as `strptime` has it, or `unix` (seconds) or `unix_ms`.
pub(super) fn instant(
    raw: &Value,
    format: Option<&str>,
    zone: &TimeZone,
) -> Result<Timestamp, String> {
    let wrong = || match format {
        Some(format) => format!("is not a date of the form `{format}`"),
        None => {
            "is not a date (write `format:` if it is not like 2026-03-01 or 2026-03-01T10:00:00Z)"
                .to_owned()
        }
    };
    let text = text(raw);
    let text = text.as_str().unwrap_or_default().trim();
    let at = match format {
        Some("unix") => text
            .parse::<f64>()
            .ok()
            .map(|seconds| Timestamp((seconds * 1_000.0) as i64)),
        Some("unix_ms") => text.parse().ok().map(Timestamp),
        Some(format) => with_format(text, format, zone),
        None => plain(text, zone),
    };
    at.filter(|at| (MIN_TIMESTAMP..=MAX_TIMESTAMP).contains(at))
        .ok_or_else(wrong)
}

fn with_format(text: &str, format: &str, zone: &TimeZone) -> Option<Timestamp> {
    if let Ok(at) = jiff::Timestamp::strptime(format, text) {
        return Some(at.into());
    }
    let local = DateTime::strptime(format, text)
        .or_else(|_| {
            jiff::civil::Date::strptime(format, text)
                .map(|date| date.to_datetime(jiff::civil::Time::midnight()))
        })
        .ok()?;
    in_zone(local, zone)
}

fn plain(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Some(at.into());
    }
    in_zone(text.parse().ok()?, zone)
}

fn in_zone(local: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    Some(
        local
            .to_zoned_datetime(zone.clone())
            .ok()?
            .timestamp()
            .into(),
    )
}

fn text(raw: &Value) -> Value {
    match raw {
        Value::String(_) | Value::Array(_) | Value::Object(_) | Value::Null => raw.clone(),
        other => Value::from(other.to_string()),
    }
}

fn number(raw: &Value) -> Option<Value> {
    match raw {
        Value::Number(_) => Some(raw.clone()),
        Value::String(text) => {
            let text = text.trim();
            let whole = text.parse::<i64>().map(Value::from).ok();
            whole.or_else(|| {
                text.parse::<f64>()
                    .ok()
                    .filter(|number| number.is_finite())
                    .map(Value::from)
            })
        }
        _ => None,
    }
}

fn flag(raw: &Value) -> Option<bool> {
    let text = match raw {
        Value::Bool(flag) => return Some(*flag),
        other => text(other),
    };
    match text.as_str()?.trim().to_lowercase().as_str() {
        "true" | "yes" | "y" | "t" | "1" => Some(true),
        "false" | "no" | "n" | "f" | "0" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, format: Option<&str>, zone: &str) -> Result<String, String> {
        instant(&Value::from(text), format, &TimeZone::get(zone).unwrap()).map(|at| at.to_string())
    }

    #[test]
    fn dates_are_read_in_their_zone_and_form() {
        assert_eq!(
            at("2023-12-23", None, "UTC").unwrap(),
            "2023-12-23T00:00:00.000Z"
        );
        assert_eq!(
            at("2023-07-28 03:00", None, "Europe/Vienna").unwrap(),
            "2023-07-28T01:00:00.000Z"
        );
        assert_eq!(
            at("2023-07-28T03:00:00+05:00", None, "Europe/Vienna").unwrap(),
            "2023-07-27T22:00:00.000Z"
        );
        assert_eq!(
            at("28.07.2023", Some("%d.%m.%Y"), "UTC").unwrap(),
            "2023-07-28T00:00:00.000Z"
        );
        assert_eq!(
            at("1767225600", Some("unix"), "UTC").unwrap(),
            "2026-01-01T00:00:00.000Z"
        );
        assert!(
            at("yesterday", None, "UTC")
                .unwrap_err()
                .contains("is not a date")
        );
        assert_eq!(
            at("x", Some("%Y"), "UTC").unwrap_err(),
            "is not a date of the form `%Y`"
        );
    }

    #[test]
    fn numbers_keep_whole_numbers_whole_and_refuse_everything_else() {
        let read = |text: &str| read(&Value::from(text), ValueType::Number, None, &TimeZone::UTC);
        assert_eq!(read("9").unwrap(), serde_json::json!(9));
        assert_eq!(read(" 4.03 ").unwrap(), serde_json::json!(4.03));
        assert!(read("1,000").is_err());
        assert!(read("NaN").is_err());
    }

    #[test]
    fn flags_know_the_usual_words() {
        let read = |text: &str| read(&Value::from(text), ValueType::Flag, None, &TimeZone::UTC);
        assert_eq!(read("True").unwrap(), Value::from(true));
        assert_eq!(read("no").unwrap(), Value::from(false));
        assert!(read("perhaps").is_err());
    }
}
