//! The contact policy: may this message go to this person now?
//!
//! [`admit`] runs when a step decides; [`recheck`] runs again just before a message leaves,
//! since consent may have been withdrawn in between. Transactional topics bypass consent, caps,
//! quiet hours and hold-outs, but never suppression.
//!
//! Messages that are over a cap are not sent later: the step is skipped, so that a sequence does
//! not pile up. Messages in quiet hours are delayed to their end and looked at again then.

mod compile;
mod contact;
pub(crate) mod local;
mod quiet;

use jiff::tz::TimeZone;

use crate::decision::Outcome;
use crate::define::{Audience, CapDef, QuietHoursDef, TopicDef};
use crate::subject::ContactState;
use crate::time::Timestamp;

pub use compile::compile;
pub use contact::{
    Choice, MAX_REMEMBERED_SENDS, MAX_SOFT_BOUNCES, Receipt, merge, record_choice, record_receipt,
    record_send, record_suppression,
};

/// The compiled contact policy; see [`compile`].
#[derive(Debug, Clone)]
pub struct Policy {
    zone: TimeZone,
    from: Option<String>,
    topics: Vec<TopicDef>,
    caps: Vec<CapDef>,
    quiet_hours: Option<QuietHoursDef>,
    holdout: f64,
}

impl Policy {
    /// Zone of subjects without one, and of schedules.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Sender of e-mails without their own.
    pub fn from(&self) -> Option<&str> {
        self.from.as_deref()
    }

    /// Fraction of roots kept out of every program, 0 to 1.
    pub fn holdout(&self) -> f64 {
        self.holdout
    }

    /// A topic by name.
    pub fn topic(&self, name: &str) -> Option<&TopicDef> {
        self.topics.iter().find(|topic| topic.name == name)
    }

    /// All topics, as defined.
    pub fn topics(&self) -> &[TopicDef] {
        &self.topics
    }

    /// Whether messages of this topic need no consent.
    pub fn is_transactional(&self, topic: Option<&str>) -> bool {
        topic
            .and_then(|name| self.topic(name))
            .is_some_and(|topic| topic.transactional)
    }

    /// How far back the longest cap looks, in milliseconds; 0 without caps.
    pub fn longest_cap_ms(&self) -> i64 {
        self.caps.iter().map(|cap| cap.within_ms).max().unwrap_or(0)
    }
}

/// What is asked of the policy.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The person who would get the message.
    pub person: &'a ContactState,
    /// The person's account, if anything is known about it.
    pub account: Option<&'a ContactState>,
    /// Topic of the message.
    pub topic: Option<&'a str>,
    /// Its channel.
    pub channel: &'a str,
    /// Now.
    pub now: Timestamp,
    /// The person's zone.
    pub zone: &'a TimeZone,
}

/// The policy's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admit {
    /// It may go.
    Yes,
    /// Not now: ask again at `until`.
    Delay {
        /// When to ask again.
        until: Timestamp,
        /// Why.
        outcome: Outcome,
        /// Why, in words.
        reason: String,
    },
    /// A cap is reached.
    Capped {
        /// Whose cap.
        per: Audience,
        /// Which cap, in words.
        reason: String,
    },
    /// It may not go.
    No {
        /// Why.
        outcome: Outcome,
        /// Why, in words.
        reason: String,
    },
}

fn no(outcome: Outcome, reason: String) -> Admit {
    Admit::No { outcome, reason }
}

/// Whether a message may be sent now. Suppression is asked first, then consent, quiet hours, caps:
/// a delayed message takes no slot of a cap before it really goes.
pub fn admit(policy: &Policy, request: Request<'_>) -> Admit {
    if let Some((outcome, reason)) = recheck(policy, request.person, request.topic) {
        return no(outcome, reason);
    }
    if policy.is_transactional(request.topic) {
        return Admit::Yes;
    }
    let quiet = policy.quiet_hours.as_ref();
    if let Some(until) = quiet.and_then(|q| quiet::quiet_until(q, request.now, request.zone)) {
        return Admit::Delay {
            until,
            outcome: Outcome::QuietHours,
            reason: format!("quiet until {}", local::spoken(until, request.zone)),
        };
    }
    policy
        .caps
        .iter()
        .find_map(|cap| reached(cap, &request))
        .unwrap_or(Admit::Yes)
}

/// Whether a message that was decided earlier must not go any more: the person was suppressed or
/// withdrew consent since. The shell asks this at dispatch with the present contact state.
pub fn recheck(
    policy: &Policy,
    person: &ContactState,
    topic: Option<&str>,
) -> Option<(Outcome, String)> {
    if person.suppressed {
        let reason = "the person's address is suppressed (bounced, complained or by hand)";
        return Some((Outcome::Suppressed, reason.into()));
    }
    if policy.is_transactional(topic) {
        return None;
    }
    let default = topic
        .and_then(|name| policy.topic(name))
        .is_none_or(|topic| topic.subscribed_by_default);
    let explicit = contact::choice(person, topic);
    if explicit.unwrap_or(default) {
        return None;
    }
    let what = topic.map_or_else(|| "marketing messages".into(), |name| format!("`{name}`"));
    let reason = match explicit {
        Some(_) => format!("the person unsubscribed from {what} or from all marketing"),
        None => format!("the person never subscribed to {what}"),
    };
    Some((Outcome::NoConsent, reason))
}

fn reached(cap: &CapDef, request: &Request<'_>) -> Option<Admit> {
    if cap.channel.as_deref().is_some_and(|c| c != request.channel) {
        return None;
    }
    let (contact, whose) = match cap.per {
        Audience::Person => (request.person, "the person"),
        Audience::Account => (request.account?, "the account"),
    };
    let horizon = request.now.plus_ms(-cap.within_ms);
    let counts = |channel: &str| cap.channel.as_deref().is_none_or(|only| only == channel);
    let sent = contact
        .sends
        .iter()
        .filter(|(at, channel)| *at > horizon && counts(channel))
        .count();
    if sent < cap.at_most as usize {
        return None;
    }
    let what = match cap.channel.as_deref() {
        None => "messages over all channels".into(),
        Some("email") => "e-mails".into(),
        Some(channel) => format!("messages by {channel}"),
    };
    let within = local::spoken_ms(cap.within_ms);
    let at_most = cap.at_most;
    Some(Admit::Capped {
        per: cap.per,
        reason: format!("cap of {at_most} {what} in {within} for {whose} reached ({sent} sent)"),
    })
}

#[cfg(test)]
mod tests;
