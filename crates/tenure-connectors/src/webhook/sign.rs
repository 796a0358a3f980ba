//! Signatures by which a receiver knows that a webhook is ours: Standard Webhooks 1.0 (standardwebhooks.com).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac::{HMAC_SHA256, Key, sign};
use ring::rand::{SecureRandom, SystemRandom};
use thiserror::Error;

/// What a secret begins with.
const PREFIX: &str = "whsec_";
/// Fewest and most bytes of a secret, as the standard says.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The secret cannot be used. Says nothing about its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "a webhook secret is `whsec_` and 24 to 64 random bytes in base64; make one with `openssl rand -base64 32`"
)]
pub struct SecretError;

/// The secret that sender and receivers share. Does not print it.
#[derive(Clone)]
pub struct WebhookSecret(Key);

impl std::fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookSecret(..)")
    }
}

impl WebhookSecret {
    /// The text of a fresh secret of 32 random bytes; `None` when the system gives none.
    pub fn generate() -> Option<String> {
        let mut bytes = [0; 32];
        SystemRandom::new().fill(&mut bytes).ok()?;
        Some(format!("{PREFIX}{}", STANDARD.encode(bytes)))
    }

    /// Reads `whsec_<base64>`; the prefix may be missing.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let text = text.trim();
        let encoded = text.strip_prefix(PREFIX).unwrap_or(text);
        let bytes = STANDARD.decode(encoded).map_err(|_| SecretError)?;
        if !SECRET_BYTES.contains(&bytes.len()) {
            return Err(SecretError);
        }
        Ok(Self(Key::new(HMAC_SHA256, &bytes)))
    }

    /// The header `webhook-signature` for a message id, a time in seconds since 1970, and a body.
    pub(super) fn signature(&self, id: &str, at_s: u64, body: &str) -> String {
        let tag = sign(&self.0, format!("{id}.{at_s}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(tag.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_what_the_standards_own_libraries_make() {
        let secret = WebhookSecret::parse("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3").unwrap();
        let body = r#"{"type":"profile.churn_risk.high","data":{"id":"user-1"}}"#;
        assert_eq!(
            secret.signature("msg_1", 1_795_461_550, body),
            "v1,v19UNxHsr9BGZt2TsHqCP2lxzyo6WBMSQs+vxICM6Vg="
        );
    }

    #[test]
    fn secrets_that_are_short_or_not_base64_are_refused_and_none_is_printed() {
        assert!(WebhookSecret::parse("whsec_c2hvcnQ=").is_err());
        assert!(WebhookSecret::parse("whsec_!!!").is_err());
        let secret = WebhookSecret::parse("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3").unwrap();
        assert_eq!(format!("{secret:?}"), "WebhookSecret(..)");
    }
}
