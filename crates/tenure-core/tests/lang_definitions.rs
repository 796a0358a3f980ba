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

fn check_wrong(text: &str, expected: &[&str]) {
    assert_eq!(
        complaints(text),
        expected,
        "{text}\n{}",
        shown(&errors(&[text]))
    );
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
