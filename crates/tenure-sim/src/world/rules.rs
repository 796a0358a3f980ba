//! What must always hold, whatever the world does. Each rule names what broke it.

use std::collections::{BTreeMap, BTreeSet};

use tenure_app::error::AppError;
use tenure_core::define::Delivery;
use tenure_core::effect::{EnrollmentStatus, MessageIntent};
use tenure_core::id::{EventId, MessageId};
use tenure_core::log::{Body, decode};
use tenure_core::time::{Timestamp, zone};
use tenure_store::Store;
use tenure_store::memory::MemoryStore;
use tenure_store::row::MessageState;

use super::definitions::{ACCOUNT_CAP, CAP_WITHIN_MS, PERSON_CAP, QUIET_FROM, QUIET_UNTIL, ZONE};
use super::mail::Attempt;
use super::model::Model;
use super::recompute::{decisions, messages};
use super::store::Witness;

/// Takes in new attempts, in order, and judges them by what was known when they began.
pub fn attempts(
    model: &mut Model,
    data: &MemoryStore,
    witness: &Witness,
    new: &[Attempt],
) -> Vec<String> {
    let mut broken = Vec::new();
    for attempt in new {
        let Some(intent) = witness.intents.get(&attempt.message) else {
            broken.push(format!("{} went out undecided", attempt.message));
            continue;
        };
        let Some(person) = intent.person else {
            continue;
        };
        let topic = intent.topic.as_deref();
        let forbidden = model.forbids(data, person, &intent.to, topic, intent.transactional);
        if let Some(why) = forbidden {
            let (id, program) = (attempt.message, &intent.program);
            broken.push(format!("{id} of `{program}` was sent though {why}"));
        }
        if attempt.hard_bounce && !witness.cut_attempts.contains(&attempt.message) {
            model.bounce(&intent.to, person);
        }
    }
    broken
}

/// No message arrives twice, unless somebody chose so.
pub fn arrivals(model: &Model, witness: &Witness, all: &[Attempt]) -> Vec<String> {
    let mut counts: BTreeMap<MessageId, usize> = BTreeMap::new();
    for attempt in all.iter().filter(|attempt| attempt.arrived) {
        *counts.entry(attempt.message).or_default() += 1;
    }
    let allowed = |id: &MessageId| 1 + model.resends.get(id).copied().unwrap_or(0);
    let chosen = |id: &MessageId| {
        let intent = witness.intents.get(id);
        intent.is_some_and(|intent| {
            intent.delivery == Delivery::AtLeastOnce || intent.channel.as_ref() == "webhook"
        })
    };
    let mut broken: Vec<String> = counts
        .iter()
        .filter(|(id, count)| **count > allowed(id) && !chosen(id))
        .map(|(id, count)| format!("{id} arrived {count} times, {} allowed", allowed(id)))
        .collect();
    let mut places = BTreeSet::new();
    for intent in witness.intents.values() {
        if !places.insert((intent.enrollment, &intent.step, intent.person)) {
            broken.push(format!(
                "two messages for step `{}` of {} and one person",
                intent.step, intent.enrollment
            ));
        }
    }
    broken
}

/// Decided marketing messages keep to caps and quiet hours.
pub fn policy(witness: &Witness) -> Vec<String> {
    let mut broken = Vec::new();
    let (mut people, mut accounts) = (BTreeMap::new(), BTreeMap::new());
    for intent in witness.intents.values() {
        if intent.transactional || intent.channel.as_ref() != "email" {
            continue;
        }
        if let Some(person) = intent.person {
            people.entry(person).or_insert_with(Vec::new).push(intent);
        }
        if let Some(account) = intent.account {
            accounts
                .entry(account)
                .or_insert_with(Vec::new)
                .push(intent);
        }
        if is_quiet(intent) {
            broken.push(format!(
                "{} of `{}` was decided in quiet hours, at {}",
                intent.id, intent.program, intent.decided_at
            ));
        }
    }
    for (person, sent) in people {
        broken.extend(over_cap(&person.to_string(), sent, PERSON_CAP));
    }
    for (account, sent) in accounts {
        broken.extend(over_cap(&account.to_string(), sent, ACCOUNT_CAP));
    }
    broken
}

fn over_cap(whose: &str, mut sent: Vec<&MessageIntent>, at_most: usize) -> Option<String> {
    sent.sort_by_key(|intent| intent.decided_at);
    let (last, count) = sent.iter().enumerate().find_map(|(index, last)| {
        let horizon = last.decided_at.plus_ms(-CAP_WITHIN_MS);
        let within = sent[..=index]
            .iter()
            .filter(|intent| intent.decided_at > horizon);
        let count = within.count();
        (count > at_most).then_some((last, count))
    })?;
    Some(format!(
        "{whose} got {count} messages within the cap of {at_most}, the last decided at {} by `{}`",
        last.decided_at, last.program
    ))
}

fn is_quiet(intent: &MessageIntent) -> bool {
    let data: serde_json::Value = serde_json::from_str(&intent.data).unwrap_or_default();
    let told = |path: &str| zone(data.pointer(path)?.as_str()?);
    let zone = told("/person/timezone")
        .or_else(|| told("/account/timezone"))
        .or_else(|| zone(ZONE));
    let Some(zone) = zone else { return true };
    let local = intent.decided_at.in_zone(&zone);
    let minute = local.hour() as u16 * 60 + local.minute() as u16;
    let sunday = local.weekday().to_monday_one_offset() == 7;
    sunday || !(QUIET_UNTIL..QUIET_FROM).contains(&minute)
}

/// Every acknowledged event is in the log once, and no event twice.
pub fn log(model: &Model, data: &MemoryStore) -> Result<Vec<String>, AppError> {
    let mut counts: BTreeMap<EventId, usize> = BTreeMap::new();
    let mut received_at = Timestamp(i64::MIN);
    let mut broken = Vec::new();
    for chunk in data.read_log(1, usize::MAX, None)? {
        for entry in decode(chunk.first, &chunk.bytes) {
            let Ok(entry) = entry else {
                broken.push(format!("the chunk at {} cannot be read", chunk.first));
                continue;
            };
            if entry.received_at < received_at {
                broken.push(format!("time goes back at entry {}", entry.position));
            }
            received_at = entry.received_at;
            if let Body::Event(event) = entry.body {
                *counts.entry(event.id).or_default() += 1;
            }
        }
    }
    let twice = counts.iter().filter(|(_, count)| **count > 1);
    broken.extend(twice.map(|(id, count)| format!("event {id} is in the log {count} times")));
    let lost = model
        .acknowledged
        .iter()
        .filter(|id| !counts.contains_key(id));
    broken.extend(lost.map(|id| format!("event {id} was acknowledged and is not in the log")));
    Ok(broken)
}

/// Every step that was reached has a decision, and every message the one that led to it.
pub fn reached(data: &MemoryStore, witness: &Witness) -> Result<Vec<String>, AppError> {
    let decisions = decisions(data)?;
    let steps: BTreeSet<_> = decisions
        .iter()
        .filter_map(|decision| Some((decision.enrollment?, decision.step.as_deref()?)))
        .collect();
    let led_to: BTreeSet<_> = decisions
        .iter()
        .filter_map(|decision| decision.message)
        .collect();
    let mut broken: Vec<String> = witness
        .enrollments
        .iter()
        .filter(|change| change.status == EnrollmentStatus::Active)
        .filter_map(|change| Some((change, change.step.as_deref()?)))
        .filter(|(change, step)| !steps.contains(&(change.id, *step)))
        .map(|(change, step)| {
            format!(
                "step `{step}` of {} in `{}` was reached at {} without a decision",
                change.id, change.program, change.at
            )
        })
        .collect();
    broken.dedup();
    let unled = witness.intents.keys().filter(|id| !led_to.contains(id));
    broken.extend(unled.map(|id| format!("{id} has no decision")));
    Ok(broken)
}

/// In doubt is only what an attempt left in doubt.
pub fn doubts(
    data: &MemoryStore,
    witness: &Witness,
    all: &[Attempt],
) -> Result<Vec<String>, AppError> {
    let mut doubtful = witness.cut_attempts.clone();
    doubtful.extend(all.iter().filter(|one| one.in_doubt).map(|one| one.message));
    let unknown = messages(data)?
        .into_iter()
        .filter(|message| message.state == MessageState::Unknown)
        .filter(|message| !doubtful.contains(&message.intent.id));
    Ok(unknown
        .map(|message| format!("{} is in doubt for no reason", message.intent.id))
        .collect())
}

/// Nothing waits for what has passed.
pub fn stuck(data: &MemoryStore, now: Timestamp) -> Result<Vec<String>, AppError> {
    let mut broken = Vec::new();
    for message in messages(data)? {
        let due = message.state == MessageState::Pending && message.due_at <= now;
        if due || message.state == MessageState::Sending {
            let (id, state) = (message.intent.id, message.state);
            broken.push(format!("{id} is still {state:?} at {now}"));
        }
    }
    let waking = data.waking(now, 5)?;
    broken.extend(
        waking
            .iter()
            .map(|(at, root)| format!("{root:?} should have woken at {at}, it is {now}")),
    );
    let progress = data.progress()?;
    let end = data.log_end()?;
    if progress.applied.position < end {
        broken.push(format!(
            "the log ends at {end}, applied is {}",
            progress.applied.position
        ));
    }
    broken.extend(data.check()?);
    let letters = data.dead_letters(&tenure_store::Page::default())?;
    broken.extend(
        letters
            .iter()
            .map(|letter| format!("entry {} was set aside: {}", letter.position, letter.reason)),
    );
    Ok(broken)
}
