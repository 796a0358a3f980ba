//! A mail server as they are: it takes mail, defers, refuses, does not answer, or takes it and does
//! not say so. It remembers what really arrived.

use std::sync::Arc;

use parking_lot::Mutex;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tenure_app::clock::Clock;
use tenure_connectors::{EmailTransport, Outcome, PreparedEmail, Stage};
use tenure_core::id::MessageId;
use tenure_core::time::Timestamp;

use super::clock::VirtualClock;
use super::store::FaultyStore;

/// One attempt, as the mail server saw it.
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

struct Post {
    rng: ChaCha8Rng,
    trouble: bool,
    attempts: Vec<Attempt>,
}

/// The mail server.
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

impl EmailTransport for FaultyMail {
    fn send(&self, mail: &PreparedEmail) -> Outcome {
        let mut post = self.post.lock();
        let roll = if post.trouble {
            post.rng.random_range(0..100)
        } else {
            0
        };
        let (outcome, arrived) = match roll {
            0..=54 => (accepted(), true),
            55..=64 => (rejected(false, 451, "4.3.0", Stage::FinalDot), false),
            65..=70 => (rejected(false, 450, "4.2.0", Stage::RcptTo), false),
            71..=74 => (rejected(true, 554, "5.7.1", Stage::FinalDot), false),
            75..=77 => (rejected(true, 550, "5.1.1", Stage::RcptTo), false),
            78..=83 => (
                Outcome::NotSent {
                    reason: "connection refused".into(),
                },
                false,
            ),
            84..=89 => (in_doubt(), true),
            90..=93 => (in_doubt(), false),
            // The power goes while the mail is under way.
            roll => {
                self.store.cut_now();
                (in_doubt(), roll < 98)
            }
        };
        if let Ok(message) = mail.message_id().parse() {
            post.attempts.push(Attempt {
                message,
                at: self.clock.now(),
                arrived,
                in_doubt: matches!(outcome, Outcome::Unknown { .. }),
                hard_bounce: matches!(&outcome, Outcome::Rejected { code: 550, .. }),
            });
        }
        outcome
    }
}
