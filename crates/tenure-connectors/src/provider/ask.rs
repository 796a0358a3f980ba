//! One request to a provider, as data.

use serde_json::Value;

use super::secret::Secret;

/// HTTP methods that providers use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

/// A body.
#[derive(Debug, Clone)]
pub(super) enum Payload {
    None,
    Json(Value),
    Form(String),
}

/// One request. Its path is relative to the provider's base URL. Prints no more than method and first path segments.
#[derive(Clone)]
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) payload: Payload,
}

impl Ask {
    pub(super) fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            payload: Payload::None,
        }
    }

    pub(super) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::Get, path)
    }

    pub(super) fn post(path: impl Into<String>, body: Value) -> Self {
        Self::new(Method::Post, path).json(body)
    }

    pub(super) fn json(mut self, body: Value) -> Self {
        self.payload = Payload::Json(body);
        self
    }

    /// A form of `application/x-www-form-urlencoded`.
    pub(super) fn form(mut self, pairs: &[(&str, &str)]) -> Self {
        self.payload = Payload::Form(pairs_text(pairs));
        self
    }

    pub(super) fn query(mut self, pairs: &[(&str, &str)]) -> Self {
        self.path
            .push(if self.path.contains('?') { '&' } else { '?' });
        self.path.push_str(&pairs_text(pairs));
        self
    }
}

/// How a connector shows who it is.
pub(super) enum Access {
    /// The URL or the body says it.
    None,
    /// A header that stays the same.
    Header(&'static str, Secret),
    /// A token that is asked for, and asked for again when it has expired.
    Fetched(Box<dyn Fn() -> Ask + Send + Sync>),
}

/// `text` with everything but unreserved characters (RFC 3986, section 2.3) percent-encoded; right for path segments,
/// queries and forms alike.
pub(super) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn pairs_text(pairs: &[(&str, &str)]) -> String {
    pairs
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect::<Vec<_>>()
        .join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_encoded_and_joined() {
        let ask = Ask::get("/a")
            .query(&[("page[size]", "1 0")])
            .query(&[("b", "ü&")]);
        assert_eq!(ask.path, "/a?page%5Bsize%5D=1%200&b=%C3%BC%26");
    }
}
