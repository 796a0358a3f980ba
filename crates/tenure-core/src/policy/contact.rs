//! What the policy remembers of a person: choices, suppression, bounces, recent messages.

use std::collections::BTreeSet;

use crate::subject::ContactState;
use crate::time::Timestamp;

use super::Policy;

/// Soft bounces in a row after which an address is suppressed.
pub const MAX_SOFT_BOUNCES: u32 = 5;
/// Most recent messages remembered per subject for caps; a cap may not allow more.
pub const MAX_REMEMBERED_SENDS: usize = 1_000;

/// Name under which a choice about all marketing is kept among the topics.
const ALL_MARKETING: &str = "";

/// What a receipt (a message fact that came back as an event) says about an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receipt<'a> {
    /// Refused for good: the address does not exist.
    HardBounce,
    /// Refused for now: mailbox full, server busy.
    SoftBounce,
    /// Accepted by the receiving server.
    Delivered,
    /// Reported as spam.
    Complained,
    /// Unsubscribed from a topic, or (`None`) from all marketing.
    Unsubscribed(Option<&'a str>),
}

impl<'a> Receipt<'a> {
    /// Reads the event that carries it; `None` for any other event. A bounce of unknown kind is
    /// taken as soft, so that one odd report does not silence a person; one of an address that the
    /// person has no more says nothing.
    pub fn of_event(name: &str, kind: Option<&str>, topic: Option<&'a str>) -> Option<Self> {
        match name {
            "message_bounced" if kind == Some("hard") => Some(Self::HardBounce),
            "message_bounced" if kind == Some("former") => None,
            "message_bounced" => Some(Self::SoftBounce),
            "message_delivered" => Some(Self::Delivered),
            "message_complained" => Some(Self::Complained),
            "message_unsubscribed" => Some(Self::Unsubscribed(topic)),
            _ => None,
        }
    }
}

/// Takes in a receipt.
pub fn record_receipt(contact: &mut ContactState, receipt: Receipt<'_>) {
    match receipt {
        Receipt::HardBounce | Receipt::Complained => contact.suppressed = true,
        Receipt::SoftBounce => {
            contact.soft_bounce_count += 1;
            contact.suppressed |= contact.soft_bounce_count >= MAX_SOFT_BOUNCES;
        }
        Receipt::Delivered => contact.soft_bounce_count = 0,
        Receipt::Unsubscribed(topic) => record_choice(contact, topic, Choice::Unsubscribed),
    }
}

/// A person's choice about a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Wants it.
    Subscribed,
    /// Does not want it.
    Unsubscribed,
}

/// Takes in a choice about a topic or, with `None`, about all marketing. Opting out of everything
/// forgets earlier subscriptions, so a topic chosen *after* that counts again.
pub fn record_choice(contact: &mut ContactState, topic: Option<&str>, choice: Choice) {
    let subscribed = choice == Choice::Subscribed;
    if topic.is_none() {
        contact.consents.retain(|_, chosen| *chosen == subscribed);
    }
    let topic = topic.unwrap_or(ALL_MARKETING);
    contact.consents.insert(topic.into(), subscribed);
}

/// Lifts or sets suppression by command; lifting forgets the bounces that led to it.
pub fn record_suppression(contact: &mut ContactState, suppressed: bool) {
    contact.suppressed = suppressed;
    if !suppressed {
        contact.soft_bounce_count = 0;
    }
}

/// Remembers a marketing message for the caps and forgets what no cap can look back at.
pub fn record_send(contact: &mut ContactState, policy: &Policy, channel: &str, at: Timestamp) {
    let horizon = at.plus_ms(-policy.longest_cap_ms());
    contact.sends.retain(|(sent_at, _)| *sent_at > horizon);
    if policy.longest_cap_ms() > 0 {
        contact.sends.push((at, channel.into()));
    }
    let excess = contact.sends.len().saturating_sub(MAX_REMEMBERED_SENDS);
    contact.sends.drain(..excess);
}

/// Folds what is known of one person into another: the more careful answer wins.
pub fn merge(into: &mut ContactState, from: &ContactState) {
    let topics: BTreeSet<Box<str>> = into
        .consents
        .keys()
        .chain(from.consents.keys())
        .cloned()
        .collect();
    // A topic that only one of them chose is covered by what the other said about all.
    let merged = topics.into_iter().map(|topic| {
        let mut chosen = [&*into, from]
            .into_iter()
            .filter_map(|contact| choice(contact, Some(&topic)));
        let wanted = chosen.all(|wanted| wanted);
        (topic, wanted)
    });
    into.consents = merged.collect();
    into.suppressed |= from.suppressed;
    into.soft_bounce_count = into.soft_bounce_count.max(from.soft_bounce_count);
    into.sends.extend(from.sends.iter().cloned());
    into.sends.sort_by_key(|(at, _)| *at);
    let excess = into.sends.len().saturating_sub(MAX_REMEMBERED_SENDS);
    into.sends.drain(..excess);
}

/// The explicit choice that covers a topic, if the person made one.
pub(super) fn choice(contact: &ContactState, topic: Option<&str>) -> Option<bool> {
    topic
        .and_then(|topic| contact.consents.get(topic))
        .or_else(|| contact.consents.get(ALL_MARKETING))
        .copied()
}
