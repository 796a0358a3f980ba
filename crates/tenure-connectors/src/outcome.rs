//! What is known after one attempt to hand a message over.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The result of one attempt. Exactly one of four things is known, and what may be done next follows from it.
///
/// No variant carries an e-mail address: replies of servers are redacted before they come here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The receiving side took responsibility. Never send again.
    Accepted {
        /// Its reply, redacted.
        response: String,
        /// The id under which it queued the message, where its reply names one.
        queue_id: Option<String>,
    },
    /// The receiving side said no.
    Rejected {
        /// Whether another attempt would be in vain: 5yz replies of SMTP, most 3xx and 4xx of HTTP.
        permanent: bool,
        /// The three-digit reply code or status.
        code: u16,
        /// The enhanced status code (RFC 3463), for example `5.1.1`.
        enhanced: Option<String>,
        /// Where in the dialogue it was said.
        stage: Stage,
        /// Its words, redacted.
        reason: String,
    },
    /// The message certainly did not arrive: the attempt ended before its end was transmitted. Sending again is safe.
    NotSent {
        /// What happened.
        reason: String,
    },
    /// The message was transmitted to its end and no answer came. It may or may not have arrived.
    Unknown {
        /// What happened.
        reason: String,
    },
}

impl Outcome {
    /// Whether another attempt can neither repeat a delivered message nor fail for a reason the message itself carries.
    ///
    /// A permanent rejection while the session was set up (a wrong password, a blocked host) speaks about us, not about
    /// the message, so it may be retried once the operator has put things right.
    pub fn may_retry(&self) -> bool {
        match self {
            Self::Accepted { .. } | Self::Unknown { .. } => false,
            Self::NotSent { .. } => true,
            Self::Rejected {
                permanent, stage, ..
            } => !permanent || !stage.concerns_message(),
        }
    }
}

/// A point of the dialogue: of SMTP (RFC 5321, section 3), or the one answer of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The server's greeting.
    Greeting,
    /// EHLO.
    Ehlo,
    /// STARTTLS.
    StartTls,
    /// AUTH.
    Auth,
    /// MAIL FROM.
    MailFrom,
    /// RCPT TO.
    RcptTo,
    /// DATA.
    Data,
    /// The reply to the final dot.
    FinalDot,
    /// The status of an HTTP answer.
    Response,
}

impl Stage {
    /// Whether a rejection here speaks about the message or its recipient, and not about the session.
    pub fn concerns_message(self) -> bool {
        self >= Self::MailFrom
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Greeting => "greeting",
            Self::Ehlo => "EHLO",
            Self::StartTls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::MailFrom => "MAIL FROM",
            Self::RcptTo => "RCPT TO",
            Self::Data => "DATA",
            Self::FinalDot => "the final dot",
            Self::Response => "the HTTP response",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(permanent: bool, stage: Stage) -> Outcome {
        Outcome::Rejected {
            permanent,
            code: if permanent { 550 } else { 450 },
            enhanced: None,
            stage,
            reason: String::new(),
        }
    }

    #[test]
    fn only_what_certainly_did_not_arrive_may_be_retried() {
        let unknown = Outcome::Unknown {
            reason: String::new(),
        };
        let not_sent = Outcome::NotSent {
            reason: String::new(),
        };
        assert!(!unknown.may_retry());
        assert!(not_sent.may_retry());
        assert!(rejected(false, Stage::FinalDot).may_retry());
        assert!(!rejected(true, Stage::RcptTo).may_retry());
    }

    #[test]
    fn a_refused_password_does_not_condemn_the_message() {
        assert!(rejected(true, Stage::Auth).may_retry());
    }
}
