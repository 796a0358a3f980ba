//! The definitions that the measurements publish, written as a customer would write them.

use std::fmt::Write as _;

/// One definition or template file.
#[derive(Debug, Clone)]
pub(crate) struct File {
    /// Its path; the name of a template is its stem.
    pub(crate) path: String,
    /// Its content.
    pub(crate) text: String,
}

/// Names of the events that the load sends, all of the same length so that bodies can be patched in place.
pub(crate) const EVENT_NAMES: [&str; 12] = [
    "session_open",
    "report_built",
    "feature_used",
    "invited_mate",
    "order_placed",
    "ticket_opens",
    "page_visited",
    "export_begun",
    "comment_made",
    "link_created",
    "search_asked",
    "setting_edit",
];

const POLICY: &str = "\
policy: default
timezone: UTC
from: \"Northbeam <hello@example.com>\"
topics: [ { name: tips, title: Tips, default: subscribed } ]
";

const TEMPLATE: &str = "\
---
subject: \"News for {{ person.first_name }}\"
---
<mjml><mj-body><mj-section><mj-column><mj-text>Hello {{ person.first_name }}, this is worth a look.</mj-text>\
<mj-button href=\"https://app.example.com/news\">Open</mj-button></mj-column></mj-section></mj-body></mjml>
";

fn files(text: &str) -> Vec<File> {
    vec![
        File {
            path: "bench.yaml".into(),
            text: format!("{POLICY}---\n{text}"),
        },
        File {
            path: "templates/news.mjml".into(),
            text: TEMPLATE.into(),
        },
    ]
}

/// A segment that holds everybody the load makes known.
pub(crate) fn everybody() -> Vec<File> {
    files("segment: everybody\naudience: person\nwhen: plan != \"none\"\n")
}

/// Fifty conditions (as segments) of all kinds and ten programs, all about people.
pub(crate) fn living_plan() -> Vec<File> {
    let mut text = String::new();
    for (at, condition) in fifty_conditions().iter().enumerate() {
        let _ = write!(
            text,
            "segment: bench-{at}\naudience: person\nwhen: '{condition}'\n---\n"
        );
    }
    for (at, name) in EVENT_NAMES.iter().take(10).enumerate() {
        let enter = if at % 2 == 0 {
            format!("when: 'since(last(\"{name}\")) >= {}d'", 5 + at)
        } else {
            format!("event: {name}")
        };
        let _ = write!(
            text,
            "program: bench-{at}\naudience: person\ntopic: tips\nenter: {{ {enter}, again: after 60d, if: 'plan == \"pro\"' }}\n\
             goal: {{ when: 'count(\"{name}\", 7d) >= 3', within: 30d }}\nholdout: 10%\nsteps:\n  - wait: 3d\n  - send: email\n    \
             template: news\n---\n"
        );
    }
    files(&text)
}

fn fifty_conditions() -> Vec<String> {
    let mut conditions = Vec::new();
    for (at, name) in EVENT_NAMES.iter().enumerate() {
        conditions.push(format!("count(\"{name}\", {}d) >= {}", 7 + at, 2 + at % 4));
        conditions.push(format!("since(last(\"{name}\")) >= {}d", 5 + at));
        conditions.push(format!("never(\"{name}\") and plan == \"pro\""));
        conditions.push(format!("drop(count(\"{name}\"), 7d) >= 30%"));
    }
    conditions.push("distinct(\"feature_used\", feature, 30d) >= 3".into());
    conditions.push("sum(\"order_placed\", total, 30d) > 500".into());
    conditions
}

/// One mail as soon as the event comes.
pub(crate) fn mail_at_once() -> Vec<File> {
    files(
        "program: at-once\naudience: person\ntopic: tips\nenter: { event: order_placed, again: always }\nsteps:\n  - send: email\n    template: news\n",
    )
}

/// For how long an event makes somebody a member of the segment `recent`, in milliseconds.
pub(crate) const SHORT_WINDOW_MS: i64 = 90_000;

/// A segment that a person leaves exactly [`SHORT_WINDOW_MS`] after the event.
pub(crate) fn short_window() -> Vec<File> {
    files("segment: recent\naudience: person\nwhen: 'count(\"page_visited\", 90s) >= 1'\n")
}

/// A windowed condition over events that are stored already.
pub(crate) fn new_condition() -> Vec<File> {
    files("segment: buyers\naudience: person\nwhen: 'count(\"order_placed\", 30d) >= 5'\n")
}

/// One mail to everybody in a segment, on demand.
pub(crate) fn broadcast() -> Vec<File> {
    files(
        "segment: everybody\naudience: person\nwhen: 'plan == \"pro\"'\n---\n\
         program: newsletter\naudience: person\ntopic: tips\nenter: { broadcast: everybody }\nsteps:\n  - send: email\n    template: news\n",
    )
}

/// A program that waits for a date of the person, then ends.
pub(crate) fn waiting() -> Vec<File> {
    files(
        "program: waiting\naudience: person\ntopic: tips\nenter: { event: session_open }\nsteps:\n  \
         - wait: { until_date: wakes_at }\n  - set: { woken: yes }\n",
    )
}
