//! Tests beside programs: what is given, what happens, what is expected.

use crate::decision::Outcome;
use crate::define::{Audience, Moment, MomentKind, TestDef};
use crate::lang::nearest::did_you_mean;
use crate::lang::yaml::node::{Kind, Node};
use crate::lang::yaml::quantity::{json, short};
use crate::lang::yaml::reader::{Fields, Reader};
use crate::lang::yaml::reference::Target;
use crate::time::Timestamp;
use crate::value::Value;

/// The most times one line of a history repeats its event.
const MAX_TIMES: i64 = 10_000;
/// The longest sentence naming a test, in characters.
const MAX_TEST_NAME_CHARS: usize = 200;

/// The answers a test can expect.
const OUTCOMES: [Outcome; 27] = [
    Outcome::Entered,
    Outcome::NotAgain,
    Outcome::NotEligible,
    Outcome::Historical,
    Outcome::Paused,
    Outcome::HeldOut,
    Outcome::HeldOutGlobally,
    Outcome::Sent,
    Outcome::TaskCreated,
    Outcome::Done,
    Outcome::Skipped,
    Outcome::Took,
    Outcome::Waiting,
    Outcome::Resumed,
    Outcome::Capped,
    Outcome::QuietHours,
    Outcome::Outranked,
    Outcome::NoConsent,
    Outcome::Suppressed,
    Outcome::NoRecipient,
    Outcome::RenderFailed,
    Outcome::AlreadySent,
    Outcome::GoalReached,
    Outcome::Exited,
    Outcome::Removed,
    Outcome::Migrated,
    Outcome::Completed,
];

const EXPECT_HELP: &str = "expect `entered`, `not_entered`, `nothing_sent`, `{ exited: goal }`, `{ task: call }`, `{ message: TEMPLATE }` or `{ decision: capped }`";

impl Reader<'_> {
    pub(super) fn test(&mut self, mut fields: Fields<'_>) -> Option<TestDef> {
        let name = fields.take("test").and_then(|node| self.test_name(node));
        fields.take("about");
        let program = fields
            .take("program")
            .and_then(|node| self.reference(node, Target::Tested, "`program`"));
        let (account, person) = self.given(&mut fields);
        let start = fields.take("start").and_then(|node| self.instant(node));
        let audience = if person.is_some() {
            Audience::Person
        } else {
            Audience::Account
        };
        let mut moments = Vec::new();
        if let Some(node) = fields.take("history") {
            self.moments(node, "`history`", audience, &mut moments);
        }
        if let Some(node) = self.required(&mut fields, "then", EXPECT_HELP) {
            self.moments(node, "`then`", audience, &mut moments);
        }
        self.finish(&fields, "a test");
        // Stable: what is written first happens first.
        moments.sort_by_key(|moment| moment.at_ms);
        Some(TestDef {
            name: name?,
            program,
            account,
            person,
            start,
            moments,
            place: self.place(fields.span),
        })
    }

    fn test_name(&mut self, node: &Node) -> Option<String> {
        let name = self.text(node, "a test's name")?;
        if name.chars().count() > MAX_TEST_NAME_CHARS {
            self.error(
                "bad-name",
                node.span,
                format!("a test's name has at most {MAX_TEST_NAME_CHARS} characters"),
                "say what the test shows in one sentence",
            );
        }
        Some(name.to_owned())
    }

    #[allow(clippy::type_complexity)] // The shape is `TestDef`'s.
    fn given(
        &mut self,
        fields: &mut Fields<'_>,
    ) -> (Vec<(String, Value)>, Option<Vec<(String, Value)>>) {
        let help =
            "write for example `given: { account: { plan: pro }, person: { role: champion } }`";
        let Some(node) = fields.take("given") else {
            return (Vec::new(), None);
        };
        let Some(mut given) = self.fields(node, "`given`", help) else {
            return (Vec::new(), None);
        };
        let mut known = |reader: &mut Self, key| {
            let node = given.take_even_empty(key)?;
            let traits = reader.traits(node, "given traits");
            Some(
                traits
                    .into_iter()
                    .filter_map(|(name, value)| Some((name, value?)))
                    .collect::<Vec<_>>(),
            )
        };
        let account = known(self, "account").unwrap_or_default();
        let person = known(self, "person");
        self.finish(&given, "`given`");
        (account, person)
    }

    fn instant(&mut self, node: &Node) -> Option<Timestamp> {
        let text = self.text(node, "`start`")?;
        let at = Timestamp::parse(text);
        if at.is_none() {
            self.error(
                "bad-date",
                node.span,
                format!("`start` is a date, and `{}` is none", short(text)),
                "write for example `2026-01-05T09:00:00Z`",
            );
        }
        at
    }

    fn moments(&mut self, node: &Node, what: &str, audience: Audience, out: &mut Vec<Moment>) {
        for item in self.items(node, what) {
            self.moment(item, audience, out);
        }
    }

    fn moment(&mut self, node: &Node, audience: Audience, out: &mut Vec<Moment>) {
        let help = "write for example `{ at: 3d, event: session_started, times: 5 }` or `{ at: 3d, expect: entered }`";
        let Some(mut fields) = self.fields(node, "a moment", help) else {
            return;
        };
        let at_ms = self
            .required(
                &mut fields,
                "at",
                "say when, counted from the start: `at: 3d`",
            )
            .and_then(|node| self.duration(node, "`at`", 0));
        let errors_before = self.errors.len();
        let mut kinds = Vec::new();
        let set = fields.take("set");
        let of_both = set.is_some_and(owners_named);
        if let Some(node) = set.filter(|_| !of_both) {
            kinds.push(self.change(node, audience));
        }
        let nested = set
            .filter(|_| of_both)
            .and_then(|node| self.fields(node, "`set`", help));
        for (key, whose) in [("account", Audience::Account), ("person", Audience::Person)] {
            let inside = nested.clone().and_then(|mut nested| nested.take(key));
            for node in [inside, fields.take(key)].into_iter().flatten() {
                kinds.push(self.change(node, whose));
            }
        }
        kinds.extend(self.happens(&mut fields));
        let expected = fields.take("expect");
        kinds.extend(expected.and_then(|node| self.expectation(node)));
        if kinds.is_empty() && self.errors.len() == errors_before {
            self.error(
                "empty-moment",
                fields.head(),
                "nothing happens and nothing is expected",
                help,
            );
        }
        self.finish(&fields, "a moment");
        let Some(at_ms) = at_ms else { return };
        let place = self.place(node.span);
        out.extend(kinds.into_iter().map(|what| Moment {
            at_ms,
            what,
            place: place.clone(),
        }));
    }

    fn change(&mut self, node: &Node, audience: Audience) -> MomentKind {
        let traits = self.traits(node, "traits");
        MomentKind::Set { audience, traits }
    }

    fn happens(&mut self, fields: &mut Fields<'_>) -> Option<MomentKind> {
        let event = fields.take("event");
        let properties = fields.take("properties").and_then(|node| {
            if matches!(node.kind, Kind::Mapping(_)) {
                return Some(json(node).to_string());
            }
            self.error(
                "wrong-shape",
                node.span,
                "`properties` are a mapping of names to values",
                "write for example `{ total: 120 }`",
            );
            None
        });
        let times = fields
            .take("times")
            .and_then(|node| self.integer(node, "`times`", 1..=MAX_TIMES));
        let Some(event) = event else {
            if properties.is_some() || times.is_some() {
                self.error(
                    "missing-key",
                    fields.head(),
                    "`event` is missing",
                    "name the event that has these properties",
                );
            }
            return None;
        };
        let event = self.text(event, "`event`")?.to_owned();
        Some(MomentKind::Event {
            event,
            properties: properties.unwrap_or_else(|| "{}".into()),
            times: times
                .and_then(|times| u32::try_from(times).ok())
                .unwrap_or(1),
        })
    }

    fn expectation(&mut self, node: &Node) -> Option<MomentKind> {
        if let Some(word) = node.text() {
            return match word.trim() {
                "entered" => Some(MomentKind::ExpectEntered),
                "not_entered" => Some(MomentKind::ExpectNotEntered),
                "nothing_sent" => Some(MomentKind::ExpectNothingSent),
                other => {
                    let help = if OUTCOMES.iter().any(|outcome| outcome.as_str() == other) {
                        format!("write `expect: {{ decision: {other} }}`")
                    } else {
                        EXPECT_HELP.into()
                    };
                    self.error(
                        "unknown-expectation",
                        node.span,
                        format!("nothing is known about `{}`", short(other)),
                        help,
                    );
                    None
                }
            };
        }
        let mut fields = self.fields(node, "an expectation", EXPECT_HELP)?;
        let kinds = ["exited", "task", "message", "decision"];
        let found: Vec<&str> = kinds.into_iter().filter(|kind| fields.has(kind)).collect();
        let errors_before = self.errors.len();
        let expectation = match found.as_slice() {
            ["exited"] => self
                .optional_text(&mut fields, "exited")
                .map(MomentKind::ExpectExited),
            ["task"] => {
                let to = self.optional_text(&mut fields, "to");
                self.optional_text(&mut fields, "task")
                    .map(|task| MomentKind::ExpectTask { task, to })
            }
            ["message"] => self
                .optional_text(&mut fields, "message")
                .map(|template| MomentKind::ExpectMessage { template }),
            ["decision"] => fields
                .take("decision")
                .and_then(|node| self.outcome(node))
                .map(|outcome| MomentKind::ExpectDecision { outcome }),
            _ => {
                self.error(
                    "unknown-expectation",
                    node.span,
                    "an expectation is one thing",
                    EXPECT_HELP,
                );
                return None;
            }
        };
        if expectation.is_none() && self.errors.len() == errors_before {
            self.error(
                "empty-value",
                node.span,
                "the expectation says not what of",
                EXPECT_HELP,
            );
        }
        self.finish(&fields, "an expectation");
        expectation
    }

    fn outcome(&mut self, node: &Node) -> Option<String> {
        let text = self.text(node, "`decision`")?;
        let names = OUTCOMES.iter().map(|outcome| outcome.as_str());
        if names.clone().any(|name| name == text) {
            return Some(text.to_owned());
        }
        let help = did_you_mean(text, names).unwrap_or_default();
        self.error(
            "unknown-choice",
            node.span,
            format!("no decision is called `{}`", short(text)),
            help,
        );
        None
    }
}

/// Whether `set` says whose traits change: `{ person: { role: former } }`.
fn owners_named(node: &Node) -> bool {
    matches!(&node.kind, Kind::Mapping(entries) if entries.iter().all(|(key, value)| {
        ["account", "person"].contains(&key.name.as_str()) && matches!(value.kind, Kind::Mapping(_))
    }))
}
