//! What people refuse counts for what was decided before, also after two of them turn out to be one.

mod world;

use tenure_app::call::{Call, CallKind, Name, event_id};
use tenure_app::dispatch::DispatchSettings;
use tenure_app::refusals::{address_key, consent_key};
use tenure_connectors::Outcome;
use tenure_core::id::PersonId;
use tenure_core::log::IdentifierKind;
use tenure_core::time::HOUR_MS;
use tenure_store::Store;
use tenure_store::row::MessageState;
use world::World;

const DEFINITIONS: &str = r#"
policy: default
timezone: UTC
from: "Northbeam <hello@example.com>"
topics:
  - { name: tips, title: Tips, default: subscribed }
  - { name: news, title: News, default: subscribed }
  - { name: billing, title: Billing, transactional: true }
---
program: welcome
audience: person
topic: tips
enter: { event: signed_up, again: always }
steps: [ { send: email, template: note } ]
---
program: receipt
audience: person
topic: billing
enter: { event: paid, again: always }
steps: [ { send: email, template: note } ]
"#;

const TEMPLATE: &str = "---\nsubject: Welcome\n---\n<mjml><mj-body><mj-section><mj-column><mj-text>\
    Hello</mj-text></mj-column></mj-section></mj-body></mjml>";

/// A world in which a message to Ada is decided and waits, since the mail server is away.
fn world_in_which_a_message_waits(event: &str) -> World {
    let world = World::new(DispatchSettings::default());
    world.publish(&[("all.yaml", DEFINITIONS), ("templates/note.mjml", TEMPLATE)]);
    world.identify("ada");
    let away = Outcome::NotSent {
        reason: "connection refused".into(),
    };
    *world.mailbox.answer.lock() = Some(away);
    world.track("e1", "ada", event, "{}");
    assert_eq!(world.state(), MessageState::Pending);
    *world.mailbox.answer.lock() = None;
    world
}

fn person(world: &World, user: &str) -> PersonId {
    Name::new(world.node.salt(), IdentifierKind::UserId, user).own_person()
}

/// Tells that one user is another; the worker does not hear of it yet.
fn alias(world: &World, previous: &str, user: &str) {
    let salt = world.node.salt();
    let named = |kind, value| Name::new(salt, kind, value);
    let call = Call {
        event_id: event_id(salt, &format!("{previous} is {user}")),
        kind: CallKind::Alias {
            previous_user: named(IdentifierKind::UserId, previous),
            previous_anonymous: named(IdentifierKind::AnonymousId, previous),
        },
        user: Some(named(IdentifierKind::UserId, user)),
        anonymous: None,
        email: None,
        account: None,
        occurred_at: None,
        historical: false,
    };
    world.node.writer().ingest_and_wait(vec![call]).unwrap();
}

/// Where the message that waited stands when the mail server is long back.
fn in_the_end(world: &World) -> MessageState {
    world.pass(HOUR_MS);
    world.pass(HOUR_MS);
    world.state()
}

#[test]
fn a_message_that_waits_goes_when_nobody_refuses() {
    let world = world_in_which_a_message_waits("signed_up");
    assert_eq!(in_the_end(&world), MessageState::Sent);
}

#[test]
fn suppression_counts_before_the_engine_has_heard_of_the_person() {
    let world = world_in_which_a_message_waits("paid");
    assert_eq!(in_the_end(&world), MessageState::Sent);
    let salt = world.node.salt();
    let traits = vec![("email".into(), Some("ben@example.com".into()))];
    let paid = CallKind::Track {
        name: "paid".into(),
        properties: "{}".into(),
    };
    let told = [CallKind::Identify { traits }, paid];
    let calls = told.into_iter().enumerate().map(|(number, kind)| Call {
        event_id: event_id(salt, &format!("ben-{number}")),
        kind,
        user: Some(Name::new(salt, IdentifierKind::UserId, "ben")),
        anonymous: None,
        email: None,
        account: None,
        occurred_at: None,
        historical: false,
    });
    world
        .node
        .writer()
        .ingest_and_wait(calls.collect())
        .unwrap();
    let ben = person(&world, "ben");
    world.node.suppress(ben, true, "by hand").unwrap();
    let address = address_key(salt, "ben@example.com");
    assert!(world.store.suppressions(&[address]).unwrap()[0].is_some());
    world.run();
    let messages = world.messages();
    let his = messages.iter().find(|one| one.intent.person == Some(ben));
    assert_eq!(his.unwrap().state, MessageState::Cancelled);
}

#[test]
fn what_a_person_refused_counts_for_whom_it_is_merged_into() {
    let world = world_in_which_a_message_waits("signed_up");
    world.identify("lovelace");
    let refuser = person(&world, "lovelace");
    world.node.consent(refuser, Some("tips"), false).unwrap();
    alias(&world, "lovelace", "ada");
    assert_eq!(in_the_end(&world), MessageState::Cancelled);
}

#[test]
fn what_a_person_refuses_counts_for_what_was_decided_before_it_was_merged() {
    let world = world_in_which_a_message_waits("signed_up");
    world.identify("lovelace");
    alias(&world, "ada", "lovelace");
    let remains = person(&world, "lovelace");
    world.node.consent(remains, None, false).unwrap();
    assert_eq!(in_the_end(&world), MessageState::Cancelled);
}

#[test]
fn a_refusal_told_of_a_person_that_is_merged_already_counts_for_who_remains() {
    let world = world_in_which_a_message_waits("signed_up");
    world.identify("lovelace");
    alias(&world, "lovelace", "ada");
    let merged = person(&world, "lovelace");
    world.node.consent(merged, Some("tips"), false).unwrap();
    assert_eq!(in_the_end(&world), MessageState::Cancelled);
}

#[test]
fn suppression_passes_on_in_a_merge_and_can_be_lifted_after_it() {
    for lifted in [false, true] {
        let world = world_in_which_a_message_waits("paid");
        world.identify("lovelace");
        let suppressed = person(&world, "lovelace");
        world.node.suppress(suppressed, true, "by hand").unwrap();
        alias(&world, "lovelace", "ada");
        if lifted {
            world.node.suppress(suppressed, false, "by hand").unwrap();
        }
        let expected = if lifted {
            MessageState::Sent
        } else {
            MessageState::Cancelled
        };
        assert_eq!(in_the_end(&world), expected);
    }
}

#[test]
fn who_refused_everything_and_then_wants_one_topic_still_refuses_the_others() {
    for (wanted, expected) in [
        (Some("news"), MessageState::Cancelled),
        (Some("tips"), MessageState::Sent),
        (None, MessageState::Sent),
    ] {
        let world = world_in_which_a_message_waits("signed_up");
        let ada = person(&world, "ada");
        world.node.consent(ada, None, false).unwrap();
        world.node.consent(ada, wanted, true).unwrap();
        assert_eq!(in_the_end(&world), expected, "{wanted:?}");
    }
}

#[test]
fn who_wants_everything_again_refuses_no_topic() {
    let world = world_in_which_a_message_waits("signed_up");
    let ada = person(&world, "ada");
    world.node.consent(ada, Some("tips"), false).unwrap();
    world.node.consent(ada, None, true).unwrap();
    assert_eq!(in_the_end(&world), MessageState::Sent);
}

#[test]
fn a_refusal_of_a_topic_that_was_removed_passes_on_in_a_merge_after_a_restart() {
    let world = World::new(DispatchSettings::default());
    world.publish(&[("all.yaml", DEFINITIONS), ("templates/note.mjml", TEMPLATE)]);
    world.identify("ada");
    world.identify("lovelace");
    let refuser = person(&world, "lovelace");
    world.node.consent(refuser, Some("news"), false).unwrap();
    let without = DEFINITIONS.replace("  - { name: news, title: News, default: subscribed }\n", "");
    assert_ne!(without, DEFINITIONS);
    world.publish(&[("all.yaml", &without), ("templates/note.mjml", TEMPLATE)]);
    let world = world.reopen();
    alias(&world, "lovelace", "ada");
    let key = consent_key(world.node.salt(), person(&world, "ada"), Some("news"));
    assert!(world.store.suppressions(&[key]).unwrap()[0].is_some());
}

#[test]
fn lifting_a_suppression_frees_every_address_that_is_known() {
    let world = World::new(DispatchSettings::default());
    world.publish(&[("all.yaml", DEFINITIONS), ("templates/note.mjml", TEMPLATE)]);
    world.identify("ada");
    world.identify("lovelace");
    let salt = world.node.salt();
    let keys = ["ada@example.com", "lovelace@example.com", "old@example.com"];
    let keys = keys.map(|address| address_key(salt, address));
    let known = Call {
        event_id: event_id(salt, "named"),
        kind: CallKind::Identify { traits: Vec::new() },
        user: Some(Name::new(salt, IdentifierKind::UserId, "ada")),
        anonymous: None,
        email: Some(Name::new(salt, IdentifierKind::Email, "old@example.com")),
        account: None,
        occurred_at: None,
        historical: false,
    };
    world.node.writer().ingest_and_wait(vec![known]).unwrap();
    world.run();
    world.node.flush().unwrap();
    let ada = person(&world, "ada");
    let suppressed = |world: &World| {
        let found = world.store.suppressions(&keys).unwrap();
        [0, 1, 2].map(|index| found[index].is_some())
    };
    world.node.suppress(ada, true, "by hand").unwrap();
    assert_eq!(suppressed(&world), [true, false, true]);
    world.node.suppress(ada, false, "by hand").unwrap();
    assert_eq!(suppressed(&world), [false; 3]);
}
