//! Recent requests per message, to tell machines from people.

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;
use tenure_connectors::tracking::{Hit, HitKind, MessageTraffic, Observation, Verdict, classify};
use tenure_core::id::MessageId;
use tenure_core::time::Timestamp;

/// Of how many messages the recent requests are remembered.
const TRAFFIC_MESSAGES: usize = 50_000;
/// How many requests of one message are remembered.
const TRAFFIC_HITS: usize = 200;

/// Recent requests per message. Bounded; forgetting errs towards people.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    recent: Mutex<Recent>,
}

#[derive(Debug, Default)]
struct Recent {
    known: HashMap<MessageId, Remembered>,
    /// The oldest first.
    order: VecDeque<MessageId>,
}

#[derive(Debug, Default)]
struct Remembered {
    traffic: MessageTraffic,
    /// For each hit, whether it was taken for a person's and still is.
    counted: Vec<bool>,
}

/// What is known of the message that was requested.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    pub(super) id: MessageId,
    /// When the server took it.
    pub(super) at: Option<Timestamp>,
    /// How many tracked links it has; 0 if the request does not say.
    pub(super) link_count: usize,
}

/// An earlier request that was taken for a person's and turns out to be a machine's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Disowned {
    pub(super) kind: HitKind,
    /// In milliseconds since 1970.
    pub(super) at_ms: u64,
}

impl Traffic {
    /// Who made a request, and which earlier ones are no longer a person's. Each of those is named
    /// once.
    pub(super) fn judge(&self, sent: Sent, seen: &Observation<'_>) -> (Verdict, Vec<Disowned>) {
        let mut recent = self.recent.lock();
        let Recent { known, order } = &mut *recent;
        if !known.contains_key(&sent.id) {
            order.push_back(sent.id);
            if order.len() > TRAFFIC_MESSAGES
                && let Some(oldest) = order.pop_front()
            {
                known.remove(&oldest);
            }
        }
        let Remembered { traffic, counted } = known.entry(sent.id).or_default();
        traffic.delivered_at_ms = sent.at.map(|at| at.0.max(0) as u64);
        traffic.link_count = traffic.link_count.max(sent.link_count);
        let verdict = classify(seen, traffic);
        let mut disowned = Vec::new();
        if let Verdict::Machine { also, .. } = &verdict {
            for index in also.iter().filter(|index| counted[**index]) {
                let hit = &traffic.hits[*index];
                disowned.push(Disowned {
                    kind: hit.kind,
                    at_ms: hit.at_ms,
                });
            }
            for index in also {
                counted[*index] = false;
            }
        }
        if traffic.hits.len() < TRAFFIC_HITS {
            traffic.hits.push(Hit {
                kind: seen.kind,
                source: seen.source.to_owned(),
                at_ms: seen.at_ms,
            });
            counted.push(verdict == Verdict::Human);
        }
        (verdict, disowned)
    }
}
