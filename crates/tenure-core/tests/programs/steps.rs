//! What each kind of step does, and what it records.

use tenure_core::decision::Outcome;
use tenure_core::define::*;
use tenure_core::effect::EnrollmentStatus;
use tenure_core::id::{PersonId, SubjectId};
use tenure_core::log::Command;
use tenure_core::time::{DAY_MS, HOUR_MS, Timestamp};
use tenure_core::value::Value;

use super::company::*;

fn check(steps: Vec<StepDef>, advance_ms: i64, expected: &[&str]) -> Company {
    let mut company = Company::of(vec![program("p", steps)]);
    company.go();
    company.advance(advance_ms);
    assert_eq!(company.decided(), expected);
    company
}

#[test]
fn a_send_hands_over_one_message_with_what_its_template_may_use() {
    let company = check(
        vec![send("welcome")],
        0,
        &["entered", "welcome sent", "completed"],
    );
    let message = &company.out.messages[0];
    assert_eq!(message.to.as_ref(), "ann@example.com");
    assert_eq!(message.topic.as_deref(), Some("tips"));
    assert!(!message.transactional);
    let data: serde_json::Value = serde_json::from_str(&message.data).unwrap();
    assert_eq!(data["person"]["first_name"], "ann");
    assert_eq!(data["account"]["name"], "Example");
    assert_eq!(data["program"]["name"], "p");
    assert_eq!(data["message"]["topic"], "tips");
    for decision in &company.out.decisions {
        assert!(!decision.reason.contains('@'), "{}", decision.reason);
    }
}

#[test]
fn a_wait_for_a_duration_ends_to_the_millisecond() {
    let steps = vec![wait("w", WaitDef::For(3 * DAY_MS)), send("later")];
    let mut company = check(steps, 3 * DAY_MS - 1, &["entered", "w waiting"]);
    assert!(
        company
            .reason(Outcome::Waiting)
            .contains("waits 3 days, until 2026-01-08 09:00")
    );
    company.advance(1);
    assert_eq!(company.sent(), ["later"]);
    assert_eq!(
        company.out.messages[0].decided_at,
        monday().plus_ms(3 * DAY_MS)
    );
}

#[test]
fn a_wait_until_local_time_follows_the_persons_zone_across_daylight_saving() {
    for (zone, start, minutes, expected) in [
        (
            "Europe/Berlin",
            "2026-03-28T12:00:00Z",
            9 * 60,
            "2026-03-29T07:00:00Z",
        ),
        (
            "Europe/Berlin",
            "2026-03-28T12:00:00Z",
            150,
            "2026-03-29T01:00:00Z",
        ),
        (
            "Europe/Berlin",
            "2026-10-24T12:00:00Z",
            150,
            "2026-10-25T00:30:00Z",
        ),
        (
            "America/New_York",
            "2026-03-07T20:00:00Z",
            9 * 60,
            "2026-03-08T13:00:00Z",
        ),
        (
            "Nowhere/Land",
            "2026-03-28T12:00:00Z",
            9 * 60,
            "2026-03-29T09:00:00Z",
        ),
    ] {
        let local = WaitDef::LocalTime {
            minutes,
            weekdays: vec![],
        };
        let steps = vec![wait("w", local), send("later")];
        let start = Timestamp::parse(start).unwrap();
        let mut company = Company::with(definitions(vec![program("p", steps)]), start);
        company.ann(&format!(r#"{{"timezone":"{zone}"}}"#));
        company.go();
        company.advance(3 * DAY_MS);
        let expected = Timestamp::parse(expected).unwrap();
        assert_eq!(
            company.out.messages[0].decided_at, expected,
            "{zone} {minutes}"
        );
    }
}

#[test]
fn the_accounts_zone_counts_where_the_person_has_none() {
    let local = WaitDef::LocalTime {
        minutes: 600,
        weekdays: vec![2],
    };
    let mut company = Company::of(vec![program("p", vec![wait("w", local), send("later")])]);
    company.traits(SubjectId::Account(ACCOUNT), r#"{"timezone":"Asia/Tokyo"}"#);
    company.go();
    company.advance(8 * DAY_MS);
    let tuesday = Timestamp::parse("2026-01-06T01:00:00Z").unwrap();
    assert_eq!(company.out.messages[0].decided_at, tuesday);
}

#[test]
fn a_wait_for_a_date_follows_the_date() {
    let date = WaitDef::Date {
        property: "renewal".into(),
        offset_ms: -DAY_MS,
    };
    let mut company = Company::of(vec![program("p", vec![wait("w", date), send("soon")])]);
    company.go();
    company.advance(DAY_MS);
    assert!(
        company
            .reason(Outcome::Waiting)
            .contains("until `renewal` is a known date")
    );
    company.ann(r#"{"renewal":"2026-02-10"}"#);
    company.advance(DAY_MS);
    company.ann(r#"{"renewal":"2026-01-20"}"#);
    company.advance(30 * DAY_MS);
    assert_eq!(company.sent(), ["soon"]);
    let day_before = Timestamp::parse("2026-01-19").unwrap();
    assert_eq!(company.out.messages[0].decided_at, day_before);
}

#[test]
fn a_date_that_moves_into_the_past_ends_the_wait_at_once() {
    let date = WaitDef::Date {
        property: "renewal".into(),
        offset_ms: 0,
    };
    let mut company = Company::of(vec![program("p", vec![wait("w", date), send("soon")])]);
    company.ann(r#"{"renewal":"2026-02-10"}"#);
    company.go();
    company.advance(DAY_MS);
    assert!(company.sent().is_empty());
    company.ann(r#"{"renewal":"2026-01-01"}"#);
    assert_eq!(company.sent(), ["soon"]);
}

#[test]
fn a_wait_for_an_event_takes_the_arm_of_what_happened() {
    let awaited = || Awaited::Event {
        event: "paid".into(),
        filter: Some(filter("total > 10")),
    };
    let steps = || {
        vec![
            wait("w", until(awaited(), 2 * DAY_MS, "thanks", "reminder")),
            send("end"),
        ]
    };
    let mut paid = Company::of(vec![program("p", steps())]);
    paid.go();
    paid.event(ANN, "paid", r#"{"total":5}"#);
    assert!(paid.sent().is_empty());
    paid.event(BEN, "paid", r#"{"total":50}"#);
    assert!(paid.sent().is_empty());
    paid.event(ANN, "paid", r#"{"total":50}"#);
    assert_eq!(paid.sent(), ["thanks", "end"]);
    let mut silent = Company::of(vec![program("p", steps())]);
    silent.go();
    silent.advance(2 * DAY_MS);
    assert_eq!(silent.sent(), ["reminder", "end"]);
    assert!(silent.reason(Outcome::Resumed).contains("timed out"));
}

#[test]
fn a_wait_for_a_condition_that_holds_goes_on_at_once() {
    let awaited = || Awaited::Condition(if_person("count(\"seen\", 7d) >= 2"));
    let steps = || vec![wait("w", until(awaited(), DAY_MS, "yes", "no"))];
    let mut already = Company::of(vec![program("p", steps())]);
    already.event(ANN, "seen", "{}");
    already.event(ANN, "seen", "{}");
    already.go();
    assert_eq!(already.sent(), ["yes"]);
    let mut later = Company::of(vec![program("p", steps())]);
    later.go();
    later.event(ANN, "seen", "{}");
    later.advance(HOUR_MS);
    assert!(later.sent().is_empty());
    later.event(ANN, "seen", "{}");
    assert_eq!(later.sent(), ["yes"]);
    let mut never = Company::of(vec![program("p", steps())]);
    never.go();
    never.advance(DAY_MS);
    assert_eq!(never.sent(), ["no"]);
}

#[test]
fn reaching_the_goal_ends_the_enrollment_wherever_it_is() {
    let mut def = program("p", vec![wait("w", WaitDef::For(9 * DAY_MS)), send("late")]);
    def.goal = Some(GoalDef {
        when: if_person("count(\"paid\") >= 1"),
        within_ms: Some(3 * DAY_MS),
    });
    let mut company = Company::of(vec![def.clone()]);
    company.go();
    company.advance(DAY_MS);
    company.event(ANN, "paid", "{}");
    company.advance(30 * DAY_MS);
    assert_eq!(company.decided(), ["entered", "w waiting", "goal_reached"]);
    let mut late = Company::of(vec![def]);
    late.go();
    late.advance(4 * DAY_MS);
    late.event(ANN, "paid", "{}");
    late.advance(30 * DAY_MS);
    assert_eq!(late.sent(), ["late"]);
}

/// A program of one step whose goal is a payment, with an exit condition.
fn with_goal(within_ms: Option<i64>) -> ProgramDef {
    let mut def = program("p", vec![send("hello")]);
    def.again = Reentry::After(DAY_MS);
    def.exit = Some(if_person("status == \"churned\""));
    def.goal = Some(GoalDef {
        when: if_person("count(\"paid\", 1h) >= 1"),
        within_ms,
    });
    def
}

#[test]
fn the_goal_counts_after_the_last_step_until_its_time_is_over() {
    let mut company = Company::of(vec![with_goal(Some(3 * DAY_MS))]);
    company.go();
    company.advance(3 * DAY_MS - 1);
    company.event(ANN, "paid", "{}");
    let decided = ["entered", "hello sent", "completed", "goal_reached"];
    assert_eq!(company.decided(), decided);
    let last = company.out.enrollments.last().unwrap();
    assert_eq!(last.status, EnrollmentStatus::Goal);
    let mut late = Company::of(vec![with_goal(Some(3 * DAY_MS))]);
    late.go();
    late.advance(3 * DAY_MS);
    assert!(late.state(ANN).conditions.is_empty());
    assert_eq!(late.state(ANN).wake_at, None);
    late.event(ANN, "paid", "{}");
    assert_eq!(late.decided(), decided[..3]);
    let mut unlimited = Company::of(vec![with_goal(None)]);
    unlimited.go();
    unlimited.advance(89 * DAY_MS);
    unlimited.event(ANN, "paid", "{}");
    assert_eq!(unlimited.decided(), decided);
}

#[test]
fn the_goal_counts_after_leaving_early_and_not_after_removal() {
    let steps = vec![wait("w", WaitDef::For(DAY_MS)), send("hello")];
    let def = ProgramDef {
        steps,
        ..with_goal(Some(3 * DAY_MS))
    };
    let mut company = Company::of(vec![def.clone()]);
    company.go();
    company.ann(r#"{"status":"churned"}"#);
    company.event(ANN, "paid", "{}");
    let decided = ["entered", "w waiting", "exited", "goal_reached"];
    assert_eq!(company.decided(), decided);
    let mut removed = Company::of(vec![def]);
    removed.go();
    removed.command(Command::Remove {
        program: "p".into(),
        subject: SubjectId::Person(ANN),
        account: Some(ACCOUNT),
    });
    removed.event(ANN, "paid", "{}");
    assert_eq!(removed.decided(), ["entered", "w waiting", "removed"]);
}

#[test]
fn entering_again_lets_the_goal_count_for_the_last_passage_alone() {
    let mut company = Company::of(vec![with_goal(Some(3 * DAY_MS))]);
    company.go();
    company.advance(DAY_MS);
    company.go();
    let passages: Vec<_> = company.out.enrollments.iter().map(|one| one.id).collect();
    company.event(ANN, "paid", "{}");
    company.advance(30 * DAY_MS);
    let reached = company.out.decisions.iter();
    let reached = reached.filter(|one| one.outcome == Outcome::GoalReached);
    let reached: Vec<_> = reached.filter_map(|one| one.enrollment).collect();
    assert_eq!(reached, [*passages.last().unwrap()]);
}

#[test]
fn a_step_to_more_people_than_it_may_reach_says_how_many_are_left_out() {
    let steps = vec![send_to("all", Recipient::Everyone, Some("billing"))];
    let mut company = Company::of(vec![ProgramDef {
        audience: Audience::Account,
        ..program("p", steps)
    }]);
    for number in 0..1_003_u128 {
        let person = SubjectId::Person(PersonId(1_000 + number));
        company.traits(person, r#"{"email":"x@example.com"}"#);
    }
    company.go();
    assert_eq!(company.sent().len(), 1_000);
    let reason = company.reason(Outcome::Capped);
    assert_eq!(
        reason,
        "a step sends to 1000 people at most: 5 more are left out"
    );
}

#[test]
fn history_moves_no_wait_on_until_something_live_happens() {
    let awaited = || Awaited::Condition(if_person("count(\"seen\") >= 1"));
    let steps = vec![wait("w", until(awaited(), 9 * DAY_MS, "yes", "no"))];
    let imported = |steps: &Vec<StepDef>| {
        let mut company = Company::of(vec![program("p", steps.clone())]);
        company.go();
        let past = company.now.plus_ms(-40 * DAY_MS);
        company.event_at(ANN, "seen", "{}", past, true);
        company.advance(DAY_MS);
        assert_eq!(company.decided(), ["entered", "w waiting"]);
        company
    };
    let mut live = imported(&steps);
    live.event(ANN, "other", "{}");
    assert_eq!(live.sent(), ["yes"]);
    let mut told = imported(&steps);
    told.ann(r#"{"seats":2}"#);
    assert_eq!(told.sent(), ["yes"]);
    let mut silent = imported(&steps);
    silent.advance(7 * DAY_MS);
    assert!(silent.sent().is_empty());
    silent.advance(2 * DAY_MS);
    assert_eq!(silent.sent(), ["yes"]);
}

#[test]
fn dates_are_read_by_the_clock_of_whom_they_are_about() {
    let date = ProgramDef {
        enter: Entry::Date {
            property: "trial_ends".into(),
            offset_ms: 0,
        },
        ..program("ended", vec![send("over")])
    };
    let near = ProgramDef {
        enter: Entry::When {
            condition: if_person("until(trial_ends) <= 1d and trial_ends == 2026-03-29"),
            existing: false,
        },
        ..program("near", vec![send("soon")])
    };
    let mut company = Company::of(vec![date, near]);
    company.traits(
        SubjectId::Account(ACCOUNT),
        r#"{"timezone":"Europe/Berlin"}"#,
    );
    company.ann(r#"{"timezone":"America/New_York","trial_ends":"2026-03-29"}"#);
    company.traits(SubjectId::Person(BEN), r#"{"trial_ends":"2026-03-29"}"#);
    company.advance(100 * DAY_MS);
    let sent = company.out.messages.iter();
    let sent: Vec<_> = sent
        .map(|one| (one.person, &*one.template, one.decided_at.to_string()))
        .collect();
    let expected = [
        (BEN, "soon", "2026-03-27T23:00:00.000Z"),
        (ANN, "soon", "2026-03-28T04:00:00.000Z"),
        (BEN, "over", "2026-03-28T23:00:00.000Z"),
        (ANN, "over", "2026-03-29T04:00:00.000Z"),
    ];
    let expected = expected.map(|(who, what, at)| (Some(who), what, at.to_owned()));
    assert_eq!(sent, expected);
}

#[test]
fn a_wait_for_a_date_follows_a_new_zone() {
    let steps = vec![
        wait(
            "w",
            WaitDef::Date {
                property: "account.renewal".into(),
                offset_ms: 0,
            },
        ),
        send("renewed"),
    ];
    let mut company = Company::of(vec![program("p", steps)]);
    let account = SubjectId::Account(ACCOUNT);
    company.traits(account, r#"{"renewal":"2026-01-10"}"#);
    company.go();
    company.traits(account, r#"{"timezone":"Asia/Tokyo"}"#);
    company.advance(30 * DAY_MS);
    let sent = company.out.messages[0].decided_at;
    assert_eq!(sent.to_string(), "2026-01-09T15:00:00.000Z");
}

#[test]
fn a_change_of_the_account_concerns_only_those_of_its_people_who_look_at_it() {
    let waits = |name: &str, property: &str| {
        let date = WaitDef::Date {
            property: property.into(),
            offset_ms: 0,
        };
        program(name, vec![wait("w", date)])
    };
    let mut pro = waits("p", "account.renewal");
    pro.exit = Some(if_person("account.plan == \"free\""));
    let mut company = Company::of(vec![pro]);
    company.go();
    let changed = |company: &mut Company, json: &str| {
        for state in company.root.subjects_mut() {
            state.dirty = false;
        }
        company.traits(SubjectId::Account(ACCOUNT), json);
        let changed = company.root.people().values().filter(|state| state.dirty);
        changed
            .filter_map(|state| state.id.person())
            .collect::<Vec<_>>()
    };
    assert_eq!(changed(&mut company, r#"{"seats":3}"#), []);
    assert_eq!(changed(&mut company, r#"{"plan":"pro"}"#), [ANN]);
    assert_eq!(changed(&mut company, r#"{"renewal":"2026-05-01"}"#), [ANN]);
    assert_eq!(changed(&mut company, r#"{"plan":"free"}"#), [ANN]);
}

#[test]
fn the_exit_condition_ends_the_enrollment() {
    let mut def = program("p", vec![wait("w", WaitDef::For(9 * DAY_MS)), send("late")]);
    def.exit = Some(if_person("status == \"churned\""));
    let mut company = Company::of(vec![def]);
    company.go();
    company.ann(r#"{"status":"churned"}"#);
    company.advance(30 * DAY_MS);
    assert_eq!(company.decided(), ["entered", "w waiting", "exited"]);
    assert!(
        company
            .reason(Outcome::Exited)
            .contains("status == \"churned\"")
    );
}

#[test]
fn a_branch_takes_the_first_arm_that_holds_and_meets_again() {
    let steps = || {
        let arms = vec![
            (Some(if_person("plan == \"pro\"")), vec![send("pro")]),
            (Some(if_person("plan == \"free\"")), vec![send("free")]),
        ];
        vec![step("b", StepKind::Branch(arms)), send("end")]
    };
    for (plan, expected) in [
        ("pro", vec!["pro", "end"]),
        ("free", vec!["free", "end"]),
        ("x", vec!["end"]),
    ] {
        let mut company = Company::of(vec![program("p", steps())]);
        company.ann(&format!(r#"{{"plan":"{plan}"}}"#));
        company.go();
        assert_eq!(company.sent(), expected, "{plan}");
        assert!(company.decided().contains(&"b took".to_owned()));
    }
}

#[test]
fn a_split_gives_each_subject_one_arm_for_good_in_the_shares_asked_for() {
    let arm = |name: &str, weight| SplitArm {
        name: name.into(),
        weight,
        steps: vec![send(name)],
    };
    let steps = vec![step(
        "s",
        StepKind::Split(vec![arm("a", 3.0), arm("b", 1.0)]),
    )];
    let mut company = Company::of(vec![program("p", steps)]);
    let mut a_count = 0;
    for number in 0..1_000_u128 {
        let person = tenure_core::id::PersonId(number << 64 | 5);
        company.traits(SubjectId::Person(person), r#"{"email":"x@example.com"}"#);
        company.event(person, "go", "{}");
        let first = company.sent().last().copied().map(str::to_owned);
        company.event(person, "go", "{}");
        assert_eq!(company.sent().last().copied().map(str::to_owned), first);
        a_count += u32::from(first.as_deref() == Some("a"));
    }
    assert!(
        (700..800).contains(&a_count),
        "{a_count} of 1000 took the arm of weight 3 in 4"
    );
}

#[test]
fn a_step_whose_condition_does_not_hold_is_skipped_with_the_reason() {
    let mut skipped = send("x");
    skipped.only_if = Some(if_person("mrr >= 1000"));
    let mut company = Company::of(vec![program("p", vec![skipped, send("y")])]);
    company.go();
    assert_eq!(company.sent(), ["y"]);
    assert_eq!(company.reason(Outcome::Skipped), "`mrr >= 1000` is unknown");
}

#[test]
fn a_task_goes_to_whom_the_account_names() {
    let task = |name: &str, to: &str| {
        step(
            name,
            StepKind::Task(TaskDef {
                name: "call".into(),
                to: to.into(),
                title:
                    "Call {{ account.name }}: fell {{ drop | percent }}, plan {{ account.plan }}"
                        .into(),
                due_ms: Some(2 * DAY_MS),
            }),
        )
    };
    let steps = vec![task("a", "owner"), task("b", "sponsor"), task("c", "Dana")];
    let mut company = Company::of(vec![program("p", steps)]);
    company.event(ANN, "go", r#"{"drop":0.42}"#);
    let owners: Vec<_> = company
        .out
        .tasks
        .iter()
        .map(|task| task.owner.as_deref())
        .collect();
    assert_eq!(owners, [Some("dana"), None, Some("Dana")]);
    let task = &company.out.tasks[0];
    assert_eq!(task.title.as_ref(), "Call Example: fell 42%, plan unknown");
    assert_eq!(task.due_at, Some(monday().plus_ms(2 * DAY_MS)));
    assert_eq!(company.decided()[1], "a task_created");
}

#[test]
fn set_emit_webhook_and_enroll_do_what_they_say() {
    let steps = vec![
        step(
            "set",
            StepKind::Set(vec![("stage".into(), Some(Value::text("hot")))]),
        ),
        step("emit", StepKind::Emit("warmed_up".into())),
        step(
            "hook",
            StepKind::Webhook {
                url: "https://api.example.com/{{ person.stage }}".into(),
                body: None,
            },
        ),
        step("enroll", StepKind::Enroll("other".into())),
    ];
    let mut other = program("other", vec![send("hello")]);
    other.enter = Entry::Api;
    let mut warmed = program("warmed", vec![send("warm")]);
    warmed.enter = on_event("warmed_up");
    let mut company = Company::of(vec![program("p", steps), other, warmed]);
    company.go();
    assert_eq!(
        company.state(ANN).traits.get("stage"),
        Some(&Value::text("hot"))
    );
    let hook = &company.out.messages[0];
    assert_eq!(hook.to.as_ref(), "https://api.example.com/hot");
    assert_eq!(hook.channel.as_ref(), "webhook");
    assert_eq!(company.sent()[1..], ["hello", "warm"]);
    assert!(company.reason(Outcome::Entered).contains("warmed_up"));
}

#[test]
fn an_exit_step_leaves_with_its_reason() {
    let steps = vec![step("x", StepKind::Exit("not a fit".into())), send("never")];
    let company = check(steps, 0, &["entered", "exited"]);
    assert_eq!(company.reason(Outcome::Exited), "not a fit");
}

#[test]
fn a_trait_set_by_a_step_can_reach_the_goal() {
    let set = step(
        "set",
        StepKind::Set(vec![("done".into(), Some(Value::Bool(true)))]),
    );
    let mut def = program(
        "p",
        vec![set, wait("w", WaitDef::For(DAY_MS)), send("never")],
    );
    def.goal = Some(GoalDef {
        when: if_person("done == true"),
        within_ms: None,
    });
    let mut company = Company::of(vec![def]);
    company.go();
    company.advance(2 * DAY_MS);
    assert_eq!(company.sent(), Vec::<&str>::new());
    assert!(company.decided().contains(&"goal_reached".to_owned()));
}

#[test]
fn a_channel_of_the_team_is_told_without_asking_a_customer_for_consent() {
    let mut step = send_to(
        "usage-fell",
        Recipient::Channel("#saves".into()),
        Some("news"),
    );
    let StepKind::Send(send) = &mut step.kind else {
        panic!("a send");
    };
    send.channel = "slack".into();
    let mut company = Company::of(vec![program("p", vec![step])]);
    company.ann(r#"{"first_name":"Ann"}"#);
    company.command(Command::Consent {
        person: ANN,
        account: Some(ACCOUNT),
        topic: None,
        subscribed: false,
    });
    company.go();
    let [message] = company.out.messages.as_slice() else {
        panic!("one message");
    };
    assert_eq!((&*message.channel, &*message.to), ("slack", "#saves"));
    assert_eq!(message.person, None);
    assert!(
        message.data.contains("Ann"),
        "what the message is about is told"
    );
    assert!(company.decided().contains(&"usage-fell sent".to_owned()));
}

#[test]
fn an_account_program_reaches_people_by_role_by_name_and_all() {
    let steps = vec![
        send_to("by-role", Recipient::Role("champion".into()), None),
        send_to("by-trait", Recipient::Role("sponsor".into()), None),
        send_to("all", Recipient::Everyone, None),
        send_to("nobody", Recipient::Role("cfo".into()), None),
    ];
    let mut def = program("p", steps);
    def.audience = Audience::Account;
    let mut company = Company::of(vec![def]);
    company.ann(r#"{"role":"champion"}"#);
    company.traits(
        SubjectId::Account(ACCOUNT),
        r#"{"sponsor":"BEN@example.com"}"#,
    );
    company.go();
    let got: Vec<_> = company
        .out
        .messages
        .iter()
        .map(|message| (message.template.as_ref(), message.to.as_ref()))
        .collect();
    assert_eq!(
        got,
        [
            ("by-role", "ann@example.com"),
            ("by-trait", "ben@example.com"),
            ("all", "ann@example.com"),
            ("all", "ben@example.com"),
        ]
    );
    assert!(company.reason(Outcome::NoRecipient).contains("`cfo`"));
}

#[test]
fn a_template_named_after_an_unknown_trait_fails_visibly() {
    let mut tips = send("tips-for-{{ account.industry }}");
    tips.name = "tips".into();
    let mut company = Company::of(vec![program("p", vec![tips])]);
    company.go();
    assert!(
        company
            .reason(Outcome::RenderFailed)
            .contains("account.industry")
    );
    company.traits(SubjectId::Account(ACCOUNT), r#"{"industry":"retail"}"#);
    company.go();
    assert_eq!(company.sent(), ["tips-for-retail"]);
}

#[test]
fn a_person_without_an_address_is_recorded_as_such() {
    let mut company = Company::of(vec![program("p", vec![send("x")])]);
    company.ann(r#"{"email":null}"#);
    company.go();
    assert_eq!(
        company.decided(),
        ["entered", "x no_recipient", "completed"]
    );
}
