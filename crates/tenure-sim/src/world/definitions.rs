//! The definitions a simulated workspace publishes: every way to enter, every kind of step, caps,
//! quiet hours, hold-outs; and what later versions change.

use tenure_core::define::SourceFile;

/// Names of the programs.
pub const PROGRAMS: [&str; 11] = [
    "welcome",
    "win-back",
    "follow-up",
    "digest",
    "renewal",
    "alarm",
    "cart",
    "announce",
    "receipt",
    "regulars",
    "review",
];
/// Topics people can choose.
pub const TOPICS: [&str; 2] = ["tips", "news"];
/// The cap per person of every version: at most so many messages …
pub const PERSON_CAP: usize = 3;
/// … and per account …
pub const ACCOUNT_CAP: usize = 6;
/// … within so many milliseconds.
pub const CAP_WITHIN_MS: i64 = 7 * tenure_core::time::DAY_MS;
/// Quiet from this local minute …
pub const QUIET_FROM: u16 = 20 * 60;
/// … until this one, and on Sundays.
pub const QUIET_UNTIL: u16 = 8 * 60;
/// Zone of people without one.
pub const ZONE: &str = "Europe/Berlin";
/// How many versions there are.
pub const VERSION_COUNT: usize = 5;

const BASE: &str = r#"
policy: default
timezone: Europe/Berlin
from: "Northbeam <hello@example.com>"
topics:
  - { name: tips, title: Tips, default: subscribed }
  - { name: news, title: News, default: unsubscribed }
  - { name: billing, title: Billing, transactional: true }
caps:
  - { per: person, channel: email, at_most: 3, within: 7d }
  - { per: account, channel: email, at_most: 6, within: 7d }
quiet_hours: { from: "20:00", until: "08:00", days: [sun] }
holdout: 5%
---
segment: active
audience: person
when: count("report_created", 7d) >= 2
---
segment: silent
audience: person
when: since(last("report_created")) >= 4d and account.plan != "churned"
---
segment: busy-accounts
audience: account
when: active_people(14d) >= 2 or count("report_created", 3d) >= 4
---
signal: usage-drop
audience: account
severity: warning
when: drop(count("report_created"), 3d) >= 30%
cooldown: 2d
---
program: welcome
audience: person
enter: { event: signed_up, again: after 3d }
goal: { when: 'count("report_created", 30d) >= 6', within: 20d }
exit: { when: 'role == "former"' }
holdout: 10%
topic: tips
priority: 5
steps:
  - wait: 1d
  - wait: { until: "02:30" }
  - id: hello
    send: email
    template: note
  - id: first-try
    wait: { event: feature_used, where: 'feature == "board"', at_most: 3d }
    then: [ { set: { stage: tried } } ]
    else: [ { emit: never_tried } ]
  - id: halves
    split:
      - { name: a, weight: 50, steps: [ { id: half-a, send: email, template: note } ] }
      - { name: b, weight: 50, steps: [ { wait: 1d } ] }
  - branch:
      - { if: 'stage == "tried"', steps: [ { enroll: follow-up } ] }
      - else: [ { exit: lost } ]
---
program: win-back
audience: person
enter: { when: 'since(last("report_created")) >= 3d', again: after 6d, existing: include }
exit: { when: 'role == "former"' }
topic: tips
steps:
  - id: miss-you
    send: email
    template: note
  - wait: { for: 'count("report_created", 7d) >= 1', at_most: 4d }
    else: [ { id: still-there, send: email, template: note } ]
---
program: follow-up
audience: person
enter: { api: true, again: always }
topic: news
steps:
  - id: more
    send: email
    template: note
  - wait: 2d
  - id: thanks
    send: email
    topic: tips
    template: note
---
program: digest
audience: person
enter: { schedule: "30 9 * * *", if: 'in("active")' }
topic: tips
priority: 1
steps: [ { id: daily, send: email, template: note } ]
---
program: renewal
audience: account
enter: { date: renewal_date, before: 5d, again: after 4d }
goal: { when: 'count("paid", 10d) >= 2', within: 9d }
holdout: 10%
topic: tips
priority: 9
steps:
  - { id: plan-it, task: plan, to: owner, title: "Renewal of {{ account.name | default: 'them' }}", due: 1d }
  - { id: ask, send: email, to: champion, template: note }
  - wait: { until_date: renewal_date, before: 1d }
  - { id: all, send: email, to: everyone, template: note, topic: billing }
  - wait: { for: goal, at_most: 3d }
---
program: alarm
audience: account
enter: { signal: usage-drop, again: after 1d }
topic: tips
steps:
  - { id: call, task: call, to: owner, title: "Call", due: 2d, if: 'plan == "pro"' }
  - webhook: { url: "https://example.com/hook", body: { of: "{{ account.name | default: 'x' }}" } }
  - { id: tell, send: email, to: everyone, template: note }
---
program: cart
audience: person
enter: { event: cart_left, key: cart, where: 'total > 10', again: always }
topic: tips
steps:
  - id: paid
    wait: { event: paid, at_most: 12h }
    then: [ { exit: bought } ]
  - { id: remind, send: email, template: note }
---
program: announce
audience: person
enter: { broadcast: active }
topic: tips
steps: [ { id: news, send: email, template: note } ]
---
program: receipt
audience: person
enter: { event: paid, again: always }
topic: billing
delivery: at_least_once
steps: [ { id: bill, send: email, template: note } ]
---
program: regulars
audience: person
enter: { segment: active, existing: skip, again: always }
topic: tips
steps:
  - wait: { until: "10:15", weekday: [tue, fri] }
  - { id: praise, send: email, template: note, if: 'not in("silent")' }
---
program: review
audience: account
enter: { segment: busy-accounts, again: after 2d }
topic: tips
steps:
  - wait: 6h
  - { id: look, task: review, to: owner, title: "Look", due: 1d }
  - { id: write, send: email, to: champion, template: note }
"#;

const TEMPLATE: &str = "---\nsubject: Hello\n---\n<mjml><mj-body><mj-section><mj-column><mj-text>Hello {{ person.first_name | default: \"you\" }}</mj-text></mj-column></mj-section></mj-body></mjml>";

/// The files of a version; the first is published at the start.
pub fn version(number: usize) -> Vec<SourceFile> {
    let text = match number % VERSION_COUNT {
        0 => BASE.to_owned(),
        // A step goes, waits get shorter.
        1 => BASE
            .replace(
                "  - wait: 1d\n  - wait: { until: \"02:30\" }\n",
                "  - wait: { until: \"02:30\" }\n",
            )
            .replace("at_most: 3d }\n    then", "at_most: 2d }\n    then"),
        // A condition needs events that no plan has read before.
        2 => BASE
            .replace(
                "count(\"report_created\", 7d) >= 2",
                "count(\"feature_used\", 10d) >= 1",
            )
            .replace("id: miss-you", "id: where-are-you"),
        // Other entries, and a condition over a longer past.
        3 => BASE
            .replace(
                "since(last(\"report_created\")) >= 3d'",
                "since(last(\"signed_up\")) >= 2d and count(\"paid\", 30d) == 0'",
            )
            .replace("id: remind, send", "id: remind-again, send")
            .replace("schedule: \"30 9 * * *\"", "schedule: \"30 2 * * *\""),
        _ => BASE.replace(
            "count(\"report_created\", 3d) >= 4",
            "count(\"feature_used\", 3d, where feature == \"board\") >= 2",
        ),
    };
    vec![
        SourceFile {
            path: "all.yaml".into(),
            text,
        },
        SourceFile {
            path: "templates/note.mjml".into(),
            text: TEMPLATE.into(),
        },
    ]
}
