//! Times as providers write them.

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use serde_json::Value;
use ureq::http::{HeaderMap, header};

/// An instant in milliseconds since 1970 out of RFC 3339 text. Salesforce writes the offset as `+0000`, which is read,
/// too.
pub(super) fn parse_ms(text: &str) -> Option<i64> {
    let parsed = text.parse::<Timestamp>().ok();
    let parsed = parsed.or_else(|| Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", text).ok());
    parsed.map(Timestamp::as_millisecond)
}

/// An instant out of a JSON value: text, or a number of seconds since 1970.
pub(super) fn value_ms(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => parse_ms(text),
        Value::Number(seconds) => seconds.as_i64()?.checked_mul(1_000),
        _ => None,
    }
}

/// RFC 3339 in UTC.
pub(super) fn format_ms(ms: i64) -> String {
    Timestamp::from_millisecond(ms)
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
        .to_string()
}

/// The pause that `Retry-After` asks for (RFC 9110, section 10.2.3: seconds or a date), in milliseconds.
pub(super) fn retry_after_ms(headers: &HeaderMap, now_ms: i64) -> Option<i64> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return (seconds >= 0.0).then_some((seconds * 1_000.0).ceil() as i64);
    }
    let at = rfc2822::parse(text).ok()?.timestamp().as_millisecond();
    Some((at - now_ms).max(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_times_are_read_and_written() {
        for text in [
            "2026-11-23T19:19:10.250Z",
            "2026-11-23T19:19:10.250+0000",
            "2026-11-23T20:19:10.250+01:00",
        ] {
            assert_eq!(parse_ms(text), Some(1_795_461_550_250), "{text}");
        }
        assert_eq!(parse_ms("yesterday"), None);
        assert_eq!(format_ms(1_795_461_550_250), "2026-11-23T19:19:10.250Z");
        assert_eq!(value_ms(&Value::from(5)), Some(5_000));
    }

    #[test]
    fn a_pause_is_read_as_seconds_or_as_a_date() {
        let pause = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, text.parse().unwrap());
            retry_after_ms(&headers, 1_795_461_550_250)
        };
        assert_eq!(pause("3"), Some(3_000));
        assert_eq!(pause("0.5"), Some(500));
        assert_eq!(pause("Mon, 23 Nov 2026 19:19:12 GMT"), Some(1_750));
        assert_eq!(pause("soon"), None);
        assert_eq!(pause("-1"), None);
    }
}
