//! Webhooks: a POST of JSON to a URL that a program names.
//!
//! A webhook is delivered at least once: each attempt of a message carries the same `Idempotency-Key`, so a receiver
//! that honours it sees one. Redirects are not followed, and bodies of answers are not read.

mod address;
mod sign;

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use ureq::Agent;
use ureq::http::{StatusCode, header};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::DefaultConnector;

pub use address::Reach;
pub(crate) use address::check_url;
pub use sign::{SecretError, WebhookSecret};

use crate::outcome::{Outcome, Stage};

/// Largest body, in bytes.
pub const BODY_MAX_BYTES: usize = 256 * 1024;
/// Longest URL, in bytes.
pub const URL_MAX_BYTES: usize = 4 * 1024;
/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an idle connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// How webhooks are sent.
#[derive(Debug, Clone)]
pub struct WebhookSettings {
    /// Which networks they may reach.
    pub reach: Reach,
    /// Signs them; without it they carry no signature.
    pub secret: Option<WebhookSecret>,
    /// Longest time one attempt may take.
    pub timeout: Duration,
}

impl Default for WebhookSettings {
    fn default() -> Self {
        Self {
            reach: Reach::Public,
            secret: None,
            timeout: Duration::from_secs(10),
        }
    }
}

/// A webhook ready to go out. Prints neither its URL, which may hold a key, nor its body.
#[derive(Clone, PartialEq, Eq)]
pub struct PreparedWebhook {
    message_id: String,
    url: String,
    body: String,
}

impl fmt::Debug for PreparedWebhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedWebhook")
            .field("message_id", &self.message_id)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl PreparedWebhook {
    /// The host and port it goes to.
    pub fn destination(&self) -> String {
        let rest = self.url.split_once("://").map_or("", |(_, rest)| rest);
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        rest[..end].to_ascii_lowercase()
    }

    /// Checks URL and size. `body` is JSON; the id is the same for all attempts. The error is for people.
    pub fn new(
        message_id: String,
        url: String,
        body: String,
        reach: Reach,
    ) -> Result<Self, String> {
        if url.len() > URL_MAX_BYTES {
            return Err(format!("the URL is longer than {URL_MAX_BYTES} bytes"));
        }
        if body.len() > BODY_MAX_BYTES {
            return Err(format!("the body is larger than {BODY_MAX_BYTES} bytes"));
        }
        address::check_url(&url, reach)?;
        Ok(Self {
            message_id,
            url,
            body,
        })
    }

    /// The id of the message, the same for all attempts.
    pub fn message_id(&self) -> &str {
        &self.message_id
    }
}

/// What an attempt led to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attempt {
    /// What is known afterwards.
    pub outcome: Outcome,
    /// How long the receiver asks to be left alone, in milliseconds.
    pub retry_after_ms: Option<i64>,
}

impl Attempt {
    /// The status of the answer, if one came.
    pub fn status(&self) -> Option<u16> {
        match &self.outcome {
            Outcome::Accepted { response, .. } => response.get(..3)?.parse().ok(),
            Outcome::Rejected { code, .. } => Some(*code),
            Outcome::NotSent { .. } | Outcome::Unknown { .. } => None,
        }
    }
}

/// A way to hand one webhook over. Implementations are shared by many threads.
pub trait WebhookTransport: fmt::Debug + Send + Sync {
    /// Tries once, at `now_ms` (milliseconds since 1970). Blocks until what is known is known.
    fn send(&self, webhook: &PreparedWebhook, now_ms: u64) -> Attempt;
}

/// Sends webhooks over HTTP. Shared by many threads.
#[derive(Debug)]
pub struct WebhookSender {
    agent: Agent,
    secret: Option<WebhookSecret>,
}

impl WebhookSender {
    /// A sender; it connects when it is used.
    pub fn new(settings: &WebhookSettings) -> Self {
        Self {
            agent: agent(settings.reach, settings.timeout),
            secret: settings.secret.clone(),
        }
    }

    /// Tries once, at `now_ms` (milliseconds since 1970). Blocks until the answer or the timeout.
    pub fn send(&self, webhook: &PreparedWebhook, now_ms: u64) -> Attempt {
        let secrets = self.secret.as_slice();
        self.send_signed(webhook, "application/json", secrets, now_ms)
    }

    /// Like [`WebhookSender::send`], signed with each of these secrets (while one takes the place
    /// of another, receivers may know either) and with a content type of its own.
    pub fn send_signed(
        &self,
        webhook: &PreparedWebhook,
        content_type: &str,
        secrets: &[WebhookSecret],
        now_ms: u64,
    ) -> Attempt {
        let (id, body) = (webhook.message_id.as_str(), webhook.body.as_str());
        let mut request = self
            .agent
            .post(&webhook.url)
            .header(header::CONTENT_TYPE, content_type)
            .header("Idempotency-Key", id);
        if !secrets.is_empty() {
            let at_s = now_ms / 1_000;
            let signatures = secrets
                .iter()
                .map(|secret| secret.signature(id, at_s, body));
            request = request
                .header("webhook-id", id)
                .header("webhook-timestamp", at_s.to_string())
                .header(
                    "webhook-signature",
                    signatures.collect::<Vec<_>>().join(" "),
                );
        }
        match request.send(body) {
            Ok(response) => {
                let retry_after = response.headers().get(header::RETRY_AFTER);
                let seconds =
                    retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
                Attempt {
                    outcome: answered(response.status()),
                    retry_after_ms: seconds.map(|seconds: u32| i64::from(seconds) * 1_000),
                }
            }
            Err(error) => Attempt {
                outcome: failed(&error),
                retry_after_ms: None,
            },
        }
    }
}

impl WebhookTransport for WebhookSender {
    fn send(&self, webhook: &PreparedWebhook, now_ms: u64) -> Attempt {
        Self::send(self, webhook, now_ms)
    }
}

/// A client that reaches only what it may, follows no redirect, and takes at most `timeout` for a request.
pub(crate) fn agent(reach: Reach, timeout: Duration) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        // A proxy would look names up where nobody checks the address.
        .proxy(None)
        .user_agent(concat!("Tenure/", env!("CARGO_PKG_VERSION")))
        .timeout_connect(Some(CONNECT_TIMEOUT.min(timeout)))
        .timeout_global(Some(timeout))
        .max_idle_age(IDLE_TIMEOUT)
        .build();
    let resolver = address::GuardedResolver {
        inner: DefaultResolver::default(),
        reach,
    };
    Agent::with_parts(config, DefaultConnector::default(), resolver)
}

fn answered(status: StatusCode) -> Outcome {
    let words = status.canonical_reason().unwrap_or("no reason given");
    if status.is_success() {
        return Outcome::Accepted {
            response: format!("{} {words}", status.as_u16()),
            queue_id: None,
        };
    }
    let reason = if status.is_redirection() {
        format!("{words}; redirects are not followed, so name the new address in the program")
    } else {
        words.to_owned()
    };
    let is_temporary = status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
        );
    Outcome::Rejected {
        permanent: !is_temporary,
        code: status.as_u16(),
        enhanced: None,
        stage: Stage::Response,
        reason,
    }
}

/// Errors before the request could go out leave nothing behind; after any other it may have arrived.
pub(crate) fn failed(error: &ureq::Error) -> Outcome {
    use std::io::ErrorKind;
    use ureq::{Error, Timeout};
    let not_sent = |reason: String| Outcome::NotSent { reason };
    match error {
        // The guard's own words hold no address.
        Error::Other(refused) => not_sent(refused.to_string()),
        Error::HostNotFound => not_sent("the host's name was not found".into()),
        Error::Timeout(Timeout::Resolve) => {
            not_sent("looking up the host's name took too long".into())
        }
        Error::Timeout(Timeout::Connect) => not_sent("connecting took too long".into()),
        Error::ConnectionFailed => not_sent("the connection failed".into()),
        Error::BadUri(_) | Error::Http(_) => not_sent("the URL is not valid".into()),
        Error::Tls(_) | Error::Rustls(_) => {
            not_sent("the receiver's certificate or TLS was refused".into())
        }
        Error::Io(error) => match error.kind() {
            ErrorKind::ConnectionRefused => not_sent("the connection was refused".into()),
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
                not_sent("the host cannot be reached".into())
            }
            kind => Outcome::Unknown {
                reason: format!("the connection broke before an answer came ({kind})"),
            },
        },
        Error::Timeout(_) => Outcome::Unknown {
            reason: "no answer came in time".into(),
        },
        _ => Outcome::Unknown {
            reason: "the answer is not valid HTTP".into(),
        },
    }
}
