//! A mail server as they are: it takes mail, defers, refuses, does not answer, or takes it and does
//! not say so; and a receiver of webhooks of the same kind. They remember what really arrived.

use std::sync::Arc;

use parking_lot::Mutex;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tenure_app::clock::Clock;
use tenure_connectors::webhook::{self, PreparedWebhook, WebhookTransport};
use tenure_connectors::{EmailTransport, Outcome, PreparedEmail, Stage};
use tenure_core::id::MessageId;
use tenure_core::time::{HOUR_MS, Timestamp};

use super::clock::VirtualClock;
use super::store::FaultyStore;

/// The longest pause that the receiver of webhooks asks for, in milliseconds.
const LONGEST_PAUSE_MS: i64 = 2 * HOUR_MS;

/// One attempt, as the receiving side saw it.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Of which message.
    pub message: MessageId,
    /// When.
    pub at: Timestamp,
    /// Whether the mail arrived.
    pub arrived: bool,
    /// Whether the sender cannot know.
    pub in_doubt: bool,
    /// Whether the address was refused for good.
    pub hard_bounce: bool,
}

#[derive(Debug)]
struct Post {
    rng: ChaCha8Rng,
    trouble: bool,
    attempts: Vec<Attempt>,
}

/// The mail server, and the receiver of webhooks.
#[derive(Debug)]
pub struct FaultyMail {
    store: Arc<FaultyStore>,
    clock: Arc<VirtualClock>,
    post: Mutex<Post>,
}

impl FaultyMail {
    /// A mail server in trouble, whose answers derive from `seed`.
    pub fn new(store: Arc<FaultyStore>, clock: Arc<VirtualClock>, seed: u64) -> Self {
        let post = Post {
            rng: ChaCha8Rng::seed_from_u64(seed ^ 0x6d61_696c),
            trouble: true,
            attempts: Vec::new(),
        };
        Self {
            store,
            clock,
            post: Mutex::new(post),
        }
    }

    /// From now on it takes every mail.
    pub fn behave(&self) {
        self.post.lock().trouble = false;
    }

    /// The attempts since the `seen`th.
    pub fn attempts_since(&self, seen: usize) -> Vec<Attempt> {
        self.post.lock().attempts[seen..].to_vec()
    }
}

fn accepted() -> Outcome {
    Outcome::Accepted {
        response: "250 ok".into(),
        queue_id: None,
    }
}

fn rejected(permanent: bool, code: u16, enhanced: &str, stage: Stage) -> Outcome {
    Outcome::Rejected {
        permanent,
        code,
        enhanced: Some(enhanced.into()),
        stage,
        reason: "not today".into(),
    }
}

fn in_doubt() -> Outcome {
    Outcome::Unknown {
        reason: "no reply to the final dot".into(),
    }
}

impl Post {
    fn roll(&mut self) -> u32 {
        if self.trouble {
            self.rng.random_range(0..100)
        } else {
            0
        }
    }
}

impl FaultyMail {
    /// What an attempt leads to and whether it arrives; `refused` is the answer for the rolls at
    /// which the receiving side says no.
    fn fate(&self, roll: u32, refused: Outcome) -> (Outcome, bool) {
        match roll {
            0..=54 => (accepted(), true),
            55..=77 => (refused, false),
            78..=83 => {
                let reason = "connection refused".into();
                (Outcome::NotSent { reason }, false)
            }
            84..=89 => (in_doubt(), true),
            90..=93 => (in_doubt(), false),
            // The power goes while the message is under way.
            roll => {
                self.store.cut_now();
                (in_doubt(), roll < 98)
            }
        }
    }

    fn remember(&self, post: &mut Post, message: &str, outcome: &Outcome, arrived: bool) {
        let Ok(message) = message.parse() else {
            return;
        };
        post.attempts.push(Attempt {
            message,
            at: self.clock.now(),
            arrived,
            in_doubt: matches!(outcome, Outcome::Unknown { .. }),
            hard_bounce: matches!(outcome, Outcome::Rejected { code: 550, .. }),
        });
    }
}

impl EmailTransport for FaultyMail {
    fn send(&self, mail: &PreparedEmail) -> Outcome {
        let mut post = self.post.lock();
        let roll = post.roll();
        let refused = match roll {
            ..=64 => rejected(false, 451, "4.3.0", Stage::FinalDot),
            65..=70 => rejected(false, 450, "4.2.0", Stage::RcptTo),
            71..=74 => rejected(true, 554, "5.7.1", Stage::FinalDot),
            _ => rejected(true, 550, "5.1.1", Stage::RcptTo),
        };
        let (outcome, arrived) = self.fate(roll, refused);
        self.remember(&mut post, mail.message_id(), &outcome, arrived);
        outcome
    }
}

impl WebhookTransport for FaultyMail {
    fn send(&self, webhook: &PreparedWebhook, _now_ms: u64) -> webhook::Attempt {
        let mut post = self.post.lock();
        let roll = post.roll();
        let refused = Outcome::Rejected {
            permanent: roll > 74,
            code: if roll > 74 { 410 } else { 429 },
            enhanced: None,
            stage: Stage::Response,
            reason: "not today".into(),
        };
        let (outcome, arrived) = self.fate(roll, refused);
        let pause_ms = (55..=60)
            .contains(&roll)
            .then(|| post.rng.random_range(0..LONGEST_PAUSE_MS));
        self.remember(&mut post, webhook.message_id(), &outcome, arrived);
        webhook::Attempt {
            outcome,
            retry_after_ms: pause_ms,
        }
    }
}
