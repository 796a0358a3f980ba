//! Answers kept under an `Idempotency-Key`, so that a request that is sent again is done once.
//!
//! The key is claimed durably before the request is done, and the answer kept after it. If the
//! server stops in between, nobody can say whether it was done: the key then stays claimed, and
//! who comes back is told to look.

use std::collections::HashSet;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tenure_core::time::{DAY_MS, Timestamp};
use tenure_store::row::Record;
use tenure_store::{Batch, StoreError};

use crate::error::AppError;
use crate::node::Node;

/// Collection of the kept answers.
const COLLECTION: &str = "idempotency";
/// How long an answer is kept, in milliseconds.
const KEPT_MS: i64 = DAY_MS;

/// Keys whose request is under way on this node.
pub type KeysInHand = Mutex<HashSet<String>>;

/// An answer as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptAnswer {
    /// Status of HTTP.
    pub status: u16,
    /// Its `Content-Type`.
    pub content_type: String,
    /// The body.
    pub body: String,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// It was answered, and is answered the same again.
    Answered(KeptAnswer),
    /// It was answered with a new secret: that is kept nowhere but as a hash, so not here either.
    Secret,
    /// It was turned away.
    Not,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    /// Hash of the request.
    request: String,
    answer: Option<KeptAnswer>,
    /// It was answered with a secret, which is not kept.
    #[serde(default)]
    was_secret: bool,
}

/// What a key leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// The request is to be done; the key must be settled.
    Fresh,
    /// It was done.
    Done(KeptAnswer),
    /// It was done, and the answer held a secret that is shown only once.
    Withheld,
    /// The key belongs to another request.
    OtherRequest,
    /// The request is under way.
    UnderWay,
    /// It was cut off by a stop; whether it was done cannot be known.
    CutOff,
}

impl Node {
    /// Claims a key for a request, of which `request` is a hash.
    pub fn claim_key(&self, key: &str, request: &str) -> Result<Claim, AppError> {
        if !self.keys_in_hand.lock().insert(key.to_owned()) {
            return Ok(Claim::UnderWay);
        }
        let claim = self.claim(key, request);
        if !matches!(claim, Ok(Claim::Fresh)) {
            self.keys_in_hand.lock().remove(key);
        }
        claim
    }

    fn claim(&self, key: &str, request: &str) -> Result<Claim, AppError> {
        let now = self.now();
        let row = self.store().record(COLLECTION, key)?;
        if let Some(row) = row.filter(|row| row.at > now.plus_ms(-KEPT_MS)) {
            let kept: Kept = serde_json::from_slice(&row.bytes)
                .map_err(|error| StoreError::Damaged(format!("a kept answer: {error}")))?;
            return Ok(match kept.answer {
                _ if kept.request != request => Claim::OtherRequest,
                _ if kept.was_secret => Claim::Withheld,
                Some(answer) => Claim::Done(answer),
                None => Claim::CutOff,
            });
        }
        self.keep_answer(key, request, Settled::Not, now)?;
        Ok(Claim::Fresh)
    }

    /// Keeps what became of the request of a claimed key. If it was turned away, the key is free
    /// again.
    pub fn settle_key(&self, key: &str, request: &str, answer: Settled) -> Result<(), AppError> {
        let written = if answer == Settled::Not {
            let batch = Batch {
                records_removed: vec![(COLLECTION.into(), key.into())],
                ..Batch::default()
            };
            self.writer().commit(batch, Vec::new())
        } else {
            self.keep_answer(key, request, answer, self.now())
        };
        self.keys_in_hand.lock().remove(key);
        written
    }

    fn keep_answer(
        &self,
        key: &str,
        request: &str,
        answer: Settled,
        at: Timestamp,
    ) -> Result<(), AppError> {
        let was_secret = answer == Settled::Secret;
        let kept = Kept {
            request: request.to_owned(),
            answer: match answer {
                Settled::Answered(answer) => Some(answer),
                Settled::Secret | Settled::Not => None,
            },
            was_secret,
        };
        let record = Record {
            collection: COLLECTION.into(),
            key: key.into(),
            at,
            bytes: serde_json::to_vec(&kept).unwrap_or_default(),
        };
        let batch = Batch {
            records: vec![record],
            ..Batch::default()
        };
        self.writer().commit(batch, Vec::new())
    }

    /// Lets go of answers that were kept long enough.
    pub(crate) fn expire_keys(&self, now: Timestamp) -> Result<(), AppError> {
        let batch = Batch {
            records_expired: vec![(COLLECTION.into(), now.plus_ms(-KEPT_MS))],
            ..Batch::default()
        };
        self.writer().commit(batch, Vec::new())
    }
}
