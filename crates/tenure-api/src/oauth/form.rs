//! Forms of the OAuth endpoints.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tenure_app::access::oauth::OAuthError;

use crate::caller::text;

/// The most parameters of a form.
const PARAMETERS_MAX: usize = 50;

/// A form or query in which no parameter comes twice (RFC 6749, section 3.2).
pub(super) struct Form(BTreeMap<String, String>);

impl Form {
    /// Reads `application/x-www-form-urlencoded` text.
    pub(super) fn parse(text: &[u8]) -> Result<Self, OAuthError> {
        let mut pairs = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(text).take(PARAMETERS_MAX) {
            if pairs
                .insert(name.into_owned(), value.into_owned())
                .is_some()
            {
                return Err(OAuthError::InvalidRequest("a parameter comes twice"));
            }
        }
        Ok(Self(pairs))
    }

    /// A parameter; one without value is as good as none.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// A parameter of its own.
    pub(super) fn owned(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    /// A parameter that must be there.
    pub(super) fn need(&self, name: &str, missing: &'static str) -> Result<&str, OAuthError> {
        self.get(name).ok_or(OAuthError::InvalidRequest(missing))
    }
}

/// `client_id` and secret: from Basic authorization or from the form, not from both
/// (RFC 6749, section 2.3.1).
pub(super) fn credentials(
    headers: &HeaderMap,
    form: &Form,
) -> Result<(String, Option<String>), OAuthError> {
    let basic = text(headers, header::AUTHORIZATION.as_str())
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
    let Some((_, encoded)) = basic else {
        let id = form.owned("client_id").ok_or(OAuthError::InvalidClient)?;
        return Ok((id, form.owned("client_secret")));
    };
    if form.get("client_secret").is_some() {
        return Err(OAuthError::InvalidRequest(
            "the client authenticates in two ways at once",
        ));
    }
    let decoded = STANDARD
        .decode(encoded.trim())
        .map_err(|_| OAuthError::InvalidClient)?;
    let decoded = String::from_utf8(decoded).map_err(|_| OAuthError::InvalidClient)?;
    let (id, secret) = decoded.split_once(':').ok_or(OAuthError::InvalidClient)?;
    let (id, secret) = (decode(id), decode(secret));
    if form.get("client_id").is_some_and(|other| other != id) {
        return Err(OAuthError::InvalidRequest("two clients are named"));
    }
    Ok((id, Some(secret)))
}

/// One value in form encoding.
fn decode(text: &str) -> String {
    form_urlencoded::parse(format!("v={}", text.replace('&', "%26").replace('=', "%3D")).as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}
