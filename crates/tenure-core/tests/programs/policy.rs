//! The contact policy as programs meet it.

use tenure_core::decision::Outcome;
use tenure_core::define::*;
use tenure_core::id::SubjectId;
use tenure_core::log::Command;
use tenure_core::time::{DAY_MS, HOUR_MS, Timestamp};

use super::company::*;

fn cap(per: Audience, at_most: u32, within_ms: i64) -> CapDef {
    CapDef {
        per,
        channel: None,
        at_most,
        within_ms,
    }
}

fn with_policy(programs: Vec<ProgramDef>, change: impl FnOnce(&mut PolicyDef)) -> Company {
    let mut definitions = definitions(programs);
    change(&mut definitions.policy);
    Company::with(definitions, monday())
}

#[test]
fn a_capped_step_is_skipped_with_the_numbers_and_the_rest_goes_on() {
    let steps = vec![
        send("a"),
        send("b"),
        send("c"),
        wait("w", WaitDef::For(8 * DAY_MS)),
        send("d"),
    ];
    let mut company = with_policy(vec![program("p", steps)], |policy| {
        policy.caps = vec![cap(Audience::Person, 2, 7 * DAY_MS)];
    });
    company.go();
    let expected = "cap of 2 messages over all channels in 7 days for the person reached (2 sent)";
    assert_eq!(company.reason(Outcome::Capped), expected);
    company.advance(9 * DAY_MS);
    assert_eq!(company.sent(), ["a", "b", "d"]);
}

#[test]
fn an_accounts_cap_counts_all_its_people() {
    let mut company = with_policy(vec![program("p", vec![send("a")])], |policy| {
        policy.caps = vec![cap(Audience::Account, 1, DAY_MS)];
    });
    company.event(ANN, "go", "{}");
    company.event(BEN, "go", "{}");
    assert_eq!(company.sent().len(), 1);
    assert!(company.reason(Outcome::Capped).contains("for the account"));
}

#[test]
fn of_two_programs_that_want_one_slot_the_higher_priority_wins() {
    // The lower one comes first by name, by definition and by the condition it enters by.
    let mut low = program("a-low", vec![send("low")]);
    low.enter = Entry::When {
        condition: if_person("count(\"go\") >= 1"),
        existing: false,
    };
    let mut high = program("z-high", vec![send("high")]);
    high.priority = 5;
    let mut company = with_policy(vec![low, high], |policy| {
        policy.caps = vec![cap(Audience::Person, 1, DAY_MS)];
    });
    company.go();
    assert_eq!(company.sent(), ["high"]);
    let reason = company.reason(Outcome::Outranked);
    assert!(
        reason.contains("`z-high` of priority 5 took the slot"),
        "{reason}"
    );
}

#[test]
fn steps_delayed_to_the_same_instant_contest_by_priority_too() {
    let mut high = program("z-high", vec![send("high")]);
    high.priority = 5;
    let low = program("a-low", vec![send("low")]);
    let mut company = with_policy(vec![low, high], |policy| {
        policy.caps = vec![cap(Audience::Person, 1, DAY_MS)];
        policy.quiet_hours = Some(QuietHoursDef {
            from_minutes: 8 * 60,
            until_minutes: 10 * 60,
            days: vec![],
        });
    });
    company.go();
    assert!(company.sent().is_empty());
    company.advance(2 * HOUR_MS);
    assert_eq!(company.sent(), ["high"]);
    assert!(company.decided().contains(&"low outranked".to_owned()));
}

#[test]
fn quiet_hours_delay_to_their_local_end_and_ask_again() {
    let mut company = with_policy(vec![program("p", vec![send("a"), send("b")])], |policy| {
        policy.quiet_hours = Some(QuietHoursDef {
            from_minutes: 20 * 60,
            until_minutes: 8 * 60,
            days: vec![7],
        });
    });
    company.ann(r#"{"timezone":"Europe/Berlin"}"#);
    // Saturday evening before the clocks go forward; Sunday is quiet as a whole.
    company.advance_to(Timestamp::parse("2026-03-28T20:00:00Z").unwrap());
    company.go();
    assert_eq!(company.decided(), ["entered", "a quiet_hours"]);
    assert_eq!(
        company.reason(Outcome::QuietHours),
        "quiet until 2026-03-30 08:00 Europe/Berlin"
    );
    company.advance(3 * DAY_MS);
    let at: Vec<_> = company
        .out
        .messages
        .iter()
        .map(|message| message.decided_at)
        .collect();
    assert_eq!(at, [Timestamp::parse("2026-03-30T06:00:00Z").unwrap(); 2]);
}

#[test]
fn people_in_other_zones_get_theirs_in_their_own_morning() {
    let mut def = program(
        "p",
        vec![
            send_to("a", Recipient::Everyone, None),
            send_to("b", Recipient::Everyone, None),
        ],
    );
    def.audience = Audience::Account;
    let mut company = with_policy(vec![def], |policy| {
        policy.quiet_hours = Some(QuietHoursDef {
            from_minutes: 20 * 60,
            until_minutes: 8 * 60,
            days: vec![],
        });
    });
    company.ann(r#"{"timezone":"Asia/Tokyo"}"#);
    company.traits(SubjectId::Person(BEN), r#"{"timezone":"Europe/Berlin"}"#);
    // 21:00 in Tokyo, 13:00 in Berlin.
    company.advance_to(Timestamp::parse("2026-01-06T12:00:00Z").unwrap());
    company.event(BEN, "go", "{}");
    company.advance(2 * DAY_MS);
    let got: Vec<_> = company
        .out
        .messages
        .iter()
        .map(|m| (m.template.as_ref(), m.person.unwrap()))
        .collect();
    assert_eq!(got, [("a", BEN), ("a", ANN), ("b", ANN), ("b", BEN)]);
}

#[test]
fn consent_and_suppression_stop_a_step_and_transactional_topics_need_no_consent() {
    let steps = vec![
        send("tip"),
        send_to("news", Recipient::Subject, Some("news")),
        send_to("bill", Recipient::Subject, Some("billing")),
    ];
    let mut company = Company::of(vec![program("p", steps)]);
    let consent = |topic: Option<&str>, subscribed| Command::Consent {
        person: ANN,
        account: Some(ACCOUNT),
        topic: topic.map(Into::into),
        subscribed,
    };
    company.command(consent(Some("news"), false));
    company.go();
    assert_eq!(company.sent(), ["tip", "bill"]);
    company.command(consent(None, false));
    company.go();
    assert_eq!(company.sent(), ["tip", "bill", "bill"]);
    company.command(Command::Suppress {
        person: ANN,
        account: Some(ACCOUNT),
        suppressed: true,
    });
    company.go();
    assert_eq!(company.sent().len(), 3);
    assert!(company.decided().contains(&"bill suppressed".to_owned()));
}

#[test]
fn receipts_that_come_back_as_events_update_the_contact() {
    let mut company = Company::of(vec![program("p", vec![send("tip")])]);
    for _ in 0..5 {
        company.event(ANN, "message_bounced", r#"{"kind":"soft"}"#);
    }
    assert!(company.state(ANN).contact.suppressed);
    company.event(BEN, "message_unsubscribed", r#"{"topic":"tips"}"#);
    company.event(BEN, "go", "{}");
    assert_eq!(
        company.decided(),
        ["entered", "tip no_consent", "completed"]
    );
    let contact = &company.state(BEN).contact;
    let again = tenure_core::policy::recheck(&company.plan.policy, contact, Some("tips"));
    assert_eq!(again.map(|(outcome, _)| outcome), Some(Outcome::NoConsent));
}

#[test]
fn a_cap_is_not_used_up_by_what_was_not_sent() {
    let mut company = with_policy(vec![program("p", vec![send("a")])], |policy| {
        policy.caps = vec![cap(Audience::Person, 1, DAY_MS)];
    });
    company.ann(r#"{"email":null}"#);
    company.go();
    company.ann(r#"{"email":"ann@example.com"}"#);
    company.go();
    assert_eq!(company.sent(), ["a"]);
}
