//! Secrets in memory: usable, never printed.

use std::fmt;

use crate::redact_addresses;

/// Fewest digits in a row that may be somebody's telephone number.
const NUMBER_DIGITS_MIN: usize = 7;
/// Shortest secret that is looked for in a provider's words; a shorter one would cut ordinary words to pieces.
const SECRET_MIN_BYTES: usize = 4;

/// A key, token or password. Prints as `[secret]`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself, for the one place that sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// A provider's words, fit to be kept: without these secrets, addresses and telephone numbers, and short.
pub(super) fn scrub(words: &str, secrets: &[Secret]) -> String {
    let mut text = words.to_owned();
    for secret in secrets {
        if secret.0.len() >= SECRET_MIN_BYTES {
            text = text.replace(&secret.0, "[secret]");
        }
    }
    redact_addresses(&without_numbers(&text))
}

fn without_numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let run = rest[start..]
            .find(|c: char| !c.is_ascii_digit())
            .map_or(rest.len(), |length| start + length);
        out.push_str(&rest[..start]);
        if run - start >= NUMBER_DIGITS_MIN {
            out.push_str("[number]");
        } else {
            out.push_str(&rest[start..run]);
        }
        rest = &rest[run..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_addresses_and_telephone_numbers_leave_a_providers_words() {
        let secrets = [Secret::new("pat-abc-1"), Secret::new("a")];
        assert_eq!(
            scrub(
                "token pat-abc-1 of a@example.com, +15005550006, code 21610",
                &secrets
            ),
            "token [secret] of [address], +[number], code 21610"
        );
        assert_eq!(format!("{:?}", secrets[0]), "[secret]");
    }
}
