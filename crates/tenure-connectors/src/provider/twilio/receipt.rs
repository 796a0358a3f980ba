//! What Twilio reports: what became of a message, and what people answer.
//!
//! Source: <https://www.twilio.com/docs/usage/webhooks/webhooks-security> (signature),
//! <https://www.twilio.com/docs/messaging/guides/track-outbound-message-status>,
//! <https://help.twilio.com/articles/223134027> (STOP and START).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY, Key, sign as hmac, verify};
use thiserror::Error;

use crate::provider::secret::Secret;

/// Words by which a recipient refuses further messages.
const STOP_WORDS: [&str; 8] = [
    "stop",
    "stopall",
    "unsubscribe",
    "cancel",
    "end",
    "quit",
    "revoke",
    "optout",
];
/// Words by which a recipient takes that back.
const START_WORDS: [&str; 3] = ["start", "unstop", "yes"];
/// Words by which a recipient asks what this is.
const HELP_WORDS: [&str; 2] = ["help", "info"];

/// A report.
#[derive(Clone, PartialEq, Eq)]
pub enum Receipt {
    /// What became of a message of ours.
    Sent {
        /// Twilio's id of the message.
        sid: String,
        /// What became of it.
        status: Status,
        /// Twilio's code of an error.
        error_code: Option<u32>,
    },
    /// Somebody wrote to our number.
    Received {
        /// Twilio's id of the message.
        sid: String,
        /// Their number.
        from: String,
        /// Whether they refuse or allow messages.
        choice: Option<Choice>,
    },
}

impl std::fmt::Debug for Receipt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sent { sid, status, .. } => write!(f, "Sent({sid}, {status:?})"),
            Self::Received { sid, choice, .. } => write!(f, "Received({sid}, {choice:?})"),
        }
    }
}

/// How far a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// On its way.
    Underway,
    /// Handed to the carrier.
    Sent,
    /// On the recipient's telephone.
    Delivered,
    /// It did not arrive.
    Failed,
}

/// What a recipient wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// No more messages.
    Stop,
    /// Messages again.
    Start,
    /// To know what this is.
    Help,
}

/// A report that is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ReceiptError {
    /// Not from Twilio, or for another address than the one that is set.
    #[error(
        "the signature does not fit; check auth_token, and that Twilio calls exactly the public address of this server"
    )]
    Signature,
    /// A field that Twilio always sends is missing.
    #[error("`{0}` is missing")]
    Missing(&'static str),
}

/// The header `X-Twilio-Signature` of a POST of these fields to this address.
pub fn sign(auth_token: &Secret, url: &str, fields: &[(String, String)]) -> String {
    STANDARD.encode(hmac(&key(auth_token), &signed_text(url, fields)).as_ref())
}

/// Checks a POST of Twilio's and reads it. `url` is the whole address, query and all, as Twilio called it.
pub fn read_receipt(
    auth_token: &Secret,
    url: &str,
    fields: &[(String, String)],
    signature: &str,
) -> Result<Receipt, ReceiptError> {
    let signature = STANDARD
        .decode(signature)
        .map_err(|_| ReceiptError::Signature)?;
    verify(&key(auth_token), &signed_text(url, fields), &signature)
        .map_err(|_| ReceiptError::Signature)?;
    let field = |name: &'static str| {
        fields
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    };
    let sid = field("MessageSid").or_else(|| field("SmsSid"));
    let sid = sid.ok_or(ReceiptError::Missing("MessageSid"))?.to_owned();
    if let Some(status) = field("MessageStatus") {
        return Ok(Receipt::Sent {
            sid,
            status: read_status(status),
            error_code: field("ErrorCode").and_then(|code| code.parse().ok()),
        });
    }
    let from = field("From").ok_or(ReceiptError::Missing("From"))?;
    Ok(Receipt::Received {
        sid,
        from: from.to_owned(),
        choice: choice(field("OptOutType"), field("Body").unwrap_or_default()),
    })
}

fn key(auth_token: &Secret) -> Key {
    Key::new(
        HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        auth_token.reveal().as_bytes(),
    )
}

/// The address, then names and values in the order of the names.
fn signed_text(url: &str, fields: &[(String, String)]) -> Vec<u8> {
    let mut sorted: Vec<&(String, String)> = fields.iter().collect();
    sorted.sort();
    let mut text = url.to_owned();
    for (name, value) in sorted {
        text.push_str(name);
        text.push_str(value);
    }
    text.into_bytes()
}

fn read_status(status: &str) -> Status {
    match status {
        "sent" => Status::Sent,
        "delivered" | "read" => Status::Delivered,
        "undelivered" | "failed" | "canceled" => Status::Failed,
        _ => Status::Underway,
    }
}

/// Twilio's own reading counts for more than the words.
fn choice(told: Option<&str>, body: &str) -> Option<Choice> {
    let word = told.unwrap_or(body).trim().to_lowercase();
    let word = word.as_str();
    if STOP_WORDS.contains(&word) {
        Some(Choice::Stop)
    } else if START_WORDS.contains(&word) {
        Some(Choice::Start)
    } else if HELP_WORDS.contains(&word) {
        Some(Choice::Help)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://hooks.example.com/twilio?message=msg_1";

    fn fields(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn read(pairs: &[(&str, &str)]) -> Result<Receipt, ReceiptError> {
        let (token, fields) = (Secret::new("token"), fields(pairs));
        read_receipt(&token, URL, &fields, &sign(&token, URL, &fields))
    }

    /// The example of Twilio's own description of its signatures.
    #[test]
    fn the_published_example_has_its_published_signature() {
        let fields = fields(&[
            ("CallSid", "CA1234567890ABCDE"),
            ("Caller", "+14158675309"),
            ("Digits", "1234"),
            ("From", "+14158675309"),
            ("To", "+18005551212"),
        ]);
        let url = "https://mycompany.com/myapp.php?foo=1&bar=2";
        let signature = sign(&Secret::new("12345"), url, &fields);
        assert_eq!(signature, "RSOYDt4T1cUTdK1PDd93/VVr8B8=");
    }

    #[test]
    fn a_signature_is_what_twilios_own_libraries_make() {
        let fields = fields(&[("MessageStatus", "delivered"), ("MessageSid", "SM1")]);
        assert_eq!(
            sign(&Secret::new("token"), "https://e.com/twilio", &fields),
            "+RsQ+rYvEI5BqSh6GYGh0VvloGU="
        );
    }

    #[test]
    fn a_report_with_another_address_field_or_token_is_refused() {
        let token = Secret::new("token");
        let honest = fields(&[("MessageSid", "SM1"), ("MessageStatus", "sent")]);
        let signature = sign(&token, URL, &honest);
        assert!(read_receipt(&token, URL, &honest, &signature).is_ok());
        let forged = fields(&[("MessageSid", "SM2"), ("MessageStatus", "sent")]);
        for (token, url, fields, signature) in [
            (&token, URL, &forged, signature.as_str()),
            (
                &token,
                "https://hooks.example.com/twilio",
                &honest,
                &signature,
            ),
            (&Secret::new("other"), URL, &honest, &signature),
            (&token, URL, &honest, ""),
            (&token, URL, &honest, "not base64!"),
        ] {
            assert_eq!(
                read_receipt(token, url, fields, signature),
                Err(ReceiptError::Signature)
            );
        }
    }

    #[test]
    fn what_became_of_a_message_is_read() {
        for (status, read_as) in [
            ("queued", Status::Underway),
            ("sent", Status::Sent),
            ("delivered", Status::Delivered),
            ("undelivered", Status::Failed),
        ] {
            let receipt = read(&[
                ("MessageSid", "SM1"),
                ("MessageStatus", status),
                ("ErrorCode", "30003"),
            ]);
            let expected = Receipt::Sent {
                sid: "SM1".into(),
                status: read_as,
                error_code: Some(30_003),
            };
            assert_eq!(receipt, Ok(expected));
        }
        assert_eq!(
            read(&[("MessageStatus", "sent")]),
            Err(ReceiptError::Missing("MessageSid"))
        );
    }

    #[test]
    fn stop_and_start_are_understood_alone_and_only_alone() {
        for (body, told, wanted) in [
            (" Stop ", None, Some(Choice::Stop)),
            ("UNSUBSCRIBE", None, Some(Choice::Stop)),
            ("start", None, Some(Choice::Start)),
            ("help", None, Some(Choice::Help)),
            ("please do not stop", None, None),
            ("arret", Some("STOP"), Some(Choice::Stop)),
        ] {
            let mut pairs = vec![
                ("MessageSid", "SM2"),
                ("From", "+15005550006"),
                ("Body", body),
            ];
            pairs.extend(told.map(|told| ("OptOutType", told)));
            let Ok(Receipt::Received { choice, .. }) = read(&pairs) else {
                panic!("{body}");
            };
            assert_eq!(choice, wanted, "{body}");
        }
    }
}
