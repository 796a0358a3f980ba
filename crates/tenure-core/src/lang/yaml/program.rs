//! Programs: how a subject enters, may enter again, succeeds and leaves.

use crate::define::{Audience, Delivery, Entry, GoalDef, ProgramDef, Reentry};
use crate::diagnostic::Span;
use crate::lang::yaml::cron;
use crate::lang::yaml::node::{Kind, Node};
use crate::lang::yaml::quantity::{duration_ms, short};
use crate::lang::yaml::reader::{EventScope, Fields, Reader};
use crate::lang::yaml::reference::Target;
use crate::lang::yaml::step::Steps;

/// The lowest and highest priority.
pub(super) const PRIORITY_RANGE: std::ops::RangeInclusive<i64> = -1_000..=1_000;

/// The ways to enter, each a key of `enter`.
const WAYS: [&str; 8] = [
    "when",
    "event",
    "segment",
    "signal",
    "schedule",
    "date",
    "api",
    "broadcast",
];

const ENTER_HELP: &str =
    "write for example `enter: { event: signed_up }` or `enter: { when: health < 50 }`";

/// What `enter` says, besides the entry itself.
struct Entering {
    entry: Option<Entry>,
    again: Option<Reentry>,
    key: Option<String>,
    only_if: Option<crate::define::Condition>,
}

impl Reader<'_> {
    pub(super) fn program(&mut self, mut fields: Fields<'_>) -> Option<ProgramDef> {
        let name = fields
            .take("program")
            .and_then(|node| self.name(node, "a program's name"));
        let about = self.optional_text(&mut fields, "about");
        let audience = self.audience(&mut fields);
        let entering = self.entering(&mut fields, audience);
        let goal = fields
            .take("goal")
            .and_then(|node| self.goal(node, audience));
        let exit = fields
            .take("exit")
            .and_then(|node| self.exit_condition(node, audience));
        let holdout = self.holdout(&mut fields);
        let topic = self.topic_and_delivery(&mut fields);
        let priority = fields
            .take("priority")
            .and_then(|node| self.integer(node, "`priority`", PRIORITY_RANGE))
            .unwrap_or(0);
        let steps = self.program_steps(&mut fields, audience);
        self.finish(&fields, "a program");
        let entering = entering?;
        let entry = entering.entry?;
        let again = entering.again.unwrap_or(default_reentry(&entry));
        Some(ProgramDef {
            name: name?,
            about: about.unwrap_or_default(),
            audience,
            enter: entry,
            again,
            key: entering.key,
            only_if: entering.only_if,
            goal,
            exit,
            holdout,
            topic: topic.0,
            priority: i32::try_from(priority).unwrap_or(0),
            delivery: topic.1,
            steps,
            place: self.place(fields.span),
        })
    }

    fn program_steps(
        &mut self,
        fields: &mut Fields<'_>,
        audience: Audience,
    ) -> Vec<crate::define::StepDef> {
        let help = "a program does something: write for example `steps: [ { send: email, template: hello } ]`";
        let has_goal = fields.has("goal");
        let Some(node) = self.required(fields, "steps", help) else {
            return Vec::new();
        };
        let mut steps = Steps::new(self, audience, has_goal);
        steps.read(node)
    }

    fn topic_and_delivery(&mut self, fields: &mut Fields<'_>) -> (Option<String>, Delivery) {
        let deliveries = [
            ("at_most_once", Delivery::AtMostOnce),
            ("at_least_once", Delivery::AtLeastOnce),
        ];
        let delivery_span = fields.key_span("delivery");
        let delivery = fields
            .take("delivery")
            .and_then(|node| self.choice(node, "`delivery`", &deliveries))
            .unwrap_or_default();
        let target = match delivery {
            Delivery::AtMostOnce => Target::Topic,
            Delivery::AtLeastOnce => Target::TransactionalTopic,
        };
        let topic = fields
            .take("topic")
            .and_then(|node| self.reference(node, target, "`topic`"));
        if delivery == Delivery::AtLeastOnce && topic.is_none() {
            self.error(
                "not-transactional",
                delivery_span,
                "only transactional messages may be sent at least once",
                "remove `delivery`, or give the program a topic with `transactional: true`",
            );
        }
        (topic, delivery)
    }

    /// `enter`, with what may stand in it or beside it: `again`, `key`, `if`.
    fn entering(&mut self, fields: &mut Fields<'_>, audience: Audience) -> Option<Entering> {
        let node = self.required(fields, "enter", ENTER_HELP);
        let outer_again = fields.take("again");
        let outer_key = fields.take("key");
        let outer_if = fields.take("if");
        let mut inner = self.fields(node?, "`enter`", ENTER_HELP)?;
        let again = self.one_of_two("again", "enter", outer_again, inner.take("again"));
        let key = self.one_of_two("key", "enter", outer_key, inner.take("key"));
        let only_if = self.one_of_two("if", "enter", outer_if, inner.take("if"));
        let again = again.and_then(|node| self.reentry(node));
        let entry = self.entry(&mut inner, audience);
        let by_event = inner.has("event");
        if let Some(node) = key
            && !by_event
        {
            self.error(
                "key-without-event",
                node.span,
                "`key` names a property of the event a subject enters by",
                "enter by an event, or remove `key`",
            );
        }
        if inner.has("schedule") && only_if.is_none() {
            self.warn(
                "schedule-for-all",
                inner.key_span("schedule"),
                "everybody enters on this schedule",
                "add `if:` to choose who does",
            );
        }
        let key = key
            .and_then(|node| self.text(node, "`key`"))
            .map(str::to_owned);
        let event = if by_event {
            EventScope::Kept
        } else {
            EventScope::None
        };
        let only_if = only_if.and_then(|node| self.condition(node, audience, event));
        self.finish(&inner, "`enter`");
        Some(Entering {
            entry,
            again,
            key,
            only_if,
        })
    }

    /// What is allowed below `parent` and beside it, but not in both places.
    pub(super) fn one_of_two<'n>(
        &mut self,
        key: &str,
        parent: &str,
        outside: Option<&'n Node>,
        inside: Option<&'n Node>,
    ) -> Option<&'n Node> {
        if let (Some(outside), Some(_)) = (outside, inside) {
            self.error(
                "duplicate-key",
                outside.span,
                format!("`{key}` stands below `{parent}` and beside it"),
                "remove one of them",
            );
        }
        inside.or(outside)
    }

    fn entry(&mut self, fields: &mut Fields<'_>, audience: Audience) -> Option<Entry> {
        let ways: Vec<&str> = WAYS.into_iter().filter(|way| fields.has(way)).collect();
        let way = match ways.as_slice() {
            [way] => *way,
            [] => {
                for way in WAYS {
                    fields.take(way);
                }
                self.error(
                    "no-entry",
                    fields.span,
                    "`enter` does not say how a subject enters",
                    ENTER_HELP,
                );
                return None;
            }
            [.., second] => {
                for way in WAYS {
                    fields.take(way);
                }
                self.error(
                    "two-entries",
                    fields.key_span(second),
                    format!(
                        "a program is entered in one way, and here are: {}",
                        ways.join(", ")
                    ),
                    "write one program for each, or enroll from one into the other",
                );
                return None;
            }
        };
        match way {
            "when" => self.entry_when(fields, audience),
            "event" => self.entry_event(fields),
            "segment" => self.entry_segment(fields, audience),
            "signal" => {
                let node = self.required(fields, "signal", ENTER_HELP)?;
                self.reference(node, Target::Signal(audience), "`signal`")
                    .map(Entry::Signal)
            }
            "schedule" => self.entry_schedule(fields),
            "date" => self.entry_date(fields),
            "broadcast" => {
                let node = self.required(fields, "broadcast", ENTER_HELP)?;
                self.reference(node, Target::Segment(audience), "`broadcast`")
                    .map(Entry::Broadcast)
            }
            _ => self.entry_api(fields),
        }
    }

    fn entry_when(&mut self, fields: &mut Fields<'_>, audience: Audience) -> Option<Entry> {
        let existing = self.existing(fields);
        let node = self.required(fields, "when", ENTER_HELP)?;
        let condition = self.condition(node, audience, EventScope::None)?;
        Some(Entry::When {
            condition,
            existing,
        })
    }

    fn entry_event(&mut self, fields: &mut Fields<'_>) -> Option<Entry> {
        let filter = fields.take("where").map(|node| self.filter(node));
        let node = self.required(fields, "event", ENTER_HELP)?;
        let event = self.text(node, "`event`")?.to_owned();
        let filter = match filter {
            Some(None) => return None,
            Some(filter) => filter,
            None => None,
        };
        Some(Entry::Event { event, filter })
    }

    fn entry_segment(&mut self, fields: &mut Fields<'_>, audience: Audience) -> Option<Entry> {
        let existing = self.existing(fields);
        let node = self.required(fields, "segment", ENTER_HELP)?;
        let segment = self.reference(node, Target::Segment(audience), "`segment`")?;
        Some(Entry::Segment { segment, existing })
    }

    fn existing(&mut self, fields: &mut Fields<'_>) -> bool {
        fields
            .take("existing")
            .and_then(|node| self.choice(node, "`existing`", &[("skip", false), ("include", true)]))
            .unwrap_or(false)
    }

    fn entry_schedule(&mut self, fields: &mut Fields<'_>) -> Option<Entry> {
        let node = self.required(fields, "schedule", ENTER_HELP)?;
        let text = self.text(node, "`schedule`")?;
        if let Some(complaint) = cron::complaint(text) {
            self.error(
                "bad-schedule",
                node.span,
                complaint,
                "write for example \"0 9 * * MON\" for Mondays at 9:00",
            );
            return None;
        }
        Some(Entry::Schedule(text.to_owned()))
    }

    fn entry_date(&mut self, fields: &mut Fields<'_>) -> Option<Entry> {
        let property = self
            .required(fields, "date", ENTER_HELP)
            .and_then(|node| self.text(node, "`date`"))
            .map(str::to_owned);
        let offset_ms = self.before_or_after(fields)?;
        Some(Entry::Date {
            property: property?,
            offset_ms,
        })
    }

    /// The offset of `before: 30d` (negative) or `after: 15d`; 0 without either.
    pub(super) fn before_or_after(&mut self, fields: &mut Fields<'_>) -> Option<i64> {
        let before = fields.take("before").map(|node| (node, -1));
        let after = fields.take("after").map(|node| (node, 1));
        if let (Some(_), Some((node, _))) = (before, after) {
            self.error(
                "before-and-after",
                node.span,
                "the date is met either before or after",
                "remove one of them",
            );
            return None;
        }
        let Some((node, sign)) = before.or(after) else {
            return Some(0);
        };
        let what = if sign < 0 { "`before`" } else { "`after`" };
        self.duration(node, what, 0).map(|ms| ms * sign)
    }

    fn entry_api(&mut self, fields: &mut Fields<'_>) -> Option<Entry> {
        let node = self.required(fields, "api", ENTER_HELP)?;
        if !self.flag(node, "`api`")? {
            self.error(
                "no-entry",
                node.span,
                "`api: false` leaves no way to enter",
                "write `api: true`",
            );
            return None;
        }
        Some(Entry::Api)
    }

    fn reentry(&mut self, node: &Node) -> Option<Reentry> {
        let text = self.text(node, "`again`")?;
        match text {
            "never" => return Some(Reentry::Never),
            "always" => return Some(Reentry::Always),
            _ => {}
        }
        let after = text
            .strip_prefix("after ")
            .and_then(|rest| duration_ms(rest.trim()));
        if let Some(ms) = after.filter(|ms| *ms > 0) {
            return Some(Reentry::After(ms));
        }
        self.error(
            "bad-again",
            node.span,
            format!("`again` is never `{}`", short(text)),
            "write `never`, `always` or `after 60d`",
        );
        None
    }

    fn goal(&mut self, node: &Node, audience: Audience) -> Option<GoalDef> {
        if matches!(node.kind, Kind::Scalar { .. }) {
            let when = self.condition(node, audience, EventScope::None)?;
            return Some(GoalDef {
                when,
                within_ms: None,
            });
        }
        let help = "write for example `goal: { when: count(\"order\", 7d) > 0, within: 30d }`";
        let mut fields = self.fields(node, "`goal`", help)?;
        let when = self
            .required(&mut fields, "when", help)
            .and_then(|node| self.condition(node, audience, EventScope::None));
        let within_ms = self.optional_duration(&mut fields, "within");
        self.finish(&fields, "`goal`");
        Some(GoalDef {
            when: when?,
            within_ms,
        })
    }

    fn exit_condition(
        &mut self,
        node: &Node,
        audience: Audience,
    ) -> Option<crate::define::Condition> {
        if matches!(node.kind, Kind::Scalar { .. }) {
            return self.condition(node, audience, EventScope::None);
        }
        let help = "write for example `exit: { when: status == \"churned\" }`";
        let mut fields = self.fields(node, "`exit`", help)?;
        let when = self
            .required(&mut fields, "when", help)
            .and_then(|node| self.condition(node, audience, EventScope::None));
        self.finish(&fields, "`exit`");
        when
    }

    /// Complains about a step or arm, at the best place there is.
    pub(super) fn step_error(&mut self, span: Span, code: &'static str, message: &str, help: &str) {
        self.error(code, span, message, help);
    }
}

/// Without `again`: what happens by itself comes again, what an event starts happens once (once
/// for each key).
fn default_reentry(entry: &Entry) -> Reentry {
    match entry {
        Entry::Event { .. } => Reentry::Never,
        _ => Reentry::Always,
    }
}
