//! One outgoing e-mail: from its parts to RFC 5322 bytes and an envelope.

mod dkim;
mod headers;

pub use dkim::{DkimError, DkimSigner};

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, UNIX_EPOCH};

use lettre::address::Envelope;
use lettre::message::header::{Date, MIME_VERSION_1_0};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};
use thiserror::Error;

use headers::{checked_url, checked_value, raw_header};

/// Longest message id, in bytes. It becomes the left part of a Message-ID.
const MESSAGE_ID_MAX_BYTES: usize = 128;
/// Longest subject, in bytes after control characters are dropped.
const SUBJECT_MAX_BYTES: usize = 998;

/// Why an e-mail cannot be put together. None of these is cured by trying again.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum EmailError {
    /// The field does not hold one address. The address itself is not repeated.
    #[error(
        "`{field}` is not an e-mail address; write `name@example.com` or `Name <name@example.com>`"
    )]
    Address {
        /// Name of the field.
        field: &'static str,
    },
    /// The tenure message id has a character that may not stand in a Message-ID.
    #[error(
        "message id is empty, over 128 bytes or has characters other than letters, digits, `_`, `-` and `.`"
    )]
    MessageId,
    /// A header that Tenure writes itself, or that is malformed.
    #[error("header `{name}` cannot be set: {why}")]
    Header {
        /// Its name.
        name: String,
        /// What is wrong.
        why: &'static str,
    },
    /// The mail library refused the parts.
    #[error("the e-mail cannot be built: {0}")]
    Build(String),
}

/// An address with an optional display name, as `Name <name@example.com>`.
/// Does not print itself.
#[derive(Clone, PartialEq, Eq)]
pub struct EmailAddress(Mailbox);

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailAddress(..)")
    }
}

impl EmailAddress {
    /// Puts a name and a bare address together. Control characters in the name are dropped.
    pub fn new(name: Option<&str>, address: &str) -> Result<Self, EmailError> {
        let address = Address::from_str(address.trim())
            .map_err(|_| EmailError::Address { field: "address" })?;
        let name = name
            .map(|name| name.chars().filter(|c| !c.is_control()).collect::<String>())
            .filter(|name| !name.trim().is_empty());
        Ok(Self(Mailbox::new(name, address)))
    }

    /// Reads `name@example.com` or `Name <name@example.com>`; `field` names the place for the error.
    pub fn parse(field: &'static str, text: &str) -> Result<Self, EmailError> {
        if text.chars().any(char::is_control) {
            return Err(EmailError::Address { field });
        }
        text.parse()
            .map(Self)
            .map_err(|_| EmailError::Address { field })
    }

    /// The part behind the `@`.
    pub fn domain(&self) -> &str {
        self.0.email.domain()
    }
}

/// The ways to leave a list that a mail program offers beside the message (RFC 2369, RFC 8058).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsubscribe {
    /// An https URL that unsubscribes on POST without any further question.
    pub one_click_url: String,
    /// A mailbox that unsubscribes whoever writes to it, without `mailto:`.
    pub mailto: Option<String>,
}

/// Everything that makes up one e-mail to one recipient. Prints its message id only.
#[derive(Clone, PartialEq, Eq)]
pub struct OutgoingEmail {
    /// Tenure's id of the message (`msg_...`). The Message-ID and the MIME boundary derive from it.
    pub message_id: String,
    /// Author.
    pub from: EmailAddress,
    /// The one recipient.
    pub to: EmailAddress,
    /// Where answers go, if not to the author.
    pub reply_to: Option<EmailAddress>,
    /// Where delivery reports go (the envelope sender); the author's address if absent.
    pub bounces_to: Option<EmailAddress>,
    /// Subject, any Unicode text.
    pub subject: String,
    /// HTML part.
    pub html: String,
    /// Plain text part.
    pub text: String,
    /// How to leave the list; absent for transactional mail.
    pub unsubscribe: Option<Unsubscribe>,
    /// List-Id (RFC 2919), such as `product-tips.example.com`.
    pub list_id: Option<String>,
    /// Feedback-ID, up to four parts joined by `:`, by which mailbox providers group complaint rates.
    pub feedback_id: Option<String>,
    /// Further headers. Names that Tenure or the mail format owns are refused.
    pub headers: Vec<(String, String)>,
}

impl fmt::Debug for OutgoingEmail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutgoingEmail")
            .field("message_id", &self.message_id)
            .finish_non_exhaustive()
    }
}

/// An e-mail ready to hand over: envelope and bytes. Does not print its content.
#[derive(Clone)]
pub struct PreparedEmail {
    message_id: String,
    envelope: Envelope,
    bytes: Vec<u8>,
}

impl fmt::Debug for PreparedEmail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedEmail")
            .field("message_id", &self.message_id)
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

impl PreparedEmail {
    /// Tenure's id of the message.
    pub fn message_id(&self) -> &str {
        &self.message_id
    }

    /// The RFC 5322 message with CRLF line ends.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Envelope sender.
    pub(crate) fn sender(&self) -> Option<&Address> {
        self.envelope.from()
    }

    /// The one envelope recipient.
    pub(crate) fn recipient(&self) -> Option<&Address> {
        self.envelope.to().first()
    }

    /// Whether the envelope needs SMTPUTF8 (RFC 6531).
    pub(crate) fn needs_smtputf8(&self) -> bool {
        let is_ascii = |address: &Address| AsRef::<str>::as_ref(address).is_ascii();
        !self
            .sender()
            .into_iter()
            .chain(self.recipient())
            .all(is_ascii)
    }
}

impl OutgoingEmail {
    /// Builds the message, dated `sent_at_ms` (milliseconds since 1970), and signs it if a signer is given.
    ///
    /// The same arguments give the same bytes, except for the signing time that a DKIM signature carries.
    pub fn prepare(
        &self,
        sent_at_ms: u64,
        signer: Option<&DkimSigner>,
    ) -> Result<PreparedEmail, EmailError> {
        check_message_id(&self.message_id)?;
        let date = UNIX_EPOCH + Duration::from_secs(sent_at_ms / 1_000);
        let envelope_from = self.bounces_to.as_ref().unwrap_or(&self.from);
        let envelope = Envelope::new(
            Some(envelope_from.0.email.clone()),
            vec![self.to.0.email.clone()],
        )
        .map_err(|error| EmailError::Build(error.to_string()))?;
        let mut builder = Message::builder()
            .envelope(envelope.clone())
            .header(Date::from(date))
            .from(self.from.0.clone())
            .to(self.to.0.clone())
            .subject(one_line(&self.subject))
            .message_id(Some(rfc_message_id(&self.message_id, self.from.domain())))
            .header(MIME_VERSION_1_0);
        if let Some(reply_to) = &self.reply_to {
            builder = builder.reply_to(reply_to.0.clone());
        }
        for header in self.list_headers()? {
            builder = builder.raw_header(header);
        }
        let mut message = builder
            .multipart(self.body())
            .map_err(|error| EmailError::Build(error.to_string()))?;
        if let Some(signer) = signer {
            signer.sign(&mut message);
        }
        Ok(PreparedEmail {
            message_id: self.message_id.clone(),
            envelope,
            bytes: message.formatted(),
        })
    }

    fn body(&self) -> MultiPart {
        let digest = blake3::hash(self.message_id.as_bytes()).to_hex();
        MultiPart::alternative()
            .boundary(format!("tenure-{}", &digest[..32]))
            .singlepart(SinglePart::plain(crlf(&self.text)))
            .singlepart(SinglePart::html(crlf(&self.html)))
    }

    fn list_headers(&self) -> Result<Vec<lettre::message::header::HeaderValue>, EmailError> {
        // RFC 3834: written by a program, so that out-of-office answers are not sent back.
        let mut headers = vec![raw_header("Auto-Submitted", "auto-generated".to_owned())?];
        if let Some(unsubscribe) = &self.unsubscribe {
            let url = checked_url("List-Unsubscribe", &unsubscribe.one_click_url)?;
            let value = match &unsubscribe.mailto {
                Some(mailbox) => {
                    format!(
                        "<{url}>, <mailto:{}>",
                        checked_value("List-Unsubscribe", mailbox)?
                    )
                }
                None => format!("<{url}>"),
            };
            headers.push(raw_header("List-Unsubscribe", value)?);
            headers.push(raw_header(
                "List-Unsubscribe-Post",
                "List-Unsubscribe=One-Click".to_owned(),
            )?);
        }
        if let Some(list_id) = &self.list_id {
            headers.push(raw_header(
                "List-Id",
                format!("<{}>", checked_value("List-Id", list_id)?),
            )?);
        }
        if let Some(feedback_id) = &self.feedback_id {
            headers.push(raw_header(
                "Feedback-ID",
                checked_value("Feedback-ID", feedback_id)?.to_owned(),
            )?);
        }
        for (name, value) in &self.headers {
            headers.push(headers::custom_header(name, value)?);
        }
        Ok(headers)
    }
}

/// The Message-ID under which Tenure's message `message_id` travels, with its angle brackets.
pub fn rfc_message_id(message_id: &str, domain: &str) -> String {
    format!("<{message_id}@{domain}>")
}

/// CRLF line ends, and no other control characters.
///
/// The library would insert each CR in place, which takes quadratic time. A lone CR from data is dropped, because
/// servers that take it for a line end could be made to see a second message.
fn crlf(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 32);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\r\n"),
            '\t' => out.push(c),
            c if c.is_ascii_control() => {}
            c => out.push(c),
        }
    }
    out
}

fn check_message_id(message_id: &str) -> Result<(), EmailError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let fits = !message_id.is_empty() && message_id.len() <= MESSAGE_ID_MAX_BYTES;
    let dotted =
        message_id.starts_with('.') || message_id.ends_with('.') || message_id.contains("..");
    if fits && !dotted && message_id.chars().all(allowed) {
        Ok(())
    } else {
        Err(EmailError::MessageId)
    }
}

/// Makes any text fit for one header line: control characters become spaces, runs of spaces one, length is capped.
pub fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let spaced = text.split(|c: char| c.is_control() || c.is_whitespace());
    for word in spaced.filter(|word| !word.is_empty()) {
        if out.len() + word.len() + 1 > SUBJECT_MAX_BYTES {
            break;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

#[cfg(test)]
pub(crate) mod tests;
