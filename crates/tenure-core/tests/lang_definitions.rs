//! Definitions in YAML: what is read, and what is said about wrong ones.

use tenure_core::define::{
    Audience, Awaited, Definitions, Delivery, Entry, MomentKind, Recipient, Reentry, SourceFile,
    StepKind, WaitDef,
};
use tenure_core::diagnostic::Diagnostic;
use tenure_core::lang::{canonical, parse_definitions};

const DAY_MS: i64 = 86_400_000;

fn files(texts: &[&str]) -> Vec<SourceFile> {
    texts
        .iter()
        .enumerate()
        .map(|(at, text)| SourceFile {
            path: format!("{at}.yaml"),
            text: (*text).to_owned(),
        })
        .collect()
}

fn read(text: &str) -> Definitions {
    match parse_definitions(files(&[text]), &[]) {
        Ok((definitions, _)) => definitions,
        Err(errors) => panic!("{text}\n{}", shown(&errors)),
    }
}

fn shown(diagnostics: &[Diagnostic]) -> String {
    let lines: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

fn errors(texts: &[&str]) -> Vec<Diagnostic> {
    match parse_definitions(files(texts), &["hello".to_owned(), "bye".to_owned()]) {
        Ok(_) => panic!("accepted: {texts:?}"),
        Err(errors) => errors,
    }
}

/// Each error as `code@what`, where `what` is the first line of the underlined text.
fn complaints(text: &str) -> Vec<String> {
    errors(&[text])
        .iter()
        .map(|one| {
            assert!(
                one.help.as_ref().is_some_and(|help| !help.is_empty()),
                "no help: {one}"
            );
            let part = &text[one.span.start..one.span.end];
            format!("{} {}", one.code, part.lines().next().unwrap_or_default())
                .trim()
                .to_owned()
        })
        .collect()
}

/// Checks texts against the complaints expected about each.
fn check_wrong<T: AsRef<str>>(cases: &[(T, &[&str])]) {
    let mut failures = Vec::new();
    for (text, expected) in cases {
        let text = text.as_ref();
        let found = complaints(text);
        if found != *expected {
            failures.push(format!("{text}\n  gives {found:?}\n  not   {expected:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

const POLICY: &str = r#"
policy: default
timezone: Europe/Berlin
from: "Northbeam <hello@example.com>"
topics: [ { name: product-tips, title: "Product tips", default: subscribed }, { name: billing, title: Billing, transactional: true } ]
caps: [ { per: person, channel: email, at_most: 3, within: 7d } ]
quiet_hours: { from: "20:00", until: "08:00", days: [sat, sun] }
holdout: 5%
"#;

/// The program of the design, with its test.
const SAVE: &str = r#"
program: usage-drop-save
about: An account uses the product 30% less than the week before
audience: account
enter:
  when: drop(count("session_started"), 7d) >= 30% and plan in ["pro", "enterprise"]
  again: after 60d
goal: { when: count("session_started", 7d) >= 10, within: 30d }
exit: { when: status == "churned" }
holdout: 10%
topic: product-tips
steps:
  - task: call
    to: owner
    title: "Call {{ account.name }}: usage fell {{ drop | percent }}"
    due: 2d
    if: mrr >= 1000
  - send: email
    to: champion
    template: come-back-value
  - wait: { for: goal, at_most: 7d }
  - branch:
      - if: health < 40
        steps:
          - task: executive-sponsor
            to: executive_sponsor
            due: 1d
      - else:
        steps:
          - send: email
            to: everyone
            template: tips-for-{{ industry }}
---
test: the sequence stops when the customer comes back
given: { account: { plan: pro, mrr: 2000, owner: dana } }
history:
  - { at: 0d, event: session_started, times: 20 }
then:
  - { at: 10d, expect: entered }
  - { at: 10d, expect: { task: call, to: dana } }
  - { at: 12d, event: session_started, times: 15 }
  - { at: 12d, expect: { exited: goal } }
"#;

#[test]
fn the_program_of_the_design_is_read() {
    let set = read(&format!("{POLICY}---\n{SAVE}"));
    let program = &set.programs[0];
    assert_eq!(program.audience, Audience::Account);
    assert_eq!(program.again, Reentry::After(60 * DAY_MS));
    assert!((program.holdout - 0.1).abs() < 1e-9);
    let goal = program.goal.as_ref().unwrap();
    assert_eq!(goal.when.text, "count(\"session_started\", 7d) >= 10");
    assert_eq!(goal.within_ms, Some(30 * DAY_MS));
    let names: Vec<&str> = program
        .steps
        .iter()
        .map(|step| step.name.as_str())
        .collect();
    assert_eq!(names, ["task-1", "send-2", "wait-3", "branch-4"]);
    assert!(matches!(
        &program.steps[2].kind,
        StepKind::Wait(WaitDef::Until { what: Awaited::Goal, at_most_ms: Some(ms), .. }) if *ms == 7 * DAY_MS
    ));
    let StepKind::Branch(arms) = &program.steps[3].kind else {
        panic!("no branch");
    };
    assert_eq!(arms[0].1[0].name, "branch-4.0.task-1");
    assert_eq!(arms[1].0, None);
    let StepKind::Send(send) = &arms[1].1[0].kind else {
        panic!("no send");
    };
    assert_eq!(send.template, "tips-for-{{ industry }}");
    assert_eq!(send.to, Recipient::Everyone);
    assert_eq!(set.tests[0].moments.len(), 5);
    assert_eq!(
        set.tests[0].moments[4].what,
        MomentKind::ExpectExited("goal".into())
    );
}

#[test]
fn the_policy_is_read() {
    let policy = read(POLICY).policy;
    assert_eq!(policy.timezone, "Europe/Berlin");
    assert_eq!(policy.topics[1].title, "Billing");
    assert!(policy.topics[1].transactional);
    assert_eq!(policy.caps[0].at_most, 3);
    let quiet = policy.quiet_hours.unwrap();
    assert_eq!((quiet.from_minutes, quiet.until_minutes), (1200, 480));
    assert_eq!(quiet.days, [6, 7]);
    assert!((policy.holdout - 0.05).abs() < 1e-9);
}

#[test]
fn segments_and_signals_are_read_with_their_places() {
    let text = "# Größe\nsegment: power-users\nabout: They use it daily\nwhen: count(\"größe\", 7d) >= 5\n---\nsignal: usage-drop\naudience: account\nseverity: warning\nwhen: >\n  drop(count(\"x\"), 7d)\n  >= 30%\ncooldown: 7d\n";
    let set = read(text);
    let place = &set.segments[0].when.place;
    assert_eq!(
        &text[place.span.start..place.span.end],
        "count(\"größe\", 7d) >= 5"
    );
    assert_eq!(set.signals[0].cooldown_ms, 7 * DAY_MS);
    assert_eq!(set.signals[0].audience, Audience::Account);
    assert!(canonical(&set.signals[0].when.expr).ends_with(">= 0.3"));
}

/// A program of one e-mail, entered as given.
fn entered(enter: &str) -> Definitions {
    read(&format!(
        "segment: trial\nwhen: plan == \"trial\"\n---\nsignal: quiet\nwhen: plan == \"trial\"\n---\nprogram: p\nenter: {enter}\nsteps: [ {{ send: email, template: hello }} ]\n"
    ))
}

#[test]
fn every_way_to_enter_is_read_with_its_default_for_coming_again() {
    let cases = [
        (
            "{ when: plan in [\"a\", \"b\"], existing: include }",
            Reentry::Always,
        ),
        ("{ event: signed_up }", Reentry::Never),
        (
            "{ event: cart, key: cart_id, where: total > 5 and code in [\"x\", \"y\"] }",
            Reentry::Never,
        ),
        (
            "{ segment: trial, existing: skip, again: never }",
            Reentry::Never,
        ),
        (
            "{ signal: quiet, again: after 1d12h }",
            Reentry::After(36 * 3_600_000),
        ),
        (
            "{ schedule: \"0 9 * * MON\", if: plan == \"pro\" }",
            Reentry::Always,
        ),
        ("{ date: renewal_date, before: 90d }", Reentry::Always),
        ("{ date: renewal_date, after: 15d }", Reentry::Always),
        ("{ api: true }", Reentry::Always),
        ("{ broadcast: trial }", Reentry::Always),
    ];
    for (enter, again) in cases {
        assert_eq!(entered(enter).programs[0].again, again, "{enter}");
    }
    assert!(matches!(
        &entered("{ date: renewal_date, before: 90d }").programs[0].enter,
        Entry::Date { offset_ms, .. } if *offset_ms == -90 * DAY_MS
    ));
    let keyed = entered("{ event: cart, key: cart_id, where: total > 5 }");
    assert_eq!(keyed.programs[0].key.as_deref(), Some("cart_id"));
    let Entry::Event {
        filter: Some(filter),
        ..
    } = &keyed.programs[0].enter
    else {
        panic!("no filter");
    };
    assert_eq!(canonical(&filter.expr), "event.total > 5");
}

#[test]
fn every_step_is_read() {
    let set = read(
        r#"
program: other
enter: { api: true }
steps: [ { exit: done } ]
---
program: all
enter: { event: cart }
goal: plan == "pro"
steps:
  - id: hello
    send: email
    template: hello
    subject: "Hi {{ name }}"
    if: event.total > 10
  - wait: 2d
  - wait: { until: "09:00", weekday: [thu, tue] }
  - wait: { until: 9:30, weekday: monday }
  - wait: { until_date: renewal_date, before: 30d }
  - wait: { for: count("x", 7d) > 1 and plan in ["a"], at_most: 7d }
    then: [ { emit: came-back } ]
    else:
      - exit: gone
  - wait: { event: paid, where: total > 1, at_most: 3d }
  - split:
      - { name: a, weight: 50, steps: [ { set: { stage: won, tags: [a, 1], old: null } } ] }
      - { name: b, weight: 50 }
  - branch:
      - { if: plan in ["x", "y"], steps: [ { enroll: other } ] }
      - else: [ { webhook: { url: "https://example.com/x", body: { a: [1, "2"] } } } ]
  - exit:
"#,
    );
    let steps = &set.programs[1].steps;
    assert_eq!(steps[0].name, "hello");
    assert!(
        matches!(&steps[2].kind, StepKind::Wait(WaitDef::LocalTime { minutes: 540, weekdays }) if weekdays == &[2, 4])
    );
    let StepKind::Wait(WaitDef::Until {
        then, otherwise, ..
    }) = &steps[5].kind
    else {
        panic!("no wait");
    };
    assert_eq!(then[0].name, "wait-6.0.emit-1");
    assert_eq!(otherwise[0].name, "wait-6.1.exit-1");
    let StepKind::Branch(arms) = &steps[8].kind else {
        panic!("no branch");
    };
    assert!(
        matches!(&arms[1].1[0].kind, StepKind::Webhook { body: Some(body), .. } if body == r#"{"a":[1,"2"]}"#)
    );
    assert!(matches!(&steps[9].kind, StepKind::Exit(reason) if reason == "exit"));
}

#[test]
fn a_transactional_program_may_send_at_least_once() {
    let set = read(&format!(
        "{POLICY}---\nprogram: receipt\nenter: {{ event: paid }}\ntopic: billing\ndelivery: at_least_once\nsteps: [ {{ send: email, template: hello }} ]\n"
    ));
    assert_eq!(set.programs[0].delivery, Delivery::AtLeastOnce);
    let StepKind::Send(send) = &set.programs[0].steps[0].kind else {
        panic!("no send");
    };
    assert_eq!(send.to, Recipient::Subject);
}

#[test]
fn a_message_to_the_team_names_a_channel_of_slack() {
    let of = |channel: &str| {
        format!(
            "program: p\naudience: account\nenter: {{ api: true }}\nsteps: [ {{ send: {channel}, to: \"#saves\", template: hello }} ]\n"
        )
    };
    let set = read(&of("slack"));
    let StepKind::Send(send) = &set.programs[0].steps[0].kind else {
        panic!("no send");
    };
    assert_eq!(send.to, Recipient::Channel("#saves".into()));
    assert_eq!(complaints(&of("sms")), ["wrong-recipient \"#saves\""]);
}

#[test]
fn moments_of_a_test_come_in_order_of_time_and_name_whose_traits_change() {
    let set = read(
        r#"
program: p
enter: { api: true }
steps: [ { exit: x } ]
---
test: traits change
start: 2026-02-01
given: { account: { plan: pro, none: null }, person: { role: admin, address: { city: Berlin } } }
history:
  - { at: 2d, event: late }
  - { at: 1d, set: { role: former } }
then:
  - { at: 0d, set: { account: { plan: free }, person: { role: x } } }
  - { at: 1d, account: { plan: "1" }, event: e, properties: { total: 5, codes: [a] }, times: 3 }
  - { at: 2d, expect: { decision: capped } }
  - { at: 2d, expect: { message: hello } }
  - { at: 3d, expect: not_entered }
"#,
    );
    let test = &set.tests[0];
    assert_eq!(test.account.len(), 1);
    assert_eq!(test.person.as_ref().unwrap()[1].0, "address.city");
    let whats: Vec<String> = test
        .moments
        .iter()
        .map(|moment| format!("{} {:?}", moment.at_ms / DAY_MS, moment.what))
        .collect();
    assert_eq!(
        whats,
        [
            r#"0 Set { audience: Account, traits: [("plan", Some(Text("free")))] }"#,
            r#"0 Set { audience: Person, traits: [("role", Some(Text("x")))] }"#,
            r#"1 Set { audience: Person, traits: [("role", Some(Text("former")))] }"#,
            r#"1 Set { audience: Account, traits: [("plan", Some(Text("1")))] }"#,
            r#"1 Event { event: "e", properties: "{\"codes\":[\"a\"],\"total\":5}", times: 3 }"#,
            r#"2 Event { event: "late", properties: "{}", times: 1 }"#,
            r#"2 ExpectDecision { outcome: "capped" }"#,
            r#"2 ExpectMessage { template: "hello" }"#,
            "3 ExpectNotEntered",
        ]
    );
}

#[test]
#[allow(clippy::too_many_lines)] // One table of cases, and nothing else.
fn wrong_definitions_say_what_is_wrong_and_where() {
    check_wrong(&[
        ("- 1", &["wrong-shape - 1"][..]),
        ("hello", &["wrong-shape hello"]),
        ("segmant: x\nwhen: a", &["unknown-kind segmant: x"]),
        ("segment: x", &["missing-key segment: x"]),
        ("segment: x\nwhen:", &["missing-key when"]),
        ("segment: My Group\nwhen: a", &["bad-name My Group"]),
        ("segment: x\nwhen: a\nabuot: y", &["unknown-key abuot"]),
        ("segment: x\nwhen: a\nwhen: b", &["duplicate-key when"]),
        (
            "segment: x\naudience: user\nwhen: a",
            &["unknown-choice user"],
        ),
        ("segment: x\nwhen: 'plan = \"it''s\"'", &["single-equals ="]),
        (
            "segment: x\nwhen: \"plan == \\\"a\\\" && b\"",
            &["symbolic-logic &&"],
        ),
        (
            "segment: x\nwhen: >\n  plan == \"a\"\n  and b = 1",
            &["single-equals ="],
        ),
        ("segment: x\nwhen: [a]", &["wrong-shape [a]"]),
        (
            "segment: x\nwhen: event.total > 5",
            &["no-event-here event.total > 5"],
        ),
        (
            "segment: x\nwhen: in(\"y\")",
            &["unknown-segment in(\"y\")"],
        ),
        (
            "segment: a\nwhen: in(\"b\")\n---\nsegment: b\nwhen: in(\"a\")",
            &["segment-cycle in(\"b\")"],
        ),
        (
            "segment: a\nwhen: not in(\"a\")",
            &["segment-cycle not in(\"a\")"],
        ),
        (
            "segment: a\naudience: account\nwhen: b\n---\nsegment: c\nwhen: in(\"a\")",
            &["wrong-audience in(\"a\")"],
        ),
        (
            "segment: a\nwhen: b\n---\nsegment: a\nwhen: c",
            &["duplicate-name segment: a"],
        ),
        ("signal: a\nwhen: b\nseverity: bad", &["unknown-choice bad"]),
        ("signal: a\nwhen: b\ncooldown: 7", &["bad-duration 7"]),
        ("segment: a\nwhen: &x b", &["no-aliases &x b"]),
        ("segment: a\nwhen: *x", &["bad-yaml *x"]),
        ("segment: a\nwhen: {", &["bad-yaml"]),
        (
            "segment: a\n  when: b\n---\nsegment: c\nwhen: d = 1",
            &["bad-yaml :", "single-equals ="],
        ),
        (
            "policy: d\ntimezone: Mars/Base",
            &["unknown-timezone Mars/Base"],
        ),
        ("policy: d\nfrom: nobody", &["bad-address nobody"]),
        ("policy: d\nholdout: 5", &["bad-fraction 5"]),
        (
            "policy: d\ntopics: [ { title: x } ]",
            &["missing-key title: x"],
        ),
        (
            "policy: d\ntopics: [ { name: x }, { name: x } ]",
            &["duplicate-name { name: x }"],
        ),
        (
            "policy: d\ntopics: [ { name: x, transactional: true, default: subscribed } ]",
            &["transactional-default default"],
        ),
        (
            "policy: d\ncaps: [ { per: person, channel: emial, at_most: 0, within: x } ]",
            &["unknown-channel emial", "bad-number 0", "bad-duration x"],
        ),
        (
            "policy: d\nquiet_hours: { from: 25:00, until: 8am, days: [sat, funday] }",
            &["bad-time 25:00", "bad-time 8am", "unknown-choice funday"],
        ),
        ("policy: d\n---\npolicy: e", &["duplicate-name policy: e"]),
    ]);
}

#[test]
#[allow(clippy::too_many_lines)] // One table of cases, and nothing else.
fn wrong_programs_say_what_is_wrong_and_where() {
    let hello = "steps: [ { send: email, template: hello } ]";
    let cases = [
        (
            "",
            &["missing-key program: p", "missing-key program: p"][..],
        ),
        ("enter: {}\nHELLO", &["no-entry {}"]),
        (
            "enter: { event: a, when: b }\nHELLO",
            &["two-entries event"],
        ),
        (
            "enter: { evnt: a }\nHELLO",
            &["no-entry { evnt: a }", "unknown-key evnt"],
        ),
        (
            "enter: { when: b, key: c }\nHELLO",
            &["key-without-event c"],
        ),
        (
            "enter: { event: a, again: sometimes }\nHELLO",
            &["bad-again sometimes"],
        ),
        (
            "enter: { event: a, again: never }\nagain: always\nHELLO",
            &["duplicate-key always"],
        ),
        (
            "enter: { segment: nobody }\nHELLO",
            &["unknown-segment nobody"],
        ),
        (
            "enter: { signal: nothing }\nHELLO",
            &["unknown-signal nothing"],
        ),
        (
            "enter: { schedule: \"0 9 * *\", if: a }\nHELLO",
            &["bad-schedule \"0 9 * *\""],
        ),
        (
            "enter: { date: d, before: 1d, after: 1d }\nHELLO",
            &["before-and-after 1d"],
        ),
        ("enter: { api: false }\nHELLO", &["no-entry false"]),
        (
            "enter: { event: a, where: count(\"b\") > 1 }\nHELLO",
            &["aggregate-in-filter count(\"b\")"],
        ),
        (
            "enter: { when: b, if: event.total > 1 }\nHELLO",
            &["no-event-here event.total > 1"],
        ),
        (
            "topic: tipps\nenter: { event: a }\nHELLO",
            &["unknown-topic tipps"],
        ),
        (
            "topic: tips\ndelivery: at_least_once\nenter: { event: a }\nHELLO",
            &["not-transactional tips"],
        ),
        (
            "delivery: at_least_once\nenter: { event: a }\nHELLO",
            &["not-transactional delivery"],
        ),
        (
            "holdout: 100%\nenter: { event: a }\nHELLO",
            &["bad-fraction 100%"],
        ),
        (
            "priority: high\nenter: { event: a }\nHELLO",
            &["bad-number high"],
        ),
        (
            "goal: { within: 3d }\nenter: { event: a }\nHELLO",
            &["missing-key within: 3d"],
        ),
        ("enter: { event: a }\nsteps: []", &["no-steps []"]),
        (
            "enter: { event: a }\nsteps: [ { id: x } ]",
            &["no-step id: x"],
        ),
        (
            "enter: { event: a }\nsteps: [ { snd: email } ]",
            &["unknown-key snd", "no-step snd: email"],
        ),
        (
            "enter: { event: a }\nsteps: [ { wait: 1d, exit: x } ]",
            &["two-steps exit"],
        ),
        (
            "enter: { event: a }\nsteps: [ { send: fax, template: helo } ]",
            &["unknown-channel fax", "unknown-template helo"],
        ),
        (
            "enter: { event: a }\nsteps: [ { send: email, template: \"x-{{ y }}\" }, { send: email } ]",
            &["missing-key send: email"],
        ),
        (
            "enter: { event: a }\nsteps: [ { id: a, exit: x }, { id: a, exit: y } ]",
            &["duplicate-step a"],
        ),
        (
            "enter: { event: a }\nsteps: [ { id: exit-2, exit: x }, { exit: y } ]",
            &["duplicate-step exit"],
        ),
        (
            "audience: account\nenter: { event: a }\nHELLO",
            &["missing-recipient send: email"],
        ),
        (
            "audience: account\nenter: { event: a }\nsteps: [ { send: email, to: subject, template: hello } ]",
            &["missing-recipient subject"],
        ),
        (
            "enter: { event: a }\nsteps: [ { task: call } ]",
            &["missing-key task: call"],
        ),
        (
            "enter: { event: a }\nsteps: [ { wait: soon } ]",
            &["bad-duration soon"],
        ),
        (
            "enter: { event: a }\nsteps: [ { wait: { at_most: 1d } } ]",
            &["wait-for-what { at_most: 1d }", "unknown-key at_most"],
        ),
        (
            "enter: { event: a }\nsteps: [ { wait: { for: goal, at_most: 1d } } ]",
            &["no-goal goal"],
        ),
        (
            "enter: { event: a }\nsteps: [ { wait: { for: b }, else: [ { exit: x } ] } ]",
            &["else-without-at-most else"],
        ),
        (
            "enter: { event: a }\nsteps: [ { wait: { for: b, event: c } } ]",
            &["wait-for-what event"],
        ),
        (
            "enter: { event: a }\nsteps: [ { wait: { until: noon, weekday: [tusday] } } ]",
            &["bad-time noon", "unknown-choice tusday"],
        ),
        (
            "enter: { event: a }\nsteps: [ { branch: [] } ]",
            &["no-arms []"],
        ),
        (
            "enter: { event: a }\nsteps: [ { branch: [ { steps: [] } ] } ]",
            &["no-arm-condition steps"],
        ),
        (
            "enter: { event: a }\nsteps: [ { branch: [ { else: , steps: [] }, { if: b } ] } ]",
            &["else-not-last else"],
        ),
        (
            "enter: { event: a }\nsteps: [ { branch: [ { if: b, else: } ] } ]",
            &["if-and-else if: b"],
        ),
        (
            "enter: { event: a }\nsteps: [ { split: [ { name: a, weight: -1 }, { name: a } ] } ]",
            &["bad-number -1"],
        ),
        (
            "enter: { event: a }\nsteps: [ { split: [ { name: a }, { name: a } ] } ]",
            &["duplicate-name { name: a }"],
        ),
        (
            "enter: { event: a }\nsteps: [ { webhook: { url: ftp } } ]",
            &["bad-url ftp"],
        ),
        (
            "enter: { event: a }\nsteps: [ { set: 5 } ]",
            &["wrong-shape 5"],
        ),
        (
            "enter: { event: a }\nsteps: [ { enroll: q } ]",
            &["unknown-program q"],
        ),
        (
            "enter: { event: a }\nsteps: [ { exit: x, if: a = 1 } ]",
            &["single-equals ="],
        ),
    ];
    let policy = "policy: d\ntopics: [ { name: tips }, { name: bills, transactional: true } ]";
    check_wrong(&cases.map(|(lines, expected)| {
        let lines = lines.replace("HELLO", hello);
        (format!("{policy}\n---\nprogram: p\n{lines}\n"), expected)
    }));
}

#[test]
fn wrong_tests_say_what_is_wrong_and_where() {
    let cases = [
        (
            "then: [ { at: 1d, expect: entred } ]",
            &["unknown-expectation entred"][..],
        ),
        (
            "then: [ { at: 1d, expect: capped } ]",
            &["unknown-expectation capped"],
        ),
        (
            "then: [ { at: 1d, expect: { decision: caped } } ]",
            &["unknown-choice caped"],
        ),
        (
            "then: [ { at: 1d, expect: { exited: a, task: b } } ]",
            &["unknown-expectation { exited: a, task: b }"],
        ),
        (
            "then: [ { expect: entered } ]",
            &["missing-key expect: entered"],
        ),
        (
            "then: [ { at: -1d, expect: entered } ]",
            &["bad-duration -1d"],
        ),
        ("then: [ { at: 1d } ]", &["empty-moment at: 1d"]),
        ("then: [ { at: 1d, times: 3 } ]", &["missing-key at: 1d"]),
        (
            "then: [ { at: 1d, event: a, times: 0 } ]",
            &["bad-number 0"],
        ),
        (
            "start: soon\nthen: [ { at: 1d, expect: entered } ]",
            &["bad-date soon"],
        ),
        (
            "program: q\nthen: [ { at: 1d, expect: entered } ]",
            &["unknown-program q"],
        ),
        (
            "given: { acount: {} }\nthen: [ { at: 1d, expect: entered } ]",
            &["unknown-key acount"],
        ),
        ("", &["missing-key test: t"]),
    ];
    let program = "program: p\nenter: { api: true }\nsteps: [ { exit: x } ]";
    check_wrong(
        &cases.map(|(lines, expected)| (format!("{program}\n---\ntest: t\n{lines}\n"), expected)),
    );
    check_wrong(&[(
        "test: alone\nthen: [ { at: 1d, expect: entered } ]",
        &["which-program test: alone"],
    )]);
}

#[test]
fn problems_of_all_files_come_at_once_and_name_both_places_of_a_duplicate() {
    let found = errors(&[
        "segment: a\nwhen: b = 1",
        "segment: c\nwhen: in(\"a\") &&",
        "\nsegment: a\nwhen: d",
    ]);
    let lines: Vec<String> = found
        .iter()
        .map(|one| format!("{}:{} {}", one.file, one.line, one.code))
        .collect();
    assert_eq!(
        lines,
        [
            "0.yaml:2 single-equals",
            "1.yaml:2 symbolic-logic",
            "1.yaml:2 unexpected",
            "2.yaml:2 duplicate-name"
        ]
    );
    assert!(
        found[3].message.contains("0.yaml:1"),
        "{}",
        found[3].message
    );
}

#[test]
fn suggestions_name_what_was_meant() {
    let found =
        errors(&["segment: power-users\nwhen: a\n---\nsegment: b\nwhen: in(\"power-user\")"]);
    assert_eq!(
        found[0].help.as_deref(),
        Some("did you mean `power-users`?")
    );
    let found = errors(&["segment: power-users\nwhen: a\nabuot: x"]);
    assert_eq!(found[0].help.as_deref(), Some("did you mean `about`?"));
}

#[test]
fn what_is_allowed_but_odd_gives_a_warning() {
    let text = "segment: a\nwhen: plan == pro\n---\nprogram: p\nenter: { schedule: \"0 9 * * 1\" }\nsteps: [ { exit: x } ]";
    let (_, warnings) = parse_definitions(files(&[text]), &[]).expect("only warnings");
    let codes: Vec<&str> = warnings.iter().map(|one| one.code).collect();
    assert_eq!(codes, ["compares-traits", "schedule-for-all"]);
}

#[test]
fn sizes_and_depths_of_files_are_bounded() {
    let code = |text: String| errors(&[&text])[0].code;
    assert_eq!(code("#".repeat(2_000_000)), "file-too-large");
    assert_eq!(code("[".repeat(100_000)), "bad-yaml");
    assert_eq!(code("- ".repeat(100_000) + "x"), "too-deep");
    assert_eq!(code("a: ".repeat(1_000)), "bad-yaml");
    assert_eq!(
        code(format!("a: &a [x]\n{}", "b: [*a, *a]\n".repeat(50))),
        "no-aliases"
    );
    let step = "  - { exit: x }\n";
    let many = format!(
        "program: p\nenter: {{ api: true }}\nsteps:\n{}",
        step.repeat(501)
    );
    assert_eq!(code(many), "too-many-steps");
    let mut nested = "{ exit: x }".to_owned();
    for _ in 0..17 {
        nested = format!("{{ branch: [ {{ if: a, steps: [ {nested} ] }} ] }}");
    }
    assert_eq!(
        code(format!(
            "program: p\nenter: {{ api: true }}\nsteps: [ {nested} ]"
        )),
        "too-deep"
    );
}
