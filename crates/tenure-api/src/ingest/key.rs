//! The write key of a request.

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use crate::problem::{Code, Problem};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The key in the `Authorization` header: the user name of Basic (as Segment's libraries send it)
/// or a Bearer token. `None` without the header.
pub(super) fn from_headers(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let key = value.to_str().ok().and_then(|text| {
        let (scheme, rest) = text.trim().split_once(' ')?;
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("bearer") {
            return Some(rest.to_owned());
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let pair = String::from_utf8(BASE64.decode(rest).ok()?).ok()?;
        Some(pair.split(':').next().unwrap_or_default().to_owned())
    });
    match key {
        Some(key) => Ok(Some(key).filter(|key| !key.is_empty())),
        None => Err(refused("the `Authorization` header cannot be read")),
    }
}

/// No entry.
pub(super) fn refused(detail: &str) -> Problem {
    Problem::new(Code::Unauthorized, detail).fix(
        "send the write key that `tenure init` printed as Basic user name with an empty password, or as `writeKey` in the body",
    )
}
