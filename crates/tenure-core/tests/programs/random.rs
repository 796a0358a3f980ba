//! Random programs under random policies, played random histories. Whatever they are: nothing is
//! sent twice, in quiet hours, over a cap or against consent; every step reached is explained;
//! nothing is stuck; and the same log gives the same output.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tenure_core::decision::Outcome;
use tenure_core::define::*;
use tenure_core::effect::{EnrollmentStatus, MessageIntent};
use tenure_core::engine;
use tenure_core::id::{PersonId, SubjectId};
use tenure_core::log::Command;
use tenure_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, Timestamp, zone};
use tenure_core::value::Value;

use super::company::*;

const EVENTS: [&str; 4] = ["e0", "e1", "e2", "emitted"];
const TOPICS: [&str; 3] = ["tips", "news", "billing"];
const ZONES: [&str; 4] = ["Europe/Berlin", "America/New_York", "Asia/Tokyo", "UTC"];
const CONDITIONS: [&str; 4] = [
    "count(\"e1\", 3d) >= 2",
    "since(last(\"e0\")) >= 2d",
    "status == \"hot\"",
    "count(\"e2\") >= 3 and status != \"cold\"",
];

/// What happens next.
#[derive(Debug, Clone)]
enum Act {
    Event {
        who: bool,
        event: usize,
        cart: u8,
        historical: bool,
    },
    Consent {
        who: bool,
        topic: Option<usize>,
        subscribed: bool,
    },
    Suppress {
        who: bool,
        suppressed: bool,
    },
    SoftBounce {
        who: bool,
    },
    Zone {
        who: bool,
        zone: usize,
    },
    Status {
        who: bool,
        hot: bool,
    },
    Pause {
        program: usize,
        paused: bool,
    },
    Remove {
        who: bool,
        program: usize,
    },
}

fn acts() -> impl Strategy<Value = Vec<(i64, Act)>> {
    let gap = prop_oneof![
        Just(0),
        0..HOUR_MS,
        (0..3_i64).prop_map(|days| days * DAY_MS),
        0..(2 * DAY_MS),
    ];
    let event = (
        any::<bool>(),
        0..EVENTS.len(),
        0..2_u8,
        prop::bool::weighted(0.1),
    )
        .prop_map(|(who, event, cart, historical)| Act::Event {
            who,
            event,
            cart,
            historical,
        });
    let consent = (
        any::<bool>(),
        prop::option::of(0..TOPICS.len()),
        any::<bool>(),
    )
        .prop_map(|(who, topic, subscribed)| Act::Consent {
            who,
            topic,
            subscribed,
        });
    let act = prop_oneof![
        12 => event,
        2 => consent,
        1 => (any::<bool>(), any::<bool>())
            .prop_map(|(who, suppressed)| Act::Suppress { who, suppressed }),
        1 => any::<bool>().prop_map(|who| Act::SoftBounce { who }),
        1 => (any::<bool>(), 0..ZONES.len()).prop_map(|(who, zone)| Act::Zone { who, zone }),
        2 => (any::<bool>(), any::<bool>()).prop_map(|(who, hot)| Act::Status { who, hot }),
        1 => (0..3_usize, any::<bool>())
            .prop_map(|(program, paused)| Act::Pause { program, paused }),
        1 => (any::<bool>(), 0..3_usize).prop_map(|(who, program)| Act::Remove { who, program }),
    ];
    prop::collection::vec((gap, act), 1..40)
}

fn kinds() -> impl Strategy<Value = StepKind> {
    let awaited = prop_oneof![
        (0..CONDITIONS.len()).prop_map(|at| Awaited::Condition(if_person(CONDITIONS[at]))),
        (0..EVENTS.len()).prop_map(|at| Awaited::Event {
            event: EVENTS[at].into(),
            filter: None
        }),
    ];
    let wait = prop_oneof![
        (1..3 * DAY_MS).prop_map(WaitDef::For),
        ((0..1440_u16), prop::collection::vec(1..=7_i8, 0..3))
            .prop_map(|(minutes, weekdays)| WaitDef::LocalTime { minutes, weekdays }),
        (awaited, prop::option::of(1..5 * DAY_MS)).prop_map(|(what, at_most_ms)| WaitDef::Until {
            what,
            at_most_ms,
            then: vec![send("then")],
            otherwise: vec![send("otherwise")],
        }),
    ];
    let leaf = prop_oneof![
        4 => (0..TOPICS.len()).prop_map(|at| send_to("m", Recipient::Subject, Some(TOPICS[at])).kind),
        4 => wait.prop_map(StepKind::Wait),
        1 => Just(StepKind::Set(vec![("status".into(), Some(Value::text("cold")))])),
        1 => Just(StepKind::Emit("emitted".into())),
        1 => (0..3_usize).prop_map(|at| StepKind::Enroll(format!("p{at}"))),
        1 => Just(StepKind::Exit("enough".into())),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        let steps = prop::collection::vec(inner.prop_map(|kind| step("x", kind)), 0..3);
        prop_oneof![
            (0..CONDITIONS.len(), steps.clone(), steps.clone()).prop_map(|(at, yes, no)| {
                StepKind::Branch(vec![(Some(if_person(CONDITIONS[at])), yes), (None, no)])
            }),
            (steps.clone(), steps).prop_map(|(a, b)| {
                let arm = |name: &str, steps| SplitArm {
                    name: name.into(),
                    weight: 1.0,
                    steps,
                };
                StepKind::Split(vec![arm("a", a), arm("b", b)])
            }),
        ]
    })
}

/// Gives every step its own name.
fn name_steps(steps: &mut [StepDef], count: &mut u32) {
    for step in steps {
        *count += 1;
        step.name = format!("s{count}");
        match &mut step.kind {
            StepKind::Branch(arms) => arms
                .iter_mut()
                .for_each(|(_, steps)| name_steps(steps, count)),
            StepKind::Split(arms) => arms
                .iter_mut()
                .for_each(|arm| name_steps(&mut arm.steps, count)),
            StepKind::Wait(WaitDef::Until {
                then, otherwise, ..
            }) => {
                name_steps(then, count);
                name_steps(otherwise, count);
            }
            _ => {}
        }
    }
}

fn programs() -> impl Strategy<Value = Vec<ProgramDef>> {
    let enter = prop_oneof![
        (0..EVENTS.len()).prop_map(|at| on_event(EVENTS[at])),
        (0..CONDITIONS.len()).prop_map(|at| Entry::When {
            condition: if_person(CONDITIONS[at]),
            existing: false,
        }),
        Just(Entry::Schedule("30 2 * * *".into())),
    ];
    let again = prop_oneof![
        Just(Reentry::Always),
        Just(Reentry::Never),
        Just(Reentry::After(2 * DAY_MS)),
    ];
    let watched = || prop::option::weighted(0.3, 0..CONDITIONS.len());
    let steps = prop::collection::vec(kinds().prop_map(|kind| step("x", kind)), 1..6);
    let one = (
        enter,
        again,
        any::<bool>(),
        watched(),
        watched(),
        0..3_i32,
        steps,
    )
        .prop_map(|(enter, again, keyed, goal, exit, priority, steps)| {
            let mut def = program("x", steps);
            // What enters by its own event again and again would go round for ever.
            let again = if matches!(&enter, Entry::Event { event, .. } if event == "emitted") {
                Reentry::After(DAY_MS)
            } else {
                again
            };
            def.key = (keyed && matches!(enter, Entry::Event { .. })).then(|| "cart".into());
            def.enter = enter;
            def.again = again;
            def.holdout = 0.1;
            def.priority = priority;
            def.goal = goal.map(|at| GoalDef {
                when: if_person(CONDITIONS[at]),
                within_ms: None,
            });
            def.exit = exit.map(|at| if_person(CONDITIONS[at]));
            name_steps(&mut def.steps, &mut 0);
            def
        });
    prop::collection::vec(one, 3).prop_map(|mut programs| {
        for (at, def) in programs.iter_mut().enumerate() {
            def.name = format!("p{at}");
        }
        programs
    })
}

fn policies() -> impl Strategy<Value = PolicyDef> {
    let cap = (any::<bool>(), 1..4_u32, HOUR_MS..(5 * DAY_MS)).prop_map(
        |(person, at_most, within_ms)| {
            let per = if person {
                Audience::Person
            } else {
                Audience::Account
            };
            CapDef {
                per,
                channel: None,
                at_most,
                within_ms,
            }
        },
    );
    let quiet = (
        0..1440_u16,
        0..1440_u16,
        prop::collection::vec(1..=7_i8, 0..2),
    )
        .prop_filter("quiet hours must end", |(from, until, _)| from != until)
        .prop_map(|(from_minutes, until_minutes, days)| QuietHoursDef {
            from_minutes,
            until_minutes,
            days,
        });
    (prop::collection::vec(cap, 0..3), prop::option::of(quiet)).prop_map(|(caps, quiet_hours)| {
        PolicyDef {
            topics: topics(),
            caps,
            quiet_hours,
            ..PolicyDef::default()
        }
    })
}

/// What an honest bookkeeper knows of a person.
#[derive(Default)]
struct Known {
    zone: Option<usize>,
    all: Option<bool>,
    topics: BTreeMap<&'static str, bool>,
    suppressed: bool,
    soft_bounces: u32,
    sends: Vec<Timestamp>,
}

struct Bookkeeper {
    policy: PolicyDef,
    people: BTreeMap<PersonId, Known>,
    seen: usize,
    ids: BTreeSet<u128>,
}

impl Bookkeeper {
    fn check(&mut self, company: &Company) {
        for message in &company.out.messages[self.seen..] {
            assert!(self.ids.insert(message.id.0), "sent twice: {message:?}");
            self.check_one(message);
        }
        self.seen = company.out.messages.len();
    }

    fn check_one(&mut self, message: &MessageIntent) {
        let person = message.person.unwrap();
        let at = message.decided_at;
        let known = &self.people[&person];
        assert!(
            !known.suppressed,
            "sent to a suppressed person: {message:?}"
        );
        if message.transactional {
            return;
        }
        let topic = message.topic.as_deref().unwrap();
        let wants = known.topics.get(topic).copied().or(known.all);
        assert_ne!(wants, Some(false), "sent against consent: {message:?}");
        if let Some(quiet) = &self.policy.quiet_hours {
            let zone = zone(known.zone.map_or("UTC", |at| ZONES[at])).unwrap();
            let local = zone.to_datetime(at.to_jiff());
            let minute = local.hour() as u16 * 60 + local.minute() as u16;
            let (from, until) = (quiet.from_minutes, quiet.until_minutes);
            let resting = if from < until {
                from <= minute && minute < until
            } else {
                minute >= from || minute < until
            };
            let day = local.weekday().to_monday_one_offset();
            assert!(
                !resting && !quiet.days.contains(&day),
                "sent in quiet hours: {message:?}"
            );
        }
        self.people.get_mut(&person).unwrap().sends.push(at);
        for cap in &self.policy.caps {
            let recent = |sends: &[Timestamp]| {
                sends
                    .iter()
                    .filter(|sent| at.since_ms(**sent) < cap.within_ms)
                    .count()
            };
            let count = match cap.per {
                Audience::Person => recent(&self.people[&person].sends),
                Audience::Account => self.people.values().map(|known| recent(&known.sends)).sum(),
            };
            assert!(count <= cap.at_most as usize, "over {cap:?}: {message:?}");
        }
    }

    fn of(&mut self, person: PersonId) -> &mut Known {
        self.people.entry(person).or_default()
    }
}

fn perform(company: &mut Company, books: &mut Bookkeeper, act: &Act) {
    let person = |who: &bool| if *who { ANN } else { BEN };
    match act {
        Act::Event {
            who,
            event,
            cart,
            historical,
        } => happen(company, person(who), (EVENTS[*event], *cart), *historical),
        Act::Consent {
            who,
            topic,
            subscribed,
        } => choose(company, books, person(who), (*topic, *subscribed)),
        Act::Suppress { who, suppressed } => {
            let known = books.of(person(who));
            known.suppressed = *suppressed;
            if !suppressed {
                known.soft_bounces = 0;
            }
            company.command(Command::Suppress {
                person: person(who),
                account: Some(ACCOUNT),
                suppressed: *suppressed,
            });
        }
        Act::SoftBounce { who } => {
            let known = books.of(person(who));
            known.soft_bounces += 1;
            known.suppressed |= known.soft_bounces >= 5;
            company.event(person(who), "message_bounced", r#"{"kind":"soft"}"#);
        }
        Act::Zone { who, zone } => {
            books.of(person(who)).zone = Some(*zone);
            let traits = format!(r#"{{"timezone":"{}"}}"#, ZONES[*zone]);
            company.traits(SubjectId::Person(person(who)), &traits);
        }
        Act::Status { who, hot } => {
            let traits = format!(r#"{{"status":"{}"}}"#, if *hot { "hot" } else { "cold" });
            company.traits(SubjectId::Person(person(who)), &traits);
        }
        Act::Pause { program, paused } => pause(company, &format!("p{program}"), *paused),
        Act::Remove { who, program } => company.command(Command::Remove {
            program: format!("p{program}").into(),
            subject: SubjectId::Person(person(who)),
            account: Some(ACCOUNT),
        }),
    }
}

fn happen(company: &mut Company, person: PersonId, (event, cart): (&str, u8), historical: bool) {
    let properties = format!(r#"{{"cart":"{cart}"}}"#);
    let back_ms = if historical { 2 * DAY_MS } else { 0 };
    let at = company.now.plus_ms(-back_ms);
    let sent_count = company.out.messages.len();
    company.event_at(person, event, &properties, at, historical);
    if historical {
        let now = company.now;
        let sent = &company.out.messages[sent_count..];
        assert!(
            sent.iter().all(|message| message.decided_at < now),
            "history sent: {sent:?}"
        );
    }
}

fn choose(
    company: &mut Company,
    books: &mut Bookkeeper,
    person: PersonId,
    (topic, subscribed): (Option<usize>, bool),
) {
    let known = books.of(person);
    if let Some(at) = topic {
        known.topics.insert(TOPICS[at], subscribed);
    } else {
        known.all = Some(subscribed);
        known.topics.retain(|_, chosen| *chosen == subscribed);
    }
    company.command(Command::Consent {
        person,
        account: Some(ACCOUNT),
        topic: topic.map(|at| TOPICS[at].into()),
        subscribed,
    });
}

fn pause(company: &mut Company, program: &str, paused: bool) {
    if paused {
        company.plan.paused.insert(program.into());
    } else if company.plan.paused.remove(program) {
        let now = company.now;
        engine::resume(
            &company.plan,
            &mut company.root,
            program,
            now,
            &mut company.out,
        );
    }
}

/// Every step reached has a decision, every message one that names it, every end a reason.
fn check_explained(company: &Company) {
    let out = &company.out;
    let explained = |enrollment, step: Option<&str>| {
        let mut found = out.decisions.iter();
        found.any(|one| one.enrollment == Some(enrollment) && one.step.as_deref() == step)
    };
    for change in &out.enrollments {
        let step = change.step.as_deref();
        let rests = step.is_some() && change.at > change.entered_at;
        assert!(
            !rests || explained(change.id, step),
            "not explained: {change:?}"
        );
        assert!(
            explained(change.id, None),
            "entered without a decision: {change:?}"
        );
    }
    for message in &out.messages {
        let sent = out
            .decisions
            .iter()
            .filter(|one| one.message == Some(message.id));
        assert_eq!(sent.count(), 1, "{message:?}");
    }
    let ids: BTreeSet<u128> = out.decisions.iter().map(|decision| decision.id.0).collect();
    assert_eq!(
        ids.len(),
        out.decisions.len(),
        "a decision was recorded twice"
    );
    let mut last = BTreeMap::new();
    for decision in &out.decisions {
        let place = (decision.at, decision.id);
        let before = last.insert(decision.subject, place);
        assert!(
            before.is_none_or(|before| before < place),
            "listed out of order: {decision:?}"
        );
    }
    assert!(
        out.decisions
            .iter()
            .all(|one| !one.reason.contains('@') && !one.reason.is_empty())
    );
}

/// Nothing is overdue, and what has no time to go on waits for something.
fn check_nothing_stuck(company: &Company) {
    for state in company.root.subjects() {
        let mut inside = BTreeSet::new();
        for one in state
            .enrollments
            .iter()
            .filter(|one| one.ended_at.is_none())
        {
            assert!(
                inside.insert((&one.program, &one.key)),
                "inside twice: {one:?}"
            );
            if one.held_out {
                assert_eq!(one.status, EnrollmentStatus::HeldOut);
                continue;
            }
            if company.plan.paused.contains(one.program.as_ref()) {
                continue;
            }
            let timed = one.wake_at.is_some_and(|at| at > company.now);
            assert!(
                timed || (one.waiting && one.wake_at.is_none()),
                "stuck: {one:?}"
            );
            assert!(
                one.wake_at.is_none() || state.wake_at <= one.wake_at,
                "asleep: {one:?}"
            );
        }
    }
}

fn play(programs: Vec<ProgramDef>, policy: PolicyDef, acts: &[(i64, Act)]) -> Company {
    let definitions = Definitions {
        programs,
        policy: policy.clone(),
        ..Definitions::default()
    };
    // A Friday shortly before the clocks of Berlin go forward.
    let start = Timestamp::parse("2026-03-27T15:00:00Z")
        .unwrap()
        .plus_ms(7 * MINUTE_MS);
    let mut company = Company::with(definitions, start);
    let people = [(ANN, Known::default()), (BEN, Known::default())];
    let mut books = Bookkeeper {
        policy,
        people: people.into_iter().collect(),
        seen: 0,
        ids: BTreeSet::new(),
    };
    for (gap_ms, act) in acts {
        company.advance(*gap_ms);
        books.check(&company);
        perform(&mut company, &mut books, act);
        books.check(&company);
        check_nothing_stuck(&company);
    }
    company.advance(20 * DAY_MS);
    books.check(&company);
    check_nothing_stuck(&company);
    check_explained(&company);
    company
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_nobody_is_bothered_and_everything_is_explained(
        programs in programs(),
        policy in policies(),
        acts in acts(),
    ) {
        play(programs, policy, &acts);
    }

    #[test]
    fn the_same_log_gives_the_same_output(
        programs in programs(),
        policy in policies(),
        acts in acts(),
    ) {
        // Pauses are not part of this log: the plan carries them.
        let acts: Vec<_> = acts
            .into_iter()
            .filter(|(_, act)| !matches!(act, Act::Pause { .. }))
            .collect();
        let first = play(programs, policy, &acts);
        // Only the entries are replayed: wake-ups must come by themselves, at their own time.
        let mut again = Company::empty(first.plan.clone(), first.now);
        for (position, (received_at, body)) in first.log.iter().enumerate() {
            let entry = tenure_core::log::Entry {
                position: position as u64 + 1,
                received_at: *received_at,
                body: body.clone(),
            };
            engine::apply(&again.plan, &mut again.root, &entry, &mut again.out);
        }
        engine::wake(&again.plan, &mut again.root, first.now, &mut again.out);
        prop_assert_eq!(&again.out, &first.out);
        prop_assert_eq!(&again.root, &first.root);
    }
}

#[test]
fn the_random_stories_reach_what_they_are_meant_to_test() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut outcomes = BTreeSet::new();
    for _ in 0..150 {
        let story = (programs(), policies(), acts())
            .new_tree(&mut runner)
            .unwrap()
            .current();
        let company = play(story.0, story.1, &story.2);
        outcomes.extend(
            company
                .out
                .decisions
                .iter()
                .map(|decision| decision.outcome),
        );
    }
    let expected = [
        Outcome::Entered,
        Outcome::NotAgain,
        Outcome::HeldOut,
        Outcome::Sent,
        Outcome::Waiting,
        Outcome::Resumed,
        Outcome::Took,
        Outcome::Capped,
        Outcome::Outranked,
        Outcome::QuietHours,
        Outcome::NoConsent,
        Outcome::Suppressed,
        Outcome::GoalReached,
        Outcome::Exited,
        Outcome::Removed,
        Outcome::Paused,
        Outcome::Completed,
    ];
    for outcome in expected {
        assert!(outcomes.contains(&outcome), "no story reached {outcome:?}");
    }
}
