//! The send step: who gets it, whether they may get it now, and the message itself.

use super::data;
use super::record::{find, find_mut, record};
use super::render::{Missing, Style};
use super::run::{Flow, Place, Slot, mark_acted};
use super::wait::zone_of;
use crate::decision::Outcome;
use crate::define::{Audience, Delivery, Recipient, SendDef};
use crate::effect::MessageIntent;
use crate::engine::Cx;
use crate::id::{MessageId, PersonId, SubjectId};
use crate::log::IdentifierKind;
use crate::policy::{self, Admit, Request};
use crate::subject::{Root, SubjectState};
use crate::time::Timestamp;
use crate::value::Value;

use super::MAX_RECIPIENTS;

/// Runs a send step. It rests while somebody is in quiet hours, and goes on once it has decided
/// about everybody.
pub(super) fn send(cx: &mut Cx<'_>, place: &Place<'_>, def: &SendDef) -> Flow {
    if let Recipient::Channel(name) = &def.to {
        hand_over(cx, place, def, None, name.as_str().into());
        mark_acted(cx, place);
        return Flow::Next(place.step.next);
    }
    let Recipients {
        people,
        left_out_count,
    } = match recipients(cx.root, place.subject, &def.to) {
        Ok(recipients) => recipients,
        Err(reason) => {
            place.decide(cx, Outcome::NoRecipient, reason);
            return Flow::Next(place.step.next);
        }
    };
    let mut delayed: Option<Timestamp> = None;
    for person in people {
        let served =
            find(cx, place.subject, place.id).is_none_or(|one| one.served.contains(&person));
        if served {
            continue;
        }
        match send_to(cx, place, def, person) {
            Some(until) => delayed = Some(delayed.map_or(until, |known| known.min(until))),
            None => {
                if let Some(enrollment) = find_mut(cx, place.subject, place.id) {
                    enrollment.served.push(person);
                }
            }
        }
    }
    if let Some(until) = delayed {
        if let Some(enrollment) = find_mut(cx, place.subject, place.id) {
            enrollment.wake_at = Some(until);
        }
        return Flow::Rest;
    }
    if left_out_count > 0 {
        let reason = format!(
            "a step sends to {MAX_RECIPIENTS} people at most: {left_out_count} more are left out"
        );
        place.decide(cx, Outcome::Capped, reason);
    }
    mark_acted(cx, place);
    Flow::Next(place.step.next)
}

/// Decides about one person; gives the time to ask again if it is not yet time.
fn send_to(
    cx: &mut Cx<'_>,
    place: &Place<'_>,
    def: &SendDef,
    person: PersonId,
) -> Option<Timestamp> {
    let topic = def.topic.as_deref().or(place.program.topic.as_deref());
    let whom = whom(place, person);
    let Some(to) = address(cx.root, person, &def.channel) else {
        let reason = format!("no address for {} is known{whom}", def.channel);
        place.decide(cx, Outcome::NoRecipient, reason);
        return None;
    };
    match ask(cx, person, topic, &def.channel) {
        Admit::Yes => {
            hand_over(cx, place, def, Some(person), to);
            None
        }
        Admit::Delay {
            until,
            outcome,
            reason,
        } => {
            place.decide(cx, outcome, format!("{reason}{whom}"));
            Some(until)
        }
        Admit::Capped { per, reason } => {
            let (outcome, reason) = capped(cx, place, person, per, reason);
            place.decide(cx, outcome, format!("{reason}{whom}"));
            None
        }
        Admit::No { outcome, reason } => {
            place.decide(cx, outcome, format!("{reason}{whom}"));
            None
        }
    }
}

/// Names the recipient where it is not the subject itself; by id, never by address.
fn whom(place: &Place<'_>, person: PersonId) -> String {
    if place.subject == SubjectId::Person(person) {
        String::new()
    } else {
        format!(" ({person})")
    }
}

fn ask(cx: &Cx<'_>, person: PersonId, topic: Option<&str>, channel: &str) -> Admit {
    let Some(state) = cx.root.people().get(&person) else {
        let reason = "the person is not known any more".into();
        return Admit::No {
            outcome: Outcome::NoRecipient,
            reason,
        };
    };
    let zone = zone_of(cx.plan, cx.root, SubjectId::Person(person));
    let request = Request {
        person: &state.contact,
        account: cx.root.account().map(|account| &account.contact),
        topic,
        channel,
        now: cx.now,
        zone: &zone,
    };
    policy::admit(&cx.plan.policy, request)
}

/// A cap that a program of higher priority filled at this very instant is a lost contest.
fn capped(
    cx: &Cx<'_>,
    place: &Place<'_>,
    person: PersonId,
    per: Audience,
    reason: String,
) -> (Outcome, String) {
    let took = |slot: &&Slot| {
        let same = per == Audience::Account || slot.person == person;
        same && slot.priority > place.program.priority
    };
    match cx.programs.slots.iter().rev().find(took) {
        Some(slot) => {
            let (winner, priority) = (&slot.program, slot.priority);
            let reason = format!("`{winner}` of priority {priority} took the slot: {reason}");
            (Outcome::Outranked, reason)
        }
        None => (Outcome::Capped, reason),
    }
}

fn hand_over(
    cx: &mut Cx<'_>,
    place: &Place<'_>,
    def: &SendDef,
    person: Option<PersonId>,
    to: Box<str>,
) {
    let topic = def.topic.as_deref().or(place.program.topic.as_deref());
    let about = person.or(place.subject.person());
    let data = data::of_message(cx, place, about, topic);
    let template = match data::render(&data, place.subject, &def.template, Style::Name) {
        Ok(template) => template,
        Err(Missing(path)) => {
            let reason = format!("the template's name needs `{path}`, which is not known");
            return place.decide(cx, Outcome::RenderFailed, reason);
        }
    };
    let transactional = cx.plan.policy.is_transactional(topic);
    let id = message_id(cx, place, person);
    let whom = match person {
        Some(person) => whom(place, person),
        None => format!(" ({to})"),
    };
    let reason = format!("`{template}` by {}{whom}", def.channel);
    cx.out.messages.push(MessageIntent {
        id,
        decided_at: cx.now,
        channel: def.channel.as_str().into(),
        person,
        account: account_of(cx.root, place.subject),
        subject: place.subject,
        program: place.program.name.clone(),
        version: place.program.version,
        enrollment: place.id,
        step: place.step.name.clone(),
        topic: topic.map(Into::into),
        transactional,
        delivery: if transactional {
            place.program.delivery
        } else {
            Delivery::AtMostOnce
        },
        to,
        template: template.into(),
        subject_line: def.subject.as_deref().map(Into::into),
        data: data.to_string().into(),
    });
    if let Some(person) = person.filter(|_| !transactional) {
        count(cx, place, person, &def.channel);
    }
    record(
        cx,
        place.subject,
        place.note(Outcome::Sent, reason).leading_to(id),
    );
}

/// Takes a place under the caps of the person and of the account.
fn count(cx: &mut Cx<'_>, place: &Place<'_>, person: PersonId, channel: &str) {
    let (policy, now) = (&cx.plan.policy, cx.now);
    let account = cx.root.account().map(|account| account.id);
    for whose in account.into_iter().chain([SubjectId::Person(person)]) {
        cx.touch(whose);
        if let Some(state) = cx.root.subject_mut(whose) {
            policy::record_send(&mut state.contact, policy, channel, now);
        }
    }
    cx.programs.slots.push(Slot {
        person,
        program: place.program.name.clone(),
        priority: place.program.priority,
    });
}

/// A message's id: one per enrollment, step and recipient, also after a migration.
pub(super) fn message_id(cx: &Cx<'_>, place: &Place<'_>, person: Option<PersonId>) -> MessageId {
    let recipient = person.map(|person| person.0).unwrap_or_default();
    cx.plan.salt.derive(&[
        &place.id.0.to_be_bytes(),
        place.step.name.as_bytes(),
        &recipient.to_be_bytes(),
    ])
}

/// The account a subject belongs to, or is.
pub(super) fn account_of(root: &Root, subject: SubjectId) -> Option<crate::id::AccountId> {
    let own = root.subject(subject).and_then(|state| state.account);
    subject.account().or(own).or(root.id.0.account())
}

/// Whom a step goes to.
struct Recipients {
    /// In order of id, as many as there may be.
    people: Vec<PersonId>,
    /// How many there are besides.
    left_out_count: usize,
}

/// Who a step goes to; an error says why it is nobody.
fn recipients(root: &Root, subject: SubjectId, to: &Recipient) -> Result<Recipients, String> {
    let mut people: Vec<PersonId> = match to {
        Recipient::Channel(_) => Vec::new(),
        Recipient::Subject => subject.person().into_iter().collect(),
        Recipient::Everyone => root.people().keys().copied().collect(),
        Recipient::Role(role) => {
            let named = names(root, role);
            let fits = |state: &&SubjectState| has_role(state, role) || is_named(state, &named);
            let people = root.people().values().filter(fits);
            people.filter_map(|state| state.id.person()).collect()
        }
    };
    let left_out_count = people.len().saturating_sub(MAX_RECIPIENTS);
    people.truncate(MAX_RECIPIENTS);
    match to {
        _ if !people.is_empty() => Ok(Recipients {
            people,
            left_out_count,
        }),
        Recipient::Role(role) => Err(format!(
            "nobody here has the role `{role}` or is named in the account's `{role}`"
        )),
        Recipient::Everyone | Recipient::Subject | Recipient::Channel(_) => {
            Err("nobody at the account is known".into())
        }
    }
}

fn has_role(state: &SubjectState, role: &str) -> bool {
    match state.traits.get("role") {
        Some(Value::Text(text)) => text.as_ref() == role,
        Some(Value::List(roles)) => roles.iter().any(|known| known.as_text() == Some(role)),
        _ => false,
    }
}

/// The names an account trait holds: one text, or a list.
fn names<'a>(root: &'a Root, property: &str) -> Vec<&'a str> {
    let value = root
        .account()
        .and_then(|account| account.traits.get(property));
    match value {
        Some(Value::Text(text)) => vec![text],
        Some(Value::List(items)) => items.iter().filter_map(Value::as_text).collect(),
        _ => Vec::new(),
    }
}

fn is_named(state: &SubjectState, names: &[&str]) -> bool {
    let email = state.traits.get("email").and_then(Value::as_text);
    let identified = state
        .identifiers
        .iter()
        .filter(|known| matches!(known.kind, IdentifierKind::UserId | IdentifierKind::Email));
    let mut own = identified.map(|known| known.value.as_ref()).chain(email);
    own.any(|own| names.iter().any(|name| name.eq_ignore_ascii_case(own)))
}

/// Where a channel reaches a person: for e-mail the trait `email` or else the identifier, for SMS
/// the trait `phone`, for any other channel the trait of its name.
fn address(root: &Root, person: PersonId, channel: &str) -> Option<Box<str>> {
    let state = root.people().get(&person)?;
    let property = match channel {
        "sms" => "phone",
        other => other,
    };
    let own = state.traits.get(property).and_then(Value::as_text);
    if channel != "email" {
        return own.filter(|text| !text.is_empty()).map(Into::into);
    }
    let identified = state
        .identifiers
        .iter()
        .filter(|known| known.kind == IdentifierKind::Email);
    let mut candidates = own
        .into_iter()
        .chain(identified.map(|known| known.value.as_ref()));
    candidates.find(|text| text.contains('@')).map(Into::into)
}
