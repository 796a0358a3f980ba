//! What serde does not look at in JSON that is kept as text: depth, NUL, halves of surrogate pairs
//! and numbers out of range.

use std::borrow::Cow;

use super::limits::MAX_DEPTH;

/// From so many digits on a number may be out of range (the largest has 309).
const LONG_NUMBER_DIGITS: usize = 300;

/// Checks the text of a JSON value and gives it back as it may be kept. Half a surrogate pair (a
/// text cut in the middle of an emoji) becomes U+FFFD; other faults are told in words.
///
/// The text must be syntactically valid JSON.
pub(super) fn screen(json: &str) -> Result<Cow<'_, str>, String> {
    let bytes = json.as_bytes();
    let mut depth = 0_usize;
    let mut in_text = false;
    let mut halves: Vec<usize> = Vec::new();
    let mut digit_count = 0_usize;
    let mut large_numbers = false;
    let mut at = 0;
    while at < bytes.len() {
        match (in_text, bytes[at]) {
            (_, b'"') => in_text = !in_text,
            (true, b'\\') => {
                at += 1;
                if bytes.get(at) == Some(&b'u') {
                    at = escape(bytes, at, &mut halves)?;
                }
            }
            (false, b'{' | b'[') => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(format!(
                        "is nested deeper than {MAX_DEPTH} levels; flatten it"
                    ));
                }
            }
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            (false, b'0'..=b'9') => {
                digit_count += 1;
                large_numbers |= digit_count > LONG_NUMBER_DIGITS;
            }
            (false, b'e' | b'E') => large_numbers |= digit_count > 0,
            (false, b',' | b':') => digit_count = 0,
            _ => {}
        }
        at += 1;
    }
    if large_numbers && serde_json::from_str::<serde_json::Value>(json).is_err() {
        return Err("holds a number out of range; send it as text".into());
    }
    if halves.is_empty() {
        return Ok(Cow::Borrowed(json));
    }
    let mut mended = json.to_owned();
    for start in halves {
        mended.replace_range(start..start + 4, "fffd");
    }
    Ok(Cow::Owned(mended))
}

/// Looks at an escape whose `u` stands at `at`; answers the place of its last byte.
fn escape(bytes: &[u8], at: usize, halves: &mut Vec<usize>) -> Result<usize, String> {
    let Some(unit) = code_unit(bytes, at + 1) else {
        return Ok(at);
    };
    match unit {
        0 => Err("holds a NUL character; remove it".into()),
        0xd800..=0xdbff => {
            let low = (bytes.get(at + 5..at + 7) == Some(b"\\u"))
                .then(|| code_unit(bytes, at + 7))
                .flatten();
            if low.is_some_and(|low| (0xdc00..=0xdfff).contains(&low)) {
                return Ok(at + 10);
            }
            halves.push(at + 1);
            Ok(at + 4)
        }
        0xdc00..=0xdfff => {
            halves.push(at + 1);
            Ok(at + 4)
        }
        _ => Ok(at + 4),
    }
}

fn code_unit(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = std::str::from_utf8(bytes.get(at..at + 4)?).ok()?;
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_json_passes_as_it_is() {
        for json in [
            "{}",
            r#"{"a":[1,{"b":"c"}]}"#,
            r#"{"a":"\\u0000 and \" and {"}"#,
            r#"{"a":"\ud83d\ude00"}"#,
        ] {
            assert_eq!(screen(json), Ok(Cow::Borrowed(json)));
        }
    }

    #[test]
    fn a_nul_and_too_deep_nesting_are_told() {
        assert!(screen(r#"{"a":"\u0000"}"#).unwrap_err().contains("NUL"));
        let deep = format!("{}{}", "[".repeat(33), "]".repeat(33));
        assert!(screen(&deep).unwrap_err().contains("32 levels"));
        let just = format!("{}{}", "[".repeat(32), "]".repeat(32));
        assert!(screen(&just).is_ok());
    }

    #[test]
    fn a_number_out_of_range_is_told() {
        assert!(screen(r#"{"a":1e999}"#).unwrap_err().contains("range"));
        let long = format!("[true,{}]", "9".repeat(400));
        assert!(screen(&long).unwrap_err().contains("range"));
        assert!(screen(r#"{"a":1e9,"b":[1,true,false]}"#).is_ok());
    }

    #[test]
    fn half_a_surrogate_pair_becomes_the_replacement_character() {
        let mended = screen(r#"{"a":"\ud83d","b":"\ude00x","c":"\ud83d\ud83d\ude00"}"#).unwrap();
        assert_eq!(
            mended,
            r#"{"a":"\ufffd","b":"\ufffdx","c":"\ufffd\ud83d\ude00"}"#
        );
        assert!(serde_json::from_str::<serde_json::Value>(&mended).is_ok());
    }
}
