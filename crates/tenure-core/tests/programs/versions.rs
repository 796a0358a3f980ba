//! New versions, pauses, merges and moves.

use std::collections::BTreeSet;

use tenure_core::decision::Outcome;
use tenure_core::define::*;
use tenure_core::effect::EnrollmentStatus;
use tenure_core::engine;
use tenure_core::id::SubjectId;
use tenure_core::log::{Body, Merge, OnPublish, Published};
use tenure_core::program::affected;
use tenure_core::time::DAY_MS;

use super::company::*;

fn old() -> ProgramDef {
    program(
        "p",
        vec![
            send("first"),
            wait("w", WaitDef::For(5 * DAY_MS)),
            send("old"),
        ],
    )
}

fn new() -> ProgramDef {
    let steps = vec![
        wait("w", WaitDef::For(3 * DAY_MS)),
        send("first"),
        send("new"),
    ];
    program("p", steps)
}

/// Publishes `current` as plan 2 over plan 1, a day after the subject entered.
fn publish(current: Vec<ProgramDef>, what: OnPublish) -> Company {
    let mut company = Company::of(vec![old()]);
    company.go();
    company.advance(DAY_MS);
    let mut sources = sources(2, definitions(current));
    sources.retired = vec![(1, old())];
    company.plan = compile(sources);
    let published = Published {
        plan: 2,
        programs: vec![("p".into(), what)],
    };
    let now = company.now;
    engine::adopt(
        &company.plan,
        &mut company.root,
        now,
        Some(&published),
        &mut company.out,
    );
    company
}

#[test]
fn keep_lets_an_enrollment_finish_on_its_version() {
    let mut company = publish(vec![new()], OnPublish::Keep);
    company.advance(9 * DAY_MS);
    assert_eq!(company.sent(), ["first", "old"]);
    company.go();
    company.advance(9 * DAY_MS);
    assert_eq!(company.sent(), ["first", "old", "first", "new"]);
}

#[test]
fn migrate_goes_on_at_the_step_of_the_same_name_and_repeats_nothing() {
    let mut company = publish(vec![new()], OnPublish::Migrate);
    assert!(company.decided().contains(&"w migrated".to_owned()));
    company.advance(2 * DAY_MS);
    assert_eq!(company.sent(), ["first", "new"]);
    assert!(company.decided().contains(&"first already_sent".to_owned()));
    let decided = &company.out.messages[1];
    assert_eq!(
        (decided.version, decided.decided_at),
        (2, monday().plus_ms(3 * DAY_MS))
    );
}

#[test]
fn migrate_exits_where_the_new_version_has_no_such_step() {
    let changed = program("p", vec![send("new")]);
    let company = publish(vec![changed], OnPublish::Migrate);
    assert_eq!(
        company.reason(Outcome::Exited),
        "the new version has no step `w`"
    );
}

#[test]
fn exit_and_deletion_end_the_enrollments() {
    let company = publish(vec![new()], OnPublish::Exit);
    assert_eq!(
        company.reason(Outcome::Exited),
        "a new version was published"
    );
    let mut company = publish(vec![], OnPublish::Keep);
    company.advance(9 * DAY_MS);
    assert_eq!(company.sent(), ["first"]);
    assert_eq!(company.reason(Outcome::Exited), "the program was deleted");
}

#[test]
fn the_preview_counts_who_is_affected_by_step() {
    let mut company = Company::of(vec![old()]);
    company.go();
    company.event(BEN, "go", "{}");
    let all: Vec<_> = company
        .root
        .people()
        .values()
        .flat_map(|state| &state.enrollments)
        .collect();
    let preview = affected(&new(), all.iter().copied());
    assert_eq!(preview.len(), 1);
    assert_eq!(preview[0].step.as_deref(), Some("w"));
    assert_eq!(
        (preview[0].enrollment_count, preview[0].can_migrate),
        (2, true)
    );
    let preview = affected(&program("p", vec![send("new")]), all);
    assert!(!preview[0].can_migrate);
}

#[test]
fn a_paused_program_neither_enters_nor_acts_and_catches_up_on_resume() {
    let mut company = Company::of(vec![old()]);
    company.go();
    company.plan.paused = BTreeSet::from(["p".to_owned()]);
    company.event(BEN, "go", "{}");
    company.advance(9 * DAY_MS);
    assert_eq!(company.sent(), ["first"]);
    assert!(company.reason(Outcome::Paused).contains("paused"));
    company.plan.paused.clear();
    let now = company.now;
    engine::resume(&company.plan, &mut company.root, "p", now, &mut company.out);
    assert_eq!(company.sent(), ["first", "old"]);
    assert_eq!(company.out.messages[1].decided_at, now);
}

#[test]
fn what_is_awaited_while_paused_acts_on_resume() {
    let awaited = Awaited::Event {
        event: "paid".into(),
        filter: None,
    };
    let def = program(
        "p",
        vec![wait("w", until(awaited, DAY_MS, "thanks", "reminder"))],
    );
    let mut company = Company::of(vec![def]);
    company.go();
    company.plan.paused = BTreeSet::from(["p".to_owned()]);
    company.event(ANN, "paid", "{}");
    company.advance(9 * DAY_MS);
    assert!(company.sent().is_empty());
    company.plan.paused.clear();
    let now = company.now;
    engine::resume(&company.plan, &mut company.root, "p", now, &mut company.out);
    assert_eq!(company.sent(), ["thanks"]);
}

#[test]
fn two_people_who_turn_out_to_be_one_go_on_once() {
    let mut company = Company::of(vec![old()]);
    company.event(BEN, "go", "{}");
    company.advance(DAY_MS);
    company.go();
    company.append(Body::Merge(Merge {
        from: BEN,
        from_account: Some(ACCOUNT),
        into: ANN,
        into_account: Some(ACCOUNT),
    }));
    company.advance(20 * DAY_MS);
    assert_eq!(company.sent(), ["first", "first", "old"]);
    let last = company.out.messages.last().unwrap();
    assert_eq!(
        (last.person, last.decided_at),
        (Some(ANN), monday().plus_ms(5 * DAY_MS))
    );
    let removed = company
        .out
        .enrollments
        .iter()
        .filter(|change| change.status == EnrollmentStatus::Removed);
    assert_eq!(removed.count(), 1);
}

#[test]
fn a_definition_that_cannot_run_is_refused_with_every_reason() {
    let mut first = program(
        "p",
        vec![
            send("x"),
            send("x"),
            step("e", StepKind::Enroll("none".into())),
        ],
    );
    first.topic = Some("nope".into());
    first.delivery = Delivery::AtLeastOnce;
    first.holdout = 1.5;
    first.steps.push(wait(
        "w",
        WaitDef::Until {
            what: Awaited::Goal,
            at_most_ms: None,
            then: vec![],
            otherwise: vec![],
        },
    ));
    first.steps.push(step("s", StepKind::Split(vec![])));
    let mut second = program("q", vec![send("y")]);
    second.audience = Audience::Account;
    second.enter = Entry::Schedule("nonsense".into());
    second.key = Some("cart".into());
    let mut third = program("r", vec![send("y-{{ x | shout }}")]);
    third.enter = Entry::Signal("unheard".into());
    let found =
        tenure_core::plan::Plan::compile(sources(1, definitions(vec![first, second, third])));
    let mut codes: Vec<_> = found.unwrap_err().iter().map(|found| found.code).collect();
    codes.sort_unstable();
    assert_eq!(
        codes,
        [
            "delivery-needs-transactional",
            "duplicate-step",
            "holdout-out-of-range",
            "invalid-schedule",
            "invalid-split",
            "invalid-template",
            "key-without-event",
            "no-goal",
            "no-recipient",
            "unknown-name",
            "unknown-program",
            "unknown-topic",
        ]
    );
}

#[test]
fn a_person_who_moves_keeps_running_enrollments() {
    let mut company = Company::of(vec![old()]);
    company.go();
    company.advance(DAY_MS);
    let now = company.now;
    let state =
        engine::detach(&company.plan, &mut company.root, ANN, now, &mut company.out).unwrap();
    assert_eq!(state.id, SubjectId::Person(ANN));
    let other = tenure_core::id::AccountId(9);
    company.root =
        tenure_core::subject::Root::new(tenure_core::id::RootId(SubjectId::Account(other)));
    engine::attach(
        &company.plan,
        &mut company.root,
        state,
        now,
        &mut company.out,
    );
    company.advance(9 * DAY_MS);
    assert_eq!(company.sent(), ["first", "old"]);
    assert_eq!(company.out.messages[1].account, Some(other));
}

#[test]
fn a_timer_that_was_not_due_when_a_paused_program_goes_on_is_kept() {
    let def = program(
        "p",
        vec![wait("w", WaitDef::For(5 * DAY_MS)), send("hello")],
    );
    let mut company = Company::of(vec![def]);
    company.go();
    company.plan.paused.insert("p".into());
    company.event(ANN, "else", "{}");
    company.plan.paused.remove("p");
    let now = company.now;
    engine::resume(&company.plan, &mut company.root, "p", now, &mut company.out);
    company.advance(6 * DAY_MS);
    assert_eq!(company.sent(), ["hello"]);
}
