//! The steps of a program.

use crate::define::{
    Audience, Awaited, Recipient, SendDef, SplitArm, StepDef, StepKind, TaskDef, WaitDef,
};
use crate::diagnostic::Span;
use crate::lang::yaml::node::{Kind, Node};
use crate::lang::yaml::quantity::{json, short};
use crate::lang::yaml::reader::{EventScope, Fields, Reader};
use crate::lang::yaml::reference::Target;

/// The most steps of one program, those in branches included.
pub const MAX_STEPS: usize = 500;
/// The deepest nesting of branches, splits and waits.
pub const MAX_STEP_NESTING: usize = 16;
/// The most arms of a branch or split.
const MAX_ARMS: usize = 50;

/// The kinds of steps, each a key.
const KINDS: [&str; 10] = [
    "send", "task", "wait", "branch", "split", "webhook", "set", "emit", "enroll", "exit",
];

/// The channel that has channels of the team, such as `#customer-success`.
const TEAM_CHANNEL: &str = "slack";
const STEP_HELP: &str = "write for example `- send: email` with `template: hello` below it";

/// Reads the steps of one program.
pub(super) struct Steps<'r, 'a> {
    reader: &'r mut Reader<'a>,
    audience: Audience,
    has_goal: bool,
    count: usize,
    names: Vec<(String, Span)>,
}

impl<'r, 'a> Steps<'r, 'a> {
    pub(super) fn new(reader: &'r mut Reader<'a>, audience: Audience, has_goal: bool) -> Self {
        Self {
            reader,
            audience,
            has_goal,
            count: 0,
            names: Vec::new(),
        }
    }

    /// All steps of the program.
    pub(super) fn read(&mut self, node: &Node) -> Vec<StepDef> {
        let steps = self.list(node, "", 1);
        if steps.is_empty() && matches!(&node.kind, Kind::Sequence(items) if items.is_empty()) {
            self.reader
                .error("no-steps", node.span, "the program does nothing", STEP_HELP);
        }
        if self.count > MAX_STEPS {
            self.reader.error(
                "too-many-steps",
                node.span,
                format!(
                    "a program has at most {MAX_STEPS} steps, and this has {}",
                    self.count
                ),
                "split it, and enroll from one program into the next",
            );
        }
        steps
    }

    /// A list of steps, whose names begin with `prefix`.
    fn list(&mut self, node: &Node, prefix: &str, nesting: usize) -> Vec<StepDef> {
        if nesting > MAX_STEP_NESTING {
            self.reader.error(
                "too-deep",
                node.span,
                format!("steps are nested deeper than {MAX_STEP_NESTING} levels"),
                "split the program, and enroll from one into the next",
            );
            return Vec::new();
        }
        let items = self.reader.items(node, "`steps`");
        items
            .iter()
            .enumerate()
            .filter_map(|(at, item)| self.step(item, prefix, at + 1, nesting))
            .collect()
    }

    fn step(
        &mut self,
        node: &Node,
        prefix: &str,
        number: usize,
        nesting: usize,
    ) -> Option<StepDef> {
        self.count += 1;
        let mut fields = self.reader.fields(node, "a step", STEP_HELP)?;
        let id = fields.take("id").and_then(|node| {
            let name = self.reader.name(node, "a step's id");
            name.map(|name| (name, node.span))
        });
        let only_if = fields.take("if");
        let only_if =
            only_if.and_then(|node| self.reader.condition(node, self.audience, EventScope::Kept));
        let kind = self.kind(&mut fields)?;
        let (name, span) =
            id.unwrap_or_else(|| (format!("{prefix}{kind}-{number}"), fields.key_span(kind)));
        self.unique(&name, span);
        let what = self.what(kind, &mut fields, &name, nesting);
        self.reader.finish(&fields, &format!("a `{kind}` step"));
        Some(StepDef {
            name,
            only_if,
            kind: what?,
            place: self.reader.place(fields.span),
        })
    }

    fn unique(&mut self, name: &str, span: Span) {
        if let Some((_, first)) = self.names.iter().find(|(known, _)| known == name) {
            let (line, _) = crate::diagnostic::line_and_column(self.reader.source, first.start);
            self.reader.error(
                "duplicate-step",
                span,
                format!("two steps are named `{name}`; the other is in line {line}"),
                "give one of them another `id`",
            );
        }
        self.names.push((name.to_owned(), span));
    }

    /// Which kind of step it is: exactly one of the keys.
    fn kind(&mut self, fields: &mut Fields<'_>) -> Option<&'static str> {
        let found: Vec<&'static str> = KINDS.into_iter().filter(|kind| fields.has(kind)).collect();
        match found.as_slice() {
            [kind] => Some(kind),
            [] => {
                for kind in KINDS {
                    fields.take(kind);
                }
                self.reader.error(
                    "no-step",
                    fields.head(),
                    "this says not what to do",
                    format!("a step is one of: {}", KINDS.join(", ")),
                );
                self.reader.finish(fields, "a step");
                None
            }
            [.., second] => {
                let span = fields.key_span(second);
                self.reader.error(
                    "two-steps",
                    span,
                    format!("this is two steps in one: {}", found.join(", ")),
                    "begin each step with its own `- `",
                );
                None
            }
        }
    }

    fn what(
        &mut self,
        kind: &'static str,
        fields: &mut Fields<'_>,
        name: &str,
        nesting: usize,
    ) -> Option<StepKind> {
        match kind {
            "send" => self.send(fields).map(StepKind::Send),
            "task" => self.task(fields).map(StepKind::Task),
            "wait" => self.wait(fields, name, nesting).map(StepKind::Wait),
            "branch" => self.branch(fields, name, nesting),
            "split" => self.split(fields, name, nesting),
            "webhook" => self.webhook(fields),
            "set" => {
                let node = self.reader.required(
                    fields,
                    "set",
                    "write for example `set: { stage: won }`",
                )?;
                Some(StepKind::Set(self.reader.traits(node, "the traits to set")))
            }
            "emit" => {
                let node = self
                    .reader
                    .required(fields, "emit", "write the name of an event")?;
                let event = self.reader.text(node, "`emit`")?;
                Some(StepKind::Emit(event.to_owned()))
            }
            "enroll" => {
                let node = self
                    .reader
                    .required(fields, "enroll", "write the name of a program")?;
                let target = Target::Program(self.audience);
                self.reader
                    .reference(node, target, "`enroll`")
                    .map(StepKind::Enroll)
            }
            _ => {
                let reason = match fields.take("exit") {
                    Some(node) => self.reader.text(node, "`exit`")?,
                    None => "exit",
                };
                Some(StepKind::Exit(reason.to_owned()))
            }
        }
    }

    fn send(&mut self, fields: &mut Fields<'_>) -> Option<SendDef> {
        let help = "write for example `- send: email`";
        let channel = self
            .reader
            .required(fields, "send", help)
            .and_then(|node| self.reader.channel(node));
        let to = self.recipient(fields, channel.as_deref());
        let template = self
            .reader
            .required(fields, "template", "write the name of a template")
            .and_then(|node| self.reader.reference(node, Target::Template, "`template`"));
        let topic = fields
            .take("topic")
            .and_then(|node| self.reader.reference(node, Target::Topic, "`topic`"));
        let subject = self.reader.optional_text(fields, "subject");
        Some(SendDef {
            channel: channel?,
            to: to?,
            template: template?,
            topic,
            subject,
        })
    }

    fn recipient(&mut self, fields: &mut Fields<'_>, channel: Option<&str>) -> Option<Recipient> {
        let help =
            "write `to: everyone`, or the role of the people who get it, such as `to: champion`";
        let Some(node) = fields.take("to") else {
            if self.audience == Audience::Person {
                return Some(Recipient::Subject);
            }
            self.reader.error(
                "missing-recipient",
                fields.head(),
                "the program is about accounts, so the message must say who at the account gets it",
                help,
            );
            return None;
        };
        match self.reader.text(node, "`to`")? {
            "subject" if self.audience == Audience::Account => {
                self.reader.error(
                    "missing-recipient",
                    node.span,
                    "an account gets no mail itself",
                    help,
                );
                None
            }
            "subject" => Some(Recipient::Subject),
            "everyone" => Some(Recipient::Everyone),
            name if name.starts_with('#') => {
                if channel.is_some_and(|channel| channel != TEAM_CHANNEL) {
                    self.reader.error(
                        "wrong-recipient",
                        node.span,
                        format!(
                            "`{}` is a channel of the team, which only Slack has",
                            short(name)
                        ),
                        "write `send: slack`, or the role of the people who get it",
                    );
                    return None;
                }
                Some(Recipient::Channel(name.to_owned()))
            }
            role => Some(Recipient::Role(role.to_owned())),
        }
    }

    fn task(&mut self, fields: &mut Fields<'_>) -> Option<TaskDef> {
        let name = self
            .reader
            .required(fields, "task", "write the kind of task, such as `call`")
            .and_then(|node| self.reader.name(node, "a task's kind"));
        let to = self
            .reader
            .required(
                fields,
                "to",
                "write the account trait that holds the owner, such as `to: owner`",
            )
            .and_then(|node| self.reader.text(node, "`to`"))
            .map(str::to_owned);
        let title = self.reader.optional_text(fields, "title");
        let due_ms = self.reader.optional_duration(fields, "due");
        let name = name?;
        Some(TaskDef {
            title: title.unwrap_or_else(|| name.clone()),
            name,
            to: to?,
            due_ms,
        })
    }

    fn webhook(&mut self, fields: &mut Fields<'_>) -> Option<StepKind> {
        let help = "write for example `webhook: { url: \"https://example.com/hook\" }`";
        let node = self.reader.required(fields, "webhook", help)?;
        let mut inner = self.reader.fields(node, "`webhook`", help)?;
        let url_node = self.reader.required(&mut inner, "url", help);
        let body = inner.take("body").map(|node| match node.text() {
            Some(text) => text.to_owned(),
            None => json(node).to_string(),
        });
        self.reader.finish(&inner, "`webhook`");
        let url_node = url_node?;
        let url = self.reader.text(url_node, "`url`")?;
        if !["https://", "http://", "{{"]
            .iter()
            .any(|start| url.starts_with(start))
        {
            self.reader.error(
                "bad-url",
                url_node.span,
                "a webhook's address begins with `https://`",
                help,
            );
            return None;
        }
        Some(StepKind::Webhook {
            url: url.to_owned(),
            body,
        })
    }

    fn branch(&mut self, fields: &mut Fields<'_>, name: &str, nesting: usize) -> Option<StepKind> {
        let help = "write `branch:` with arms `- if: CONDITION` and `- else:`, each with `steps:`";
        let node = self.reader.required(fields, "branch", help)?;
        let items = self.arms(node, "`branch`", help)?;
        let mut arms = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let prefix = format!("{name}.{at}.");
            let last = at + 1 == items.len();
            if let Some(arm) = self.arm(item, last, &prefix, nesting) {
                arms.push(arm);
            }
        }
        (arms.len() == items.len()).then_some(StepKind::Branch(arms))
    }

    fn arms<'n>(&mut self, node: &'n Node, what: &str, help: &str) -> Option<&'n [Node]> {
        let items = self.reader.items(node, what);
        if items.is_empty() {
            if matches!(node.kind, Kind::Sequence(_)) {
                self.reader.step_error(
                    node.span,
                    "no-arms",
                    "there is nothing to choose from",
                    help,
                );
            }
            return None;
        }
        if items.len() > MAX_ARMS {
            self.reader.error(
                "too-many-steps",
                node.span,
                format!("{what} has at most {MAX_ARMS} arms"),
                "split it into several",
            );
            return None;
        }
        Some(items)
    }

    fn arm(
        &mut self,
        node: &Node,
        last: bool,
        prefix: &str,
        nesting: usize,
    ) -> Option<(Option<crate::define::Condition>, Vec<StepDef>)> {
        let help = "an arm has `if:` or `else:`, and `steps:`";
        let mut fields = self.reader.fields(node, "an arm", help)?;
        let otherwise = fields.take_even_empty("else");
        let condition = fields.take("if");
        let below = fields.take("steps");
        // `- else:` may hold its steps itself.
        let nested = otherwise.filter(|node| matches!(node.kind, Kind::Sequence(_)));
        let steps = below.or(nested);
        let span = fields.head();
        let holds =
            condition.map(|node| self.reader.condition(node, self.audience, EventScope::Kept));
        match (&holds, otherwise) {
            (None, None) => self.reader.step_error(
                span,
                "no-arm-condition",
                "the arm does not say when it is taken",
                help,
            ),
            (Some(_), Some(_)) => self.reader.step_error(
                span,
                "if-and-else",
                "an arm has either `if` or `else`",
                "remove one of them; arms are tried in order",
            ),
            (None, Some(_)) if !last => self.reader.step_error(
                span,
                "else-not-last",
                "what follows `else` is never taken",
                "move `else` to the end",
            ),
            _ => {}
        }
        if below.is_some() && nested.is_some() {
            self.reader.step_error(
                span,
                "duplicate-key",
                "the arm has steps twice",
                "put them all below `steps`",
            );
        }
        let steps = match steps {
            Some(steps) => self.list(steps, prefix, nesting + 1),
            None => Vec::new(),
        };
        self.reader.finish(&fields, "an arm");
        match holds {
            Some(condition) => Some((Some(condition?), steps)),
            None => Some((None, steps)),
        }
    }

    fn split(&mut self, fields: &mut Fields<'_>, name: &str, nesting: usize) -> Option<StepKind> {
        let help = "write for example `split: [ { name: a, weight: 50, steps: [] }, { name: b, weight: 50, steps: [] } ]`";
        let node = self.reader.required(fields, "split", help)?;
        let items = self.arms(node, "`split`", help)?;
        let mut arms: Vec<SplitArm> = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let prefix = format!("{name}.{at}.");
            let Some(arm) = self.split_arm(item, &prefix, nesting, help) else {
                continue;
            };
            if arms.iter().any(|known| known.name == arm.name) {
                self.reader.error(
                    "duplicate-name",
                    item.span,
                    format!("two arms are named `{}`", arm.name),
                    "name them differently; lift is reported by name",
                );
            }
            arms.push(arm);
        }
        (arms.len() == items.len()).then_some(StepKind::Split(arms))
    }

    fn split_arm(
        &mut self,
        node: &Node,
        prefix: &str,
        nesting: usize,
        help: &str,
    ) -> Option<SplitArm> {
        let mut fields = self.reader.fields(node, "an arm", help)?;
        let name = self
            .reader
            .required(&mut fields, "name", help)
            .and_then(|node| self.reader.name(node, "an arm's name"));
        let weight = match fields.take("weight") {
            Some(node) => self.weight(node),
            None => Some(1.0),
        };
        let steps = match fields.take("steps") {
            Some(node) => self.list(node, prefix, nesting + 1),
            None => Vec::new(),
        };
        self.reader.finish(&fields, "an arm");
        Some(SplitArm {
            name: name?,
            weight: weight?,
            steps,
        })
    }

    fn weight(&mut self, node: &Node) -> Option<f64> {
        let text = self.reader.text(node, "`weight`")?;
        let number = text.strip_suffix('%').unwrap_or(text).trim().parse::<f64>();
        match number {
            Ok(weight) if weight > 0.0 && weight.is_finite() => Some(weight),
            _ => {
                self.reader.error(
                    "bad-number",
                    node.span,
                    "a weight is a number above zero",
                    "weights are relative: 1 and 1 are halves, 90 and 10 are nine to one",
                );
                None
            }
        }
    }

    fn wait(&mut self, fields: &mut Fields<'_>, name: &str, nesting: usize) -> Option<WaitDef> {
        let help = "write `wait: 2d`, or one of `{ until: \"09:00\" }`, `{ until_date: renewal_date, before: 30d }`, `{ for: goal, at_most: 7d }`, `{ event: NAME, at_most: 7d }`";
        let node = self.reader.required(fields, "wait", help)?;
        if matches!(node.kind, Kind::Scalar { .. }) {
            return self.reader.duration(node, "a wait", 1).map(WaitDef::For);
        }
        let mut inner = self.reader.fields(node, "`wait`", help)?;
        let wait = if inner.has("until") {
            self.wait_until_time(&mut inner)
        } else if inner.has("until_date") {
            self.wait_until_date(&mut inner)
        } else if inner.has("for") || inner.has("event") {
            self.wait_until(&mut inner, fields, name, nesting)
        } else {
            for key in ["until", "until_date", "for", "event"] {
                inner.take(key);
            }
            self.reader.step_error(
                node.span,
                "wait-for-what",
                "the wait does not say for what",
                help,
            );
            None
        };
        self.reader.finish(&inner, "`wait`");
        wait
    }

    fn wait_until_time(&mut self, inner: &mut Fields<'_>) -> Option<WaitDef> {
        let minutes = inner
            .take("until")
            .and_then(|node| self.reader.time_of_day(node, "`until`"));
        let weekdays = inner
            .take("weekday")
            .map(|node| self.reader.weekdays(node))
            .unwrap_or_default();
        Some(WaitDef::LocalTime {
            minutes: minutes?,
            weekdays,
        })
    }

    fn wait_until_date(&mut self, inner: &mut Fields<'_>) -> Option<WaitDef> {
        let property = inner
            .take("until_date")
            .and_then(|node| self.reader.text(node, "`until_date`"))
            .map(str::to_owned);
        let offset_ms = self.reader.before_or_after(inner)?;
        Some(WaitDef::Date {
            property: property?,
            offset_ms,
        })
    }

    fn wait_until(
        &mut self,
        inner: &mut Fields<'_>,
        fields: &mut Fields<'_>,
        name: &str,
        nesting: usize,
    ) -> Option<WaitDef> {
        let at_most_ms = self.reader.optional_duration(inner, "at_most");
        let what = self.awaited(inner);
        let else_span = if inner.has("else") {
            inner.key_span("else")
        } else {
            fields.key_span("else")
        };
        // `then` and `else` stand below `wait` or beside it.
        let mut arm = |key: &'static str, at: usize| {
            let (below, beside) = (inner.take(key), fields.take(key));
            let node = self.reader.one_of_two(key, "wait", beside, below);
            node.map_or_else(Vec::new, |node| {
                self.list(node, &format!("{name}.{at}."), nesting + 1)
            })
        };
        let then = arm("then", 0);
        let otherwise = arm("else", 1);
        if !otherwise.is_empty() && !inner.has("at_most") {
            self.reader.step_error(
                else_span,
                "else-without-at-most",
                "without `at_most` the wait never times out, and `else` is never reached",
                "say how long to wait: `at_most: 7d`",
            );
        }
        Some(WaitDef::Until {
            what: what?,
            at_most_ms,
            then,
            otherwise,
        })
    }

    fn awaited(&mut self, inner: &mut Fields<'_>) -> Option<Awaited> {
        if inner.has("for") && inner.has("event") {
            inner.take("for");
            let span = inner.key_span("event");
            self.reader.step_error(
                span,
                "wait-for-what",
                "the wait is for two things",
                "wait for one, then for the other",
            );
        }
        if inner.has("event") {
            let filter = inner.take("where").map(|node| self.reader.filter(node));
            let node = inner.take("event")?;
            let event = self.reader.text(node, "`event`")?.to_owned();
            let filter = match filter {
                Some(filter) => Some(filter?),
                None => None,
            };
            return Some(Awaited::Event { event, filter });
        }
        let node = inner.take("for");
        let Some(node) = node else {
            let span = inner.key_span("for");
            self.reader.step_error(
                span,
                "wait-for-what",
                "the wait does not say for what",
                "write `for: goal` or a condition",
            );
            return None;
        };
        if node.text().is_some_and(|text| text.trim() == "goal") {
            if !self.has_goal {
                self.reader.step_error(
                    node.span,
                    "no-goal",
                    "the program has no goal to wait for",
                    "give it a `goal`, or wait for a condition",
                );
            }
            return Some(Awaited::Goal);
        }
        self.reader
            .condition(node, self.audience, EventScope::None)
            .map(Awaited::Condition)
    }
}
