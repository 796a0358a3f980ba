//! The way to one provider: HTTP with its credentials, its rate, and every answer sorted into what it means.
//!
//! It never repeats a request by itself, with one exception: a request that was refused because the access token had
//! expired is made once more with a fresh one.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::http::{HeaderMap, Response, header};

use super::ask::{Access, Ask, Method, Payload};
use super::fault::Fault;
use super::limit::{Limit, Limiter};
use super::secret::{Secret, scrub};
use super::settings::SetupError;
use super::time::retry_after_ms;
use crate::outcome::Outcome;
use crate::webhook::{self, Reach};

/// Largest answer that is read, in bytes.
const ANSWER_MAX_BYTES: u64 = 16 * 1024 * 1024;
/// Most of a body without JSON that is kept as its words, in bytes.
const WORDS_MAX_BYTES: usize = 300;
/// Pause after a 429 that names none, in milliseconds.
const PAUSE_MS: i64 = 10_000;

/// How a provider talks, beyond HTTP.
pub(super) struct Manners {
    /// Its documented rate.
    pub(super) limits: &'static [Limit],
    /// Its own words out of an error's body.
    pub(super) words: fn(&Value) -> Option<String>,
    /// What an answer means, where the status does not say it.
    pub(super) verdict: fn(u16, &Value) -> Verdict,
}

/// What an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// What its status says.
    ByStatus,
    /// The access token has expired.
    Expired,
    /// Too many requests; with a pause in milliseconds.
    Busy(i64),
    /// An error that stays, with the provider's code.
    Refused(u16),
    /// The credentials do not do.
    Unauthorized(u16),
    /// An error that passes.
    Broken(u16),
}

/// What every connector is opened with, beside its own settings.
#[derive(Debug, Clone, Copy)]
pub struct Network {
    /// Which networks it may reach.
    pub reach: Reach,
    /// Longest time one request may take.
    pub timeout: Duration,
}

/// A provider within reach.
pub(super) struct Link {
    agent: Agent,
    base_url: String,
    access: Access,
    manners: Manners,
    headers: Vec<(&'static str, String)>,
    limiter: Mutex<Limiter>,
    token: Mutex<Option<Secret>>,
    secrets: Vec<Secret>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Link(..)")
    }
}

impl Link {
    /// A way to `base_url`. `secrets` are kept out of all reasons.
    pub(super) fn new(
        network: Network,
        base_url: &str,
        access: Access,
        manners: Manners,
        secrets: Vec<Secret>,
    ) -> Result<Self, SetupError> {
        let wrong = |reason: &str| SetupError::setting("base_url", reason);
        webhook::check_url(base_url, network.reach).map_err(wrong)?;
        if !base_url.starts_with("https://") && network.reach == Reach::Public {
            return Err(wrong("it must begin with `https://`"));
        }
        let limiter = Mutex::new(Limiter::new(manners.limits));
        let mut secrets = secrets;
        if let Access::Header(_, secret) = &access {
            secrets.push(secret.clone());
        }
        Ok(Self {
            agent: webhook::agent(network.reach, network.timeout),
            base_url: base_url.trim_end_matches('/').to_owned(),
            access,
            manners,
            headers: Vec::new(),
            limiter,
            token: Mutex::new(None),
            secrets,
        })
    }

    /// Adds a header to every request.
    pub(super) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Makes a request and gives the body of its successful answer: JSON, or text where it is none, or null.
    pub(super) fn call(&self, ask: &Ask, now_ms: i64) -> Result<Value, Fault> {
        let is_fresh = self.fetch_token(now_ms)?;
        match self.attempt(ask, now_ms)? {
            Heard::Answer(body) => Ok(body),
            Heard::Expired(code, reason) if is_fresh || !self.forget_token() => {
                Err(Fault::Unauthorized { code, reason })
            }
            Heard::Expired(..) => {
                self.fetch_token(now_ms)?;
                match self.attempt(ask, now_ms)? {
                    Heard::Answer(body) => Ok(body),
                    Heard::Expired(code, reason) => {
                        self.forget_token();
                        Err(Fault::Unauthorized { code, reason })
                    }
                }
            }
        }
    }

    /// Fetches an access token where one is needed and none is at hand; says whether it did.
    fn fetch_token(&self, now_ms: i64) -> Result<bool, Fault> {
        let Access::Fetched(grant) = &self.access else {
            return Ok(false);
        };
        if lock(&self.token).is_some() {
            return Ok(false);
        }
        let body = match self.attempt(&grant(), now_ms) {
            Ok(Heard::Answer(body)) => body,
            Ok(Heard::Expired(code, reason)) | Err(Fault::Refused { code, reason }) => {
                return Err(Fault::Unauthorized { code, reason });
            }
            Err(fault) => return Err(fault),
        };
        let token = body["access_token"].as_str();
        let token = token.ok_or_else(|| Fault::lacks("access_token"))?;
        *lock(&self.token) = Some(Secret::new(token));
        Ok(true)
    }

    fn forget_token(&self) -> bool {
        lock(&self.token).take().is_some()
    }

    fn attempt(&self, ask: &Ask, now_ms: i64) -> Result<Heard, Fault> {
        if let Err(retry_after_ms) = lock(&self.limiter).admit(now_ms) {
            return Err(Fault::Busy {
                retry_after_ms,
                code: None,
                reason: "the provider's rate is used up".into(),
            });
        }
        let response = self.send(ask).map_err(|error| fault_of(&error))?;
        self.hear(response, now_ms)
    }

    fn send(&self, ask: &Ask) -> Result<Response<ureq::Body>, ureq::Error> {
        let url = format!("{}{}", self.base_url, ask.path);
        match ask.method {
            Method::Get => self.dressed(self.agent.get(url)).call(),
            Method::Delete => {
                let request = self.agent.delete(url);
                if matches!(ask.payload, Payload::None) {
                    return self.dressed(request).call();
                }
                self.deliver(request.force_send_body(), ask)
            }
            Method::Post => self.deliver(self.agent.post(url), ask),
            Method::Put => self.deliver(self.agent.put(url), ask),
            Method::Patch => self.deliver(self.agent.patch(url), ask),
        }
    }

    fn deliver(
        &self,
        request: ureq::RequestBuilder<ureq::typestate::WithBody>,
        ask: &Ask,
    ) -> Result<Response<ureq::Body>, ureq::Error> {
        let request = self.dressed(request);
        match &ask.payload {
            Payload::None => request.send_empty(),
            Payload::Form(text) => request
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .send(text.as_str()),
            Payload::Json(body) => {
                let mut fixed = self.headers.iter();
                let is_typed = fixed.any(|(name, _)| *name == "content-type");
                let request = if is_typed {
                    request
                } else {
                    request.header(header::CONTENT_TYPE, "application/json")
                };
                request.send(body.to_string())
            }
        }
    }

    fn dressed<B>(&self, mut request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        match (&self.access, &*lock(&self.token)) {
            (Access::Header(name, value), _) => request.header(*name, value.reveal()),
            (Access::Fetched(_), Some(token)) => {
                request.header(header::AUTHORIZATION, format!("Bearer {}", token.reveal()))
            }
            _ => request,
        }
    }

    /// Sorts an answer into what it means.
    fn hear(&self, mut response: Response<ureq::Body>, now_ms: i64) -> Result<Heard, Fault> {
        let status = response.status().as_u16();
        let pause_ms = retry_after_ms(response.headers(), now_ms);
        if let Some(pause_ms) = pause_ms.or_else(|| spent_ms(response.headers(), now_ms)) {
            lock(&self.limiter).pause(now_ms, pause_ms);
        }
        let text = response
            .body_mut()
            .with_config()
            .limit(ANSWER_MAX_BYTES)
            .read_to_string()
            .map_err(|error| fault_of(&error))?;
        let body = if text.trim().is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).unwrap_or_else(|_| Value::from(excerpt(&text)))
        };
        let reason = self.reason(&response, &body);
        match (self.manners.verdict)(status, &body) {
            Verdict::Expired => Ok(Heard::Expired(status, reason)),
            Verdict::Busy(for_ms) => {
                Err(self.busy(status, reason, pause_ms.or(Some(for_ms)), now_ms))
            }
            Verdict::Refused(code) => Err(Fault::Refused { code, reason }),
            Verdict::Unauthorized(code) => Err(Fault::Unauthorized { code, reason }),
            Verdict::Broken(code) => Err(Fault::Broken { code, reason }),
            Verdict::ByStatus => match status {
                200..=299 => Ok(Heard::Answer(body)),
                401 => Ok(Heard::Expired(status, reason)),
                403 => Err(Fault::Unauthorized {
                    code: status,
                    reason,
                }),
                429 => Err(self.busy(status, reason, pause_ms, now_ms)),
                503 if pause_ms.is_some() => Err(self.busy(status, reason, pause_ms, now_ms)),
                408 | 425 | 500..=599 => Err(Fault::Broken {
                    code: status,
                    reason,
                }),
                _ => Err(Fault::Refused {
                    code: status,
                    reason,
                }),
            },
        }
    }

    fn busy(&self, code: u16, reason: String, pause_ms: Option<i64>, now_ms: i64) -> Fault {
        let retry_after_ms = pause_ms.unwrap_or(PAUSE_MS);
        lock(&self.limiter).pause(now_ms, retry_after_ms);
        Fault::Busy {
            retry_after_ms,
            code: Some(code),
            reason,
        }
    }

    fn reason(&self, response: &Response<ureq::Body>, body: &Value) -> String {
        let words = (self.manners.words)(body);
        let words = words.or_else(|| response.status().canonical_reason().map(str::to_owned));
        self.scrub(&words.unwrap_or_else(|| "no reason given".into()))
    }

    /// A provider's words, fit to be kept.
    pub(super) fn scrub(&self, words: &str) -> String {
        let mut secrets = self.secrets.clone();
        secrets.extend(lock(&self.token).clone());
        scrub(words, &secrets)
    }
}

/// What an answer says, where it is no fault.
enum Heard {
    Answer(Value),
    /// The access token has expired, or was never good: status and words.
    Expired(u16, String),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn excerpt(text: &str) -> String {
    let cut = (0..=WORDS_MAX_BYTES.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0);
    text[..cut].to_owned()
}

fn fault_of(error: &ureq::Error) -> Fault {
    match webhook::failed(error) {
        Outcome::NotSent { reason } => Fault::NotSent { reason },
        Outcome::Unknown { reason } | Outcome::Rejected { reason, .. } => Fault::Unknown { reason },
        Outcome::Accepted { response, .. } => Fault::Unknown { reason: response },
    }
}

/// The pause that headers ask for once they say that nothing remains, in milliseconds: those of the IETF's draft
/// (seconds from now), the older ones with an instant, and HubSpot's with an interval.
fn spent_ms(headers: &HeaderMap, now_ms: i64) -> Option<i64> {
    let number = |name: &str| -> Option<i64> {
        let text = headers.get(name)?.to_str().ok()?;
        text.split(',').next()?.trim().parse().ok()
    };
    let is_spent = |name: &str| number(name) == Some(0);
    if is_spent("ratelimit-remaining") {
        return number("ratelimit-reset").map(|seconds| seconds.saturating_mul(1_000));
    }
    if is_spent("x-ratelimit-remaining") {
        let at_ms = number("x-ratelimit-reset")?.saturating_mul(1_000);
        return Some(at_ms.saturating_sub(now_ms));
    }
    if is_spent("x-hubspot-ratelimit-remaining") {
        return number("x-hubspot-ratelimit-interval-milliseconds");
    }
    None
}
