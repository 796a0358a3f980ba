//! Headers beside the address fields: checked, encoded and folded.

use lettre::message::header::{HeaderName, HeaderValue};

use super::EmailError;

/// Longest custom header value, in bytes.
const HEADER_VALUE_MAX_BYTES: usize = 900;

/// Headers that the mail format or Tenure itself writes, in lower case.
const OWNED: [&str; 17] = [
    "from",
    "to",
    "cc",
    "bcc",
    "sender",
    "reply-to",
    "subject",
    "date",
    "message-id",
    "mime-version",
    "return-path",
    "received",
    "auto-submitted",
    "list-id",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "dkim-signature",
];

/// A header written by Tenure.
///
/// Printable ASCII is folded here at its spaces and never encoded: the library would wrap a long URL without spaces
/// into encoded words, which makes List-Unsubscribe unreadable for mail programs.
pub(super) fn raw_header(name: &str, value: String) -> Result<HeaderValue, EmailError> {
    let header_name =
        HeaderName::new_from_ascii(name.to_owned()).map_err(|_| refused(name, "bad name"))?;
    if value.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        let folded = fold(name.len() + 2, &value);
        return Ok(HeaderValue::dangerous_new_pre_encoded(
            header_name,
            value,
            folded,
        ));
    }
    Ok(HeaderValue::new(header_name, value))
}

/// A header asked for by the caller, refused when its name is owned or its value could break out of its line.
pub(super) fn custom_header(name: &str, value: &str) -> Result<HeaderValue, EmailError> {
    let lower = name.to_ascii_lowercase();
    if OWNED.contains(&lower.as_str()) || lower.starts_with("content-") {
        return Err(refused(name, "Tenure writes this header itself"));
    }
    let valid_name =
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !valid_name {
        return Err(refused(name, "a name has letters, digits and `-` only"));
    }
    raw_header(name, checked_value(name, value)?.to_owned())
}

/// Refuses what could end the header or its angle brackets.
pub(super) fn checked_value<'a>(name: &str, value: &'a str) -> Result<&'a str, EmailError> {
    if value.len() > HEADER_VALUE_MAX_BYTES {
        return Err(refused(name, "the value is over 900 bytes"));
    }
    if value.chars().any(char::is_control) {
        return Err(refused(
            name,
            "the value has a line break or control character",
        ));
    }
    Ok(value)
}

/// An absolute URL without anything that would end it early.
pub(super) fn checked_url<'a>(name: &str, url: &'a str) -> Result<&'a str, EmailError> {
    let url = checked_value(name, url)?;
    if !(url.starts_with("https://") || url.starts_with("http://")) {
        return Err(refused(name, "the URL must start with https:// or http://"));
    }
    if !url
        .bytes()
        .all(|b| b.is_ascii_graphic() && !b"<>,\"".contains(&b))
    {
        return Err(refused(
            name,
            "the URL has a space, `<`, `>`, `,` or is not ASCII",
        ));
    }
    Ok(url)
}

fn fold(name_bytes: usize, value: &str) -> String {
    const LINE_MAX_BYTES: usize = 76;
    let mut out = String::with_capacity(value.len() + 8);
    let mut line_bytes = name_bytes;
    for (index, word) in value.split(' ').enumerate() {
        let breaks = index > 0 && line_bytes + 1 + word.len() > LINE_MAX_BYTES && !word.is_empty();
        if breaks {
            out.push_str("\r\n ");
            line_bytes = 1;
        } else if index > 0 {
            out.push(' ');
            line_bytes += 1;
        }
        out.push_str(word);
        line_bytes += word.len();
    }
    out
}

fn refused(name: &str, why: &'static str) -> EmailError {
    EmailError::Header {
        name: name.chars().filter(|c| !c.is_control()).take(60).collect(),
        why,
    }
}
