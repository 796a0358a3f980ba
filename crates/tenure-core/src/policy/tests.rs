use super::*;
use crate::define::{Definitions, PolicyDef};
use crate::time::{DAY_MS, HOUR_MS, zone};

fn topic(name: &str, transactional: bool, subscribed_by_default: bool) -> TopicDef {
    TopicDef {
        name: name.into(),
        title: name.into(),
        transactional,
        subscribed_by_default,
    }
}

fn policy() -> Policy {
    let definitions = Definitions {
        policy: PolicyDef {
            topics: vec![
                topic("tips", false, true),
                topic("news", false, false),
                topic("billing", true, true),
            ],
            caps: vec![
                CapDef {
                    per: Audience::Person,
                    channel: Some("email".into()),
                    at_most: 2,
                    within_ms: 7 * DAY_MS,
                },
                CapDef {
                    per: Audience::Account,
                    channel: None,
                    at_most: 3,
                    within_ms: DAY_MS,
                },
            ],
            quiet_hours: Some(QuietHoursDef {
                from_minutes: 20 * 60,
                until_minutes: 8 * 60,
                days: vec![7],
            }),
            ..PolicyDef::default()
        },
        ..Definitions::default()
    };
    let mut diagnostics = Vec::new();
    let policy = compile(&definitions, &mut diagnostics);
    assert_eq!(diagnostics, []);
    policy
}

/// A Monday at noon in UTC.
fn noon() -> Timestamp {
    Timestamp::parse("2026-01-05T12:00:00Z").unwrap()
}

fn ask(person: &ContactState, account: &ContactState, topic: &str, now: Timestamp) -> Admit {
    let request = Request {
        person,
        account: Some(account),
        topic: Some(topic),
        channel: "email",
        now,
        zone: &zone("UTC").unwrap(),
    };
    admit(&policy(), request)
}

#[track_caller]
fn refused(answer: Admit, expected: Outcome, words: &str) {
    match answer {
        Admit::No { outcome, reason } => {
            assert_eq!(outcome, expected, "{reason}");
            assert!(reason.contains(words), "{reason}");
        }
        Admit::Capped { reason, .. } => {
            assert_eq!(expected, Outcome::Capped);
            assert!(reason.contains(words), "{reason}");
        }
        other => panic!("expected {expected:?}, got {other:?}"),
    }
}

#[test]
fn consent_is_the_explicit_choice_and_else_the_topics_default() {
    let mut person = ContactState::default();
    let account = ContactState::default();
    assert_eq!(ask(&person, &account, "tips", noon()), Admit::Yes);
    refused(
        ask(&person, &account, "news", noon()),
        Outcome::NoConsent,
        "never subscribed",
    );
    record_choice(&mut person, Some("news"), Choice::Subscribed);
    record_choice(&mut person, Some("tips"), Choice::Unsubscribed);
    assert_eq!(ask(&person, &account, "news", noon()), Admit::Yes);
    refused(
        ask(&person, &account, "tips", noon()),
        Outcome::NoConsent,
        "unsubscribed",
    );
}

#[test]
fn opting_out_of_all_marketing_covers_earlier_choices_and_not_later_ones() {
    let mut person = ContactState::default();
    let account = ContactState::default();
    record_choice(&mut person, Some("news"), Choice::Subscribed);
    record_choice(&mut person, None, Choice::Unsubscribed);
    for name in ["news", "tips"] {
        refused(
            ask(&person, &account, name, noon()),
            Outcome::NoConsent,
            "all marketing",
        );
    }
    assert_eq!(ask(&person, &account, "billing", noon()), Admit::Yes);
    record_choice(&mut person, Some("news"), Choice::Subscribed);
    assert_eq!(ask(&person, &account, "news", noon()), Admit::Yes);
    refused(
        ask(&person, &account, "tips", noon()),
        Outcome::NoConsent,
        "all marketing",
    );
}

#[test]
fn suppression_stops_transactional_messages_too() {
    let account = ContactState::default();
    let mut person = ContactState::default();
    record_receipt(&mut person, Receipt::HardBounce);
    refused(
        ask(&person, &account, "billing", noon()),
        Outcome::Suppressed,
        "suppressed",
    );
    record_suppression(&mut person, false);
    assert_eq!(ask(&person, &account, "billing", noon()), Admit::Yes);
}

#[test]
fn the_fifth_soft_bounce_in_a_row_suppresses() {
    let mut person = ContactState::default();
    for _ in 0..4 {
        record_receipt(&mut person, Receipt::SoftBounce);
    }
    record_receipt(&mut person, Receipt::Delivered);
    for _ in 0..4 {
        record_receipt(&mut person, Receipt::SoftBounce);
    }
    assert!(!person.suppressed);
    record_receipt(&mut person, Receipt::SoftBounce);
    assert!(person.suppressed);
}

#[test]
fn caps_slide_and_count_per_person_and_per_account() {
    let policy = policy();
    let (mut person, mut account) = (ContactState::default(), ContactState::default());
    for days in [6, 2] {
        record_send(
            &mut person,
            &policy,
            "email",
            noon().plus_ms(-days * DAY_MS),
        );
    }
    refused(
        ask(&person, &account, "tips", noon()),
        Outcome::Capped,
        "cap of 2 e-mails in 7 days for the person reached (2 sent)",
    );
    assert_eq!(ask(&person, &account, "billing", noon()), Admit::Yes);
    assert_eq!(
        ask(&person, &account, "tips", noon().plus_ms(DAY_MS)),
        Admit::Yes
    );
    for hours in [3, 2, 1] {
        record_send(
            &mut account,
            &policy,
            "sms",
            noon().plus_ms(-hours * HOUR_MS),
        );
    }
    refused(
        ask(&ContactState::default(), &account, "tips", noon()),
        Outcome::Capped,
        "cap of 3 messages over all channels in 1 day for the account reached",
    );
}

#[test]
fn quiet_hours_delay_to_their_end_and_not_transactional_messages() {
    let contact = ContactState::default();
    let evening = noon().plus_ms(9 * HOUR_MS);
    match ask(&contact, &contact, "tips", evening) {
        Admit::Delay {
            until,
            outcome,
            reason,
        } => {
            assert_eq!(until, noon().plus_ms(20 * HOUR_MS));
            assert_eq!(outcome, Outcome::QuietHours);
            assert_eq!(reason, "quiet until 2026-01-06 08:00 UTC");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(ask(&contact, &contact, "billing", evening), Admit::Yes);
}

#[test]
fn remembered_sends_are_bounded_by_the_longest_cap_and_by_number() {
    let policy = policy();
    let mut person = ContactState::default();
    for step in 0..3_000 {
        record_send(&mut person, &policy, "email", noon().plus_ms(step));
    }
    assert_eq!(person.sends.len(), MAX_REMEMBERED_SENDS);
    record_send(&mut person, &policy, "email", noon().plus_ms(8 * DAY_MS));
    assert_eq!(person.sends.len(), 1);
}

#[test]
fn merging_two_people_keeps_the_more_careful_answers() {
    let mut into = ContactState::default();
    let mut from = ContactState::default();
    record_choice(&mut into, Some("tips"), Choice::Subscribed);
    record_choice(&mut from, Some("tips"), Choice::Unsubscribed);
    record_receipt(&mut from, Receipt::Complained);
    record_send(&mut from, &policy(), "email", noon());
    merge(&mut into, &from);
    assert_eq!(into.consents.get("tips"), Some(&false));
    assert!(into.suppressed);
    assert_eq!(into.sends.len(), 1);
}

#[test]
fn who_refused_everything_refuses_in_a_merge_what_the_other_chose() {
    let (mut wants, mut refuses) = (ContactState::default(), ContactState::default());
    record_choice(&mut wants, Some("tips"), Choice::Subscribed);
    record_choice(&mut refuses, None, Choice::Unsubscribed);
    record_choice(&mut refuses, Some("news"), Choice::Subscribed);
    for (mut into, from) in [(wants.clone(), &refuses), (refuses.clone(), &wants)] {
        merge(&mut into, from);
        let chosen = ["tips", "news", "other"].map(|topic| contact::choice(&into, Some(topic)));
        assert_eq!(chosen, [Some(false), Some(true), Some(false)]);
    }
}

#[test]
fn a_policy_that_cannot_work_is_refused_with_every_reason() {
    let definitions = Definitions {
        policy: PolicyDef {
            timezone: "Mars/Olympus".into(),
            topics: vec![topic("a", false, true), topic("a", false, true)],
            caps: vec![CapDef {
                per: Audience::Person,
                channel: None,
                at_most: 5,
                within_ms: 0,
            }],
            quiet_hours: Some(QuietHoursDef {
                from_minutes: 60,
                until_minutes: 60,
                days: vec![],
            }),
            holdout: 1.0,
            ..PolicyDef::default()
        },
        ..Definitions::default()
    };
    let mut diagnostics = Vec::new();
    compile(&definitions, &mut diagnostics);
    let codes: Vec<_> = diagnostics.iter().map(|found| found.code).collect();
    assert_eq!(
        codes,
        [
            "unknown-timezone",
            "duplicate-topic",
            "cap-out-of-range",
            "endless-quiet-hours",
            "holdout-out-of-range"
        ]
    );
}
