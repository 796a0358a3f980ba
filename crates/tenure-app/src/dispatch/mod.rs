//! Dispatch: from a decided message to a provider, at most once (webhooks: at least once).
//!
//! An attempt is recorded (`sending`) before it begins and settled after it ends. A stop in between
//! leaves a message that may or may not have gone out: it is parked as `unknown`, or, where the
//! program chose at-least-once, sent again. What certainly did not go out is tried again with
//! growing pauses; what cannot go out ends as `dead`, with the reason.

mod breaker;
mod compose;
mod feed;
mod settle;
mod text;
mod webhook;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, RwLock};
use tenure_connectors::email::DkimSigner;
use tenure_connectors::webhook::{Attempt, WebhookSender, WebhookSettings, WebhookTransport};
use tenure_connectors::{EmailTransport, Outcome};
use tenure_core::id::Salt;
use tenure_core::time::{HOUR_MS, SECOND_MS, Timestamp};
use tenure_store::batch::MessageUpdate;
use tenure_store::row::{Message, MessageState};
use tenure_store::{Batch, Store};

use crate::breakers::{BreakerView, Breakers, Sign};
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::connectors::Connectors;
use crate::error::AppError;
use crate::identity::present_person;
use crate::live::Live;
use crate::refusals::{address_key, marketing_keys, person_key};
use crate::telemetry;
use crate::workspace::Workspace;
use crate::writer::WriterHandle;

pub use breaker::{Breaker, Passage};
pub use compose::{Composed, Composer};
pub(crate) use settle::fact;

/// How many attempts a message gets.
const ATTEMPTS_MAX: u32 = 12;
/// The longest pause between attempts, in milliseconds.
const LONGEST_RETRY_MS: i64 = 6 * HOUR_MS;

/// The channel of e-mails.
const EMAIL: &str = "email";
/// The channel of webhook steps.
const WEBHOOK: &str = "webhook";
/// The channel of text messages to telephones.
const SMS: &str = "sms";
/// The channel of messages to Slack.
const SLACK: &str = "slack";
/// All channels, with how many attempts run at once; e-mail has a setting. What stands still in one
/// holds up no other.
const CHANNELS: [(&str, Option<usize>); 4] = [
    (EMAIL, None),
    (WEBHOOK, Some(4)),
    (SMS, Some(2)),
    (SLACK, Some(1)),
];

/// How messages are sent.
#[derive(Debug, Clone)]
pub struct DispatchSettings {
    /// Where recipients reach this server (`https://…`), for links in messages.
    pub public_url: String,
    /// Sender of e-mails whose template and policy name none.
    pub from: Option<String>,
    /// Whether opens and clicks are tracked.
    pub tracking: bool,
    /// How many e-mails are under way at once.
    pub threads: usize,
    /// The first pause before another attempt, in milliseconds; doubled each time.
    pub retry_delay_ms: i64,
    /// Signs e-mails; without it the mail server has to.
    pub dkim: Option<Arc<DkimSigner>>,
    /// How webhooks are sent.
    pub webhooks: WebhookSettings,
    /// Carries webhooks; without it HTTP does.
    pub webhook_transport: Option<Arc<dyn WebhookTransport>>,
}

impl Default for DispatchSettings {
    fn default() -> Self {
        Self {
            public_url: "http://127.0.0.1:8400".into(),
            from: None,
            tracking: true,
            threads: 8,
            retry_delay_ms: 30 * SECOND_MS,
            dkim: None,
            webhooks: WebhookSettings::default(),
            webhook_transport: None,
        }
    }
}

/// Sends what the engine decided.
pub struct Dispatcher {
    store: Arc<dyn Store>,
    writer: WriterHandle,
    live: Arc<Live>,
    clock: Arc<dyn Clock>,
    email: Arc<dyn EmailTransport>,
    webhooks: Arc<dyn WebhookTransport>,
    connectors: Arc<Connectors>,
    settings: DispatchSettings,
    salt: Salt,
    composer: RwLock<Arc<Composer>>,
    link_secret: [u8; 32],
    breaker: Mutex<Breaker>,
    /// Those of the receivers of webhooks, and of the providers of text channels.
    receivers: Arc<Breakers>,
    stopping: AtomicBool,
    rest: (Mutex<()>, Condvar),
}

/// Why a message is not sent after all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The recipient said no, or the address is suppressed.
    Cancelled(tenure_core::decision::Outcome, String),
    /// It cannot be made.
    Unrenderable(String),
}

impl Dispatcher {
    /// A dispatcher; nothing runs yet.
    pub fn new(
        store: Arc<dyn Store>,
        writer: WriterHandle,
        live: Arc<Live>,
        clock: Arc<dyn Clock>,
        (email, connectors): (Arc<dyn EmailTransport>, Arc<Connectors>),
        workspace: &Workspace,
        settings: DispatchSettings,
    ) -> Self {
        let link_secret = *workspace.link_secret();
        let composer = Composer::new(&Catalog::default(), settings.clone(), &link_secret);
        let webhooks = settings.webhook_transport.clone();
        let webhooks = webhooks.unwrap_or_else(|| Arc::new(WebhookSender::new(&settings.webhooks)));
        Self {
            store,
            writer,
            live,
            clock,
            email,
            webhooks,
            receivers: Arc::clone(connectors.breakers()),
            connectors,
            settings,
            salt: workspace.salt(),
            composer: RwLock::new(Arc::new(composer)),
            link_secret,
            breaker: Mutex::new(Breaker::default()),
            stopping: AtomicBool::new(false),
            rest: (Mutex::new(()), Condvar::new()),
        }
    }

    /// Takes over the templates and the policy of a catalogue.
    pub fn set_templates(&self, catalog: &Catalog) {
        let composer = Composer::new(catalog, self.settings.clone(), &self.link_secret);
        *self.composer.write() = Arc::new(composer);
    }

    /// What makes e-mails of messages.
    pub fn composer(&self) -> Arc<Composer> {
        Arc::clone(&self.composer.read())
    }

    /// Starts the threads.
    pub fn start(self: &Arc<Self>) -> Result<Vec<JoinHandle<()>>, AppError> {
        self.settle_cut_off()?;
        let mut threads = Vec::new();
        for (channel, count) in CHANNELS {
            let count = count.unwrap_or(self.settings.threads).max(1);
            threads.extend(feed::start(self, channel, count)?);
        }
        Ok(threads)
    }

    /// Asks the threads to end after the attempts under way.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.live.outbox_grew();
        self.rest.1.notify_all();
    }

    pub(crate) fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Rests until the time is over or it is time to stop.
    pub(crate) fn rest(&self, at_most: Duration) {
        let mut guard = self.rest.0.lock();
        if !self.stopping() {
            self.rest.1.wait_for(&mut guard, at_most);
        }
    }

    /// Settles attempts that the last stop cut off.
    pub(crate) fn settle_cut_off(&self) -> Result<(), AppError> {
        let filter = tenure_store::query::MessageFilter {
            state: Some(MessageState::Sending),
            ..tenure_store::query::MessageFilter::default()
        };
        let (mut unknown, mut again) = (0, 0);
        loop {
            let page = tenure_store::Page {
                after: None,
                limit: tenure_store::query::MAX_PAGE_ROWS,
            };
            let messages = self.store.messages(&filter, &page)?;
            if messages.is_empty() {
                break;
            }
            let now = self.clock.now();
            let updates = messages.iter().map(|message| {
                let outcome = Outcome::Unknown {
                    reason: "the server stopped during the attempt".into(),
                };
                let attempt = unhurried(outcome);
                let update = settle::update_for(message, &attempt, now, &self.settings, &self.salt);
                match update.state {
                    MessageState::Pending => again += 1,
                    _ => unknown += 1,
                }
                update
            });
            let batch = Batch {
                dispatched: updates.collect(),
                ..Batch::default()
            };
            self.writer.commit(batch, Vec::new())?;
        }
        telemetry::attempts_cut_off(unknown, again);
        Ok(())
    }

    /// Sends up to `limit` due messages of each channel on the caller's thread; how many were taken.
    /// For the simulator and for tests.
    pub fn step(&self, limit: usize) -> Result<usize, AppError> {
        let mut taken_count = 0;
        for (channel, _) in CHANNELS {
            let now = self.clock.now();
            if matches!(self.passage(channel, now), Passage::Shut(_)) {
                continue;
            }
            let due = self.store.due_messages(channel, now, &[], limit)?;
            for message in &due {
                self.carry(message)?;
            }
            taken_count += due.len();
        }
        Ok(taken_count)
    }

    /// Whether attempts may be made in a channel. E-mail has one destination; elsewhere each
    /// destination has a breaker of its own, which is asked for each message.
    fn passage(&self, channel: &str, now: Timestamp) -> Passage {
        match channel {
            EMAIL => self.breaker.lock().passage(now),
            _ => Passage::Open,
        }
    }

    /// Sends an e-mail that is no message of a program, now; the provider's answer.
    pub(crate) fn send_now(
        &self,
        email: &tenure_connectors::PreparedEmail,
    ) -> Result<String, AppError> {
        match self.email.send(email) {
            Outcome::Accepted { response, .. } => Ok(response),
            Outcome::Rejected { code, reason, .. } => {
                Err(AppError::Conflict(format!("refused: {code} {reason}")))
            }
            Outcome::NotSent { reason } | Outcome::Unknown { reason } => {
                Err(AppError::Conflict(reason))
            }
        }
    }

    /// One attempt at one message, from the last check to the settled outcome.
    pub(crate) fn carry(&self, message: &Message) -> Result<(), AppError> {
        let composed = match self.check(message)? {
            Some(refusal) => Err(refusal),
            None => self.compose(message),
        };
        let composed = match composed {
            Ok(composed) => composed,
            Err(refusal) => return self.refuse(message, refusal),
        };
        let guard = composed.breaker(&message.intent.channel);
        if let Some(name) = &guard
            && let Err(until) = self.receivers.enter(name, self.clock.now())
        {
            return self.postpone(message, until);
        }
        self.begin(message)?;
        // What was said while that was written counts, too.
        if let Some(refusal) = self.check(message)? {
            return self.refuse(message, refusal);
        }
        let begun = Instant::now();
        let attempt = match composed {
            Composed::Email(email) => {
                let outcome = self.email.send(&email);
                self.note_answer(&outcome);
                unhurried(outcome)
            }
            Composed::Webhook(webhook) => {
                let now = self.clock.now().0.max(0) as u64;
                self.webhooks.send(&webhook, now)
            }
            Composed::Text(text) => self.send_text(&text),
        };
        // One receiver that is away says nothing about the others: each has its own breaker.
        if let Some(name) = &guard {
            let sign = Sign::of(&attempt);
            self.receivers.note(name, sign, self.clock.now());
        }
        telemetry::attempted(
            &message.intent.channel,
            settle::label(&attempt.outcome),
            begun.elapsed().as_secs_f64(),
        );
        self.settle(message, &attempt)
    }

    /// What goes out of a message.
    fn compose(&self, message: &Message) -> Result<Composed, Refusal> {
        match message.intent.channel.as_ref() {
            channel @ (SMS | SLACK) => self.compose_text(message, channel),
            _ => self.composer().compose(message, self.clock.now()),
        }
    }

    /// The breakers of the receivers of webhooks and of the providers of text channels.
    pub fn receivers(&self) -> &Arc<Breakers> {
        &self.receivers
    }

    /// How the breaker of e-mail stands.
    pub fn breaker(&self) -> BreakerView {
        self.breaker.lock().view(EMAIL, self.clock.now())
    }

    /// Closes the breaker of e-mail by hand.
    pub fn reset_breaker(&self) {
        self.breaker.lock().answered();
        self.live.outbox_grew();
    }

    fn note_answer(&self, outcome: &Outcome) {
        let mut breaker = self.breaker.lock();
        if matches!(outcome, Outcome::NotSent { .. }) {
            if let Some(pause_ms) = breaker.failed(self.clock.now()) {
                telemetry::breaker_opened(EMAIL, pause_ms);
            }
        } else {
            if breaker.until().is_some() {
                telemetry::breaker_closed(EMAIL);
            }
            breaker.answered();
        }
    }

    /// Leaves a message for later without an attempt: its receiver is away.
    fn postpone(&self, message: &Message, until: Timestamp) -> Result<(), AppError> {
        let update = MessageUpdate {
            id: message.intent.id,
            state: MessageState::Pending,
            at: self.clock.now(),
            reason: Some("the receiver does not answer; its circuit breaker is open".into()),
            due_at: Some(until),
            attempt_count: message.attempt_count,
            forget: false,
            sent_to: None,
        };
        let batch = Batch {
            dispatched: vec![update],
            ..Batch::default()
        };
        self.writer.commit(batch, Vec::new())
    }

    /// Records that an attempt begins. Only after this may anything go out.
    fn begin(&self, message: &Message) -> Result<(), AppError> {
        let to = &message.intent.to;
        let is_address = message.intent.channel.as_ref() != WEBHOOK;
        let update = MessageUpdate {
            id: message.intent.id,
            state: MessageState::Sending,
            at: self.clock.now(),
            reason: None,
            due_at: None,
            attempt_count: message.attempt_count + 1,
            forget: false,
            sent_to: is_address.then(|| address_key(&self.salt, to)),
        };
        self.writer.commit(
            Batch {
                dispatched: vec![update],
                ..Batch::default()
            },
            Vec::new(),
        )
    }

    /// The last look before sending: what was said since the message was decided counts.
    fn check(&self, message: &Message) -> Result<Option<Refusal>, AppError> {
        use tenure_core::decision::Outcome as Decided;
        let intent = &message.intent;
        match intent.channel.as_ref() {
            EMAIL | SMS | SLACK => {}
            // A URL is no person's address, so nobody's refusal is about it.
            WEBHOOK => return Ok(None),
            other => {
                let reason = format!("there is no channel `{other}`");
                return Ok(Some(Refusal::Unrenderable(reason)));
            }
        }
        let mut keys = vec![address_key(&self.salt, &intent.to)];
        if let Some(person) = intent.person {
            let person = present_person(self.store.as_ref(), person)?;
            keys.push(person_key(&self.salt, person));
            if !intent.transactional {
                let topic = intent.topic.as_deref();
                keys.extend(marketing_keys(&self.salt, person, topic));
            }
        }
        let found = self.store.suppressions(&keys)?;
        let refusal = found.into_iter().enumerate().find_map(|(index, reason)| {
            let outcome = if index < 2 {
                Decided::Suppressed
            } else {
                Decided::NoConsent
            };
            reason.map(|reason| Refusal::Cancelled(outcome, reason.to_string()))
        });
        Ok(refusal)
    }
}

/// An attempt after which the receiver asked for no particular pause.
fn unhurried(outcome: Outcome) -> Attempt {
    Attempt {
        outcome,
        retry_after_ms: None,
    }
}

/// When a message is tried again: growing pauses, spread by a hash of the message and the attempt
/// so that many do not come back at once.
fn retry_at(
    salt: &Salt,
    message: &Message,
    attempt_count: u32,
    now: Timestamp,
    settings: &DispatchSettings,
) -> Option<Timestamp> {
    if attempt_count >= ATTEMPTS_MAX {
        return None;
    }
    let doublings = attempt_count.saturating_sub(1).min(20);
    let pause_ms = settings
        .retry_delay_ms
        .saturating_mul(1 << doublings)
        .min(LONGEST_RETRY_MS);
    let spread = salt.fraction(
        "retry",
        &[
            &message.intent.id.0.to_be_bytes(),
            &attempt_count.to_be_bytes(),
        ],
    );
    Some(now.plus_ms(pause_ms + (pause_ms as f64 * spread / 4.0) as i64))
}
