//! Who enters a program, when, and who does not.

use tenure_core::decision::Outcome;
use tenure_core::define::*;
use tenure_core::effect::EnrollmentStatus;
use tenure_core::engine;
use tenure_core::id::{PersonId, SubjectId};
use tenure_core::log::Command;
use tenure_core::plan::Plan;
use tenure_core::time::{DAY_MS, HOUR_MS, Timestamp};

use super::company::*;

fn entering(enter: Entry) -> ProgramDef {
    ProgramDef {
        enter,
        ..program("p", vec![send("hello")])
    }
}

fn outcomes(company: &Company, outcome: Outcome) -> usize {
    let decisions = company.out.decisions.iter();
    decisions
        .filter(|decision| decision.outcome == outcome)
        .count()
}

#[test]
fn a_condition_enters_each_time_it_becomes_true() {
    let mut company = Company::of(vec![entering(Entry::When {
        condition: if_person("count(\"seen\", 7d) >= 2"),
        existing: false,
    })]);
    for _ in 0..3 {
        company.event(ANN, "seen", "{}");
    }
    assert_eq!(company.sent().len(), 1);
    company.advance(8 * DAY_MS);
    company.event(ANN, "seen", "{}");
    assert_eq!(company.sent().len(), 1);
    company.event(ANN, "seen", "{}");
    assert_eq!(company.sent().len(), 2);
}

#[test]
fn a_condition_that_becomes_true_by_time_alone_enters_at_that_very_instant() {
    let mut company = Company::of(vec![entering(Entry::When {
        condition: if_person("since(last(\"seen\")) >= 10d"),
        existing: false,
    })]);
    company.event(ANN, "seen", "{}");
    company.advance(30 * DAY_MS);
    let sent: Vec<_> = company
        .out
        .messages
        .iter()
        .map(|message| message.decided_at)
        .collect();
    assert_eq!(sent, [monday().plus_ms(10 * DAY_MS)]);
}

#[test]
fn an_event_enters_if_its_properties_fit() {
    let mut company = Company::of(vec![entering(Entry::Event {
        event: "order".into(),
        filter: Some(filter("total > 100")),
    })]);
    company.event(ANN, "order", r#"{"total":50}"#);
    company.event(ANN, "other", r#"{"total":500}"#);
    assert_eq!(company.sent().len(), 0);
    company.event(ANN, "order", r#"{"total":500}"#);
    assert_eq!(company.sent().len(), 1);
    let data: serde_json::Value = serde_json::from_str(&company.out.messages[0].data).unwrap();
    assert_eq!(data["event"]["total"], 500);
}

#[test]
fn a_segment_and_a_signal_enter() {
    let mut by_segment = entering(Entry::Segment {
        segment: "pros".into(),
        existing: false,
    });
    by_segment.steps = vec![send("segment")];
    let mut by_signal = entering(Entry::Signal("hot".into()));
    by_signal.name = "q".into();
    by_signal.steps = vec![send("signal")];
    let mut definitions = definitions(vec![by_segment, by_signal]);
    definitions.segments.push(SegmentDef {
        name: "pros".into(),
        about: String::new(),
        audience: Audience::Person,
        when: if_person("plan == \"pro\""),
        place: Place::default(),
    });
    definitions.signals.push(SignalDef {
        name: "hot".into(),
        about: "Something is going on".into(),
        audience: Audience::Person,
        severity: SignalSeverity::Info,
        kind: None,
        when: if_person("plan == \"pro\""),
        cooldown_ms: 0,
        place: Place::default(),
    });
    let mut company = Company::with(definitions, monday());
    company.ann(r#"{"plan":"pro"}"#);
    let mut sent = company.sent();
    sent.sort_unstable();
    assert_eq!(sent, ["segment", "signal"]);
}

#[test]
fn a_schedule_enters_everybody_it_is_for_at_its_local_times() {
    let mut def = entering(Entry::Schedule("0 9 * * mon".into()));
    def.only_if = Some(if_person("plan == \"pro\""));
    let mut definitions = definitions(vec![def]);
    definitions.policy.timezone = "Europe/Berlin".into();
    let start = Timestamp::parse("2026-03-20T12:00:00Z").unwrap();
    let mut company = Company::with(definitions, start);
    company.ann(r#"{"plan":"pro"}"#);
    company.advance(11 * DAY_MS);
    let sent: Vec<_> = company
        .out
        .messages
        .iter()
        .map(|message| message.decided_at)
        .collect();
    let at = |text| Timestamp::parse(text).unwrap();
    assert_eq!(
        sent,
        [at("2026-03-23T08:00:00Z"), at("2026-03-30T07:00:00Z")]
    );
    assert_eq!(outcomes(&company, Outcome::NotEligible), 0);
}

#[test]
fn a_schedule_wakes_only_those_it_is_for() {
    let mut def = entering(Entry::Schedule("0 9 * * mon".into()));
    def.only_if = Some(if_person("since(last(\"seen\")) >= 7d"));
    let mut company = Company::of(vec![def]);
    assert_eq!(company.state(BEN).wake_at, None);
    company.advance(7 * DAY_MS);
    // It becomes true at the very instant of the schedule.
    company.event(ANN, "seen", "{}");
    company.advance(7 * DAY_MS);
    assert_eq!(company.sent(), ["hello"]);
    let next = company.now.plus_ms(7 * DAY_MS);
    assert_eq!(company.state(ANN).wake_at, Some(next));
    assert_eq!(company.state(BEN).wake_at, None);
}

#[test]
fn a_date_enters_at_its_offset_and_says_so_when_it_is_too_late() {
    let mut company = Company::of(vec![entering(Entry::Date {
        property: "renewal".into(),
        offset_ms: -2 * DAY_MS,
    })]);
    company.ann(r#"{"renewal":"2026-01-20"}"#);
    company.advance(30 * DAY_MS);
    let at: Vec<_> = company
        .out
        .messages
        .iter()
        .map(|message| message.decided_at)
        .collect();
    assert_eq!(at, [Timestamp::parse("2026-01-18").unwrap()]);
    company.ann(r#"{"renewal":"2026-02-05"}"#);
    company.advance(30 * DAY_MS);
    assert_eq!(company.sent().len(), 1);
    assert!(
        company
            .reason(Outcome::NotEligible)
            .contains("`renewal` became known after")
    );
}

#[test]
fn api_entries_carry_key_and_data() {
    let mut def = entering(Entry::Api);
    def.steps = vec![send("hello-{{ event.color }}")];
    let mut company = Company::of(vec![def]);
    for key in ["a", "b"] {
        company.command(Command::Enroll {
            program: "p".into(),
            subject: SubjectId::Person(ANN),
            account: Some(ACCOUNT),
            key: Some(key.into()),
            data: r#"{"color":"red"}"#.into(),
        });
    }
    assert_eq!(company.sent(), ["hello-red", "hello-red"]);
}

#[test]
fn a_broadcast_goes_to_the_members_of_the_moment_once() {
    let mut def = entering(Entry::Broadcast("pros".into()));
    def.again = Reentry::Never;
    let mut definitions = definitions(vec![def]);
    definitions.segments.push(SegmentDef {
        name: "pros".into(),
        about: String::new(),
        audience: Audience::Person,
        when: if_person("plan == \"pro\""),
        place: Place::default(),
    });
    let mut company = Company::with(definitions, monday());
    company.ann(r#"{"plan":"pro"}"#);
    for _ in 0..2 {
        let now = company.now;
        engine::broadcast(
            &company.plan,
            &mut company.root,
            "p",
            None,
            now,
            &mut company.out,
        );
    }
    let to: Vec<_> = company
        .out
        .messages
        .iter()
        .map(|message| message.person)
        .collect();
    assert_eq!(to, [Some(ANN)]);
    assert_eq!(outcomes(&company, Outcome::NotAgain), 1);
}

#[test]
fn re_entry_follows_its_rule_and_never_happens_inside() {
    for (again, expected) in [
        (Reentry::Never, [1, 1, 1]),
        (Reentry::Always, [1, 2, 3]),
        (Reentry::After(5 * DAY_MS), [1, 1, 2]),
    ] {
        let mut def = program("p", vec![send("hello"), wait("w", WaitDef::For(DAY_MS))]);
        def.again = again;
        let mut company = Company::of(vec![def]);
        company.go();
        company.go();
        let mut counts = vec![company.sent().len()];
        assert!(company.reason(Outcome::NotAgain).contains("inside"));
        for _ in 0..2 {
            company.advance(3 * DAY_MS);
            company.go();
            counts.push(company.sent().len());
        }
        assert_eq!(counts, expected, "{again:?}");
    }
}

#[test]
fn a_keyed_program_runs_once_per_key_and_waits_for_its_own_key() {
    let awaited = Awaited::Event {
        event: "paid".into(),
        filter: None,
    };
    let mut def = program(
        "p",
        vec![wait("w", until(awaited, 2 * DAY_MS, "thanks", "reminder"))],
    );
    def.enter = on_event("added");
    def.key = Some("cart".into());
    let mut company = Company::of(vec![def]);
    company.event(ANN, "added", r#"{"cart":"x"}"#);
    company.event(ANN, "added", r#"{"cart":"x"}"#);
    company.event(ANN, "added", r#"{"cart":"y"}"#);
    assert_eq!(outcomes(&company, Outcome::Entered), 2);
    company.event(ANN, "paid", r#"{"cart":"y"}"#);
    assert_eq!(company.sent(), ["thanks"]);
    company.advance(2 * DAY_MS);
    assert_eq!(company.sent(), ["thanks", "reminder"]);
}

#[test]
fn history_and_late_events_enter_nobody() {
    let mut company = Company::of(vec![entering(on_event("go"))]);
    let long_ago = monday().plus_ms(-3 * DAY_MS);
    company.event_at(ANN, "go", "{}", long_ago, true);
    assert!(company.out.decisions.is_empty());
    company.event_at(ANN, "go", "{}", long_ago, false);
    assert_eq!(company.decided(), ["historical"]);
    company.event_at(ANN, "go", "{}", monday().plus_ms(-HOUR_MS), false);
    assert_eq!(company.sent(), ["hello"]);
}

#[test]
fn history_ends_no_wait_but_its_time_out_sees_the_truth() {
    let awaited = Awaited::Condition(if_person("count(\"seen\") >= 1"));
    let mut company = Company::of(vec![program(
        "p",
        vec![wait("w", until(awaited, 2 * DAY_MS, "yes", "no"))],
    )]);
    company.go();
    company.event_at(ANN, "seen", "{}", monday().plus_ms(-3 * DAY_MS), true);
    company.advance(DAY_MS);
    assert!(company.sent().is_empty());
    company.advance(DAY_MS);
    assert_eq!(company.sent(), ["yes"]);
}

#[test]
fn who_is_not_eligible_is_told_why() {
    let mut def = entering(on_event("go"));
    def.only_if = Some(if_person("plan == \"pro\""));
    def.exit = Some(if_person("status == \"churned\""));
    let mut company = Company::of(vec![def]);
    company.go();
    assert!(
        company
            .reason(Outcome::NotEligible)
            .contains("`plan == \"pro\"` is unknown")
    );
    company.ann(r#"{"plan":"pro","status":"churned"}"#);
    company.go();
    let expected = "the exit condition `status == \"churned\"` holds already";
    assert!(company.reason(Outcome::NotEligible).contains(expected));
    company.ann(r#"{"status":"active"}"#);
    company.go();
    assert_eq!(company.sent(), ["hello"]);
}

#[test]
fn removal_stops_all_later_steps() {
    let steps = vec![wait("w", WaitDef::For(DAY_MS)), send("later")];
    let mut company = Company::of(vec![program("p", steps)]);
    company.go();
    company.command(Command::Remove {
        program: "p".into(),
        subject: SubjectId::Person(ANN),
        account: Some(ACCOUNT),
    });
    company.advance(9 * DAY_MS);
    assert_eq!(company.decided(), ["entered", "w waiting", "removed"]);
}

#[test]
fn a_hold_out_leaves_its_share_alone_and_watches_them_for_the_goal() {
    let mut def = program("p", vec![send("hello")]);
    def.holdout = 0.3;
    def.goal = Some(GoalDef {
        when: if_person("count(\"paid\") >= 1"),
        within_ms: Some(10 * DAY_MS),
    });
    let mut company = Company::of(vec![def]);
    let mut held = Vec::new();
    for number in 0..300_u128 {
        let person = PersonId(number << 64 | 5);
        company.traits(SubjectId::Person(person), r#"{"email":"x@example.com"}"#);
        company.event(person, "go", "{}");
        if company.state(person).enrollments[0].held_out {
            held.push(person);
        }
    }
    assert!(
        (60..120).contains(&held.len()),
        "{} of 300 held out",
        held.len()
    );
    assert_eq!(company.sent().len(), 300 - held.len());
    company.event(held[0], "go", "{}");
    assert_eq!(company.state(held[0]).enrollments.len(), 1, "it is inside");
    company.event(held[0], "paid", "{}");
    company.advance(11 * DAY_MS);
    let status = |person: PersonId| company.state(person).enrollments[0].status;
    assert_eq!(status(held[0]), EnrollmentStatus::Goal);
    assert_eq!(status(held[1]), EnrollmentStatus::Completed);
    assert!(company.state(held[1]).enrollments[0].held_out);
}

#[test]
fn the_global_hold_out_covers_whole_accounts_and_spares_transactional_programs() {
    let transactional = ProgramDef {
        topic: Some("billing".into()),
        ..program("q", vec![send("invoice")])
    };
    let mut definitions = definitions(vec![program("p", vec![send("hello")]), transactional]);
    definitions.policy.holdout = 0.999;
    let mut company = Company::with(definitions, monday());
    company.event(ANN, "go", "{}");
    company.event(BEN, "go", "{}");
    assert_eq!(company.sent(), ["invoice", "invoice"]);
    assert_eq!(outcomes(&company, Outcome::HeldOutGlobally), 2);
}

#[test]
fn programs_that_enroll_each_other_do_not_go_round_for_ever() {
    let enroll =
        |name: &str, other: &str| program(name, vec![step("e", StepKind::Enroll(other.into()))]);
    let mut company = Company::of(vec![
        enroll("a", "b"),
        ProgramDef {
            enter: Entry::Api,
            ..enroll("b", "a")
        },
    ]);
    company.go();
    assert!(outcomes(&company, Outcome::Entered) <= 100);
    let asked = outcomes(&company, Outcome::NotAgain);
    assert!(asked >= 1);
}

#[test]
fn what_is_remembered_of_ended_enrollments_is_bounded() {
    let mut def = program("p", vec![]);
    def.key = Some("cart".into());
    let mut once = program("q", vec![]);
    once.again = Reentry::Never;
    let mut company = Company::of(vec![def, once]);
    for cart in 0..500 {
        company.event(ANN, "go", &format!(r#"{{"cart":"{cart}"}}"#));
        company.advance(1);
    }
    let kept = &company.state(ANN).enrollments;
    assert!(kept.len() <= tenure_core::program::MAX_ENROLLMENTS);
    assert!(
        kept.iter().any(|one| one.program.as_ref() == "q"),
        "unkeyed entries are kept longest"
    );
}

#[test]
fn the_same_refusal_is_recorded_once_until_it_changes() {
    let mut def = program(
        "p",
        vec![send("hello"), wait("w", WaitDef::For(3 * DAY_MS))],
    );
    def.only_if = Some(if_person("plan == \"pro\""));
    def.again = Reentry::After(60 * DAY_MS);
    let mut company = Company::of(vec![def]);
    let go = |company: &mut Company| {
        for _ in 0..5 {
            company.go();
            company.advance(1_000);
        }
    };
    go(&mut company);
    assert_eq!(outcomes(&company, Outcome::NotEligible), 1);
    company.ann(r#"{"plan":"free"}"#);
    go(&mut company);
    assert_eq!(outcomes(&company, Outcome::NotEligible), 2);
    company.ann(r#"{"plan":"pro"}"#);
    go(&mut company);
    assert_eq!(outcomes(&company, Outcome::NotAgain), 1, "inside");
    company.advance(4 * DAY_MS);
    go(&mut company);
    assert_eq!(outcomes(&company, Outcome::NotAgain), 2, "too soon");
    company.advance(31 * DAY_MS);
    go(&mut company);
    assert_eq!(outcomes(&company, Outcome::NotAgain), 3, "told again");
    for _ in 0..3 {
        company.command(Command::Enroll {
            program: "p".into(),
            subject: SubjectId::Person(ANN),
            account: Some(ACCOUNT),
            key: None,
            data: "{}".into(),
        });
        company.advance(1_000);
    }
    assert_eq!(
        outcomes(&company, Outcome::NotAgain),
        6,
        "asked for by hand"
    );
}

#[test]
fn programs_that_let_each_other_in_for_ever_are_refused() {
    let emit = |name: &str, on: &str, event: &str| ProgramDef {
        enter: Entry::Event {
            event: on.into(),
            filter: None,
        },
        again: Reentry::Always,
        ..program(name, vec![step("e", StepKind::Emit(event.into()))])
    };
    let problems = |programs: Vec<ProgramDef>| -> Vec<String> {
        let found = Plan::compile(sources(1, definitions(programs)));
        let found = found.err().unwrap_or_default();
        found
            .into_iter()
            .map(|one| format!("{}: {}", one.code, one.message))
            .collect()
    };
    let alone = problems(vec![emit("a", "x", "x")]);
    assert_eq!(alone.len(), 1);
    assert!(
        alone[0].starts_with("endless-circle: `a` → `a`"),
        "{alone:?}"
    );
    let circle = problems(vec![
        emit("a", "x", "y"),
        ProgramDef {
            enter: Entry::Api,
            again: Reentry::Always,
            ..program("c", vec![step("e", StepKind::Emit("x".into()))])
        },
        ProgramDef {
            steps: vec![step("e", StepKind::Enroll("c".into()))],
            ..emit("b", "y", "")
        },
    ]);
    assert_eq!(circle.len(), 1);
    assert!(circle[0].contains("`a` → `b` → `c` → `a`"), "{circle:?}");
    let once = ProgramDef {
        again: Reentry::After(DAY_MS),
        ..emit("b", "y", "x")
    };
    assert_eq!(problems(vec![emit("a", "x", "y"), once]), [""; 0]);
    assert_eq!(problems(vec![emit("a", "x", "z")]), [""; 0]);
}
