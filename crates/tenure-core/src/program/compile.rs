//! From a written program to a flat graph of named steps.
//!
//! Nested steps are laid out one after another; each step knows which comes next, arms and waits
//! know where they continue, and all of them meet again at the step after. The graph has no
//! cycle: a step only ever points to a later one.

use std::collections::BTreeSet;

use super::{MAX_STEPS, render, schedule::Schedule};
use crate::define::{
    Audience, Awaited, Condition, Definitions, Delivery, Entry, Place, ProgramDef, Recipient,
    Reentry, SendDef, SplitArm, StepDef, StepKind, TaskDef, WaitDef,
};
use crate::diagnostic::Diagnostic;
use crate::expr::Expr;
use crate::log::PlanVersion;
use crate::plan::{ConditionIndex, ConditionSet};
use crate::value::Value;

/// Place of a step in [`Program::steps`].
pub type StepIndex = usize;

/// A compiled version of a program.
#[derive(Debug, Clone, PartialEq)]
pub struct Program {
    /// Its name.
    pub name: Box<str>,
    /// The plan in which this version was published.
    pub version: PlanVersion,
    /// Whether subjects still enter it; older versions only let their enrollments finish.
    pub current: bool,
    /// People or accounts.
    pub audience: Audience,
    /// How a subject enters.
    pub entry: ProgramEntry,
    /// Whether it may enter again.
    pub again: Reentry,
    /// Property that keys the enrollment.
    pub key: Option<Box<str>>,
    /// A subject enters only if this holds.
    pub only_if: Option<Check>,
    /// Success.
    pub goal: Option<Goal>,
    /// Ends the enrollment.
    pub exit: Option<Watch>,
    /// Fraction left alone.
    pub holdout: f64,
    /// Topic of its messages.
    pub topic: Option<Box<str>>,
    /// Higher goes first.
    pub priority: i32,
    /// What to do when an outcome cannot be known.
    pub delivery: Delivery,
    /// All steps, flat.
    pub steps: Vec<Step>,
    /// The first step; `None` in a program that only measures.
    pub first: Option<StepIndex>,
}

impl Program {
    /// The step of that name.
    pub fn step(&self, name: &str) -> Option<(StepIndex, &Step)> {
        let found = self.steps.iter().enumerate();
        found
            .into_iter()
            .find(|(_, step)| step.name.as_ref() == name)
    }

    /// Names of the events whose properties this version reads.
    pub fn events(&self) -> impl Iterator<Item = &str> {
        let entry = match &self.entry {
            ProgramEntry::Event { event, .. } if self.current => Some(event.as_ref()),
            _ => None,
        };
        let waits = self.steps.iter().filter_map(|step| match &step.action {
            Action::Wait(Wait::Until {
                what: Awaiting::Event { event, .. },
                ..
            }) => Some(event.as_ref()),
            _ => None,
        });
        entry.into_iter().chain(waits)
    }
}

/// A condition asked at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// As written, for reasons.
    pub text: Box<str>,
    /// The expression.
    pub expr: Expr,
}

/// A condition that is watched.
#[derive(Debug, Clone, PartialEq)]
pub struct Watch {
    /// Its place among the tracked conditions.
    pub index: ConditionIndex,
    /// The same, to be asked at one moment.
    pub check: Check,
}

/// Success of a program.
#[derive(Debug, Clone, PartialEq)]
pub struct Goal {
    /// The condition.
    pub watch: Watch,
    /// Counted only so many milliseconds after entry.
    pub within_ms: Option<i64>,
}

/// How a subject enters, compiled.
#[derive(Debug, Clone, PartialEq)]
pub enum ProgramEntry {
    /// When a condition becomes true.
    When {
        /// The condition.
        index: ConditionIndex,
        /// As written.
        text: Box<str>,
        /// Also those for which it already holds at publication.
        existing: bool,
    },
    /// When an event happens.
    Event {
        /// Its name.
        event: Box<str>,
        /// Only if its properties satisfy this.
        filter: Option<Check>,
    },
    /// When it enters a segment.
    Segment {
        /// The segment.
        segment: Box<str>,
        /// Also present members at publication.
        existing: bool,
    },
    /// When a signal fires.
    Signal(Box<str>),
    /// On a schedule.
    Schedule {
        /// When.
        schedule: Schedule,
        /// The program's `if` among the tracked conditions: only for whom it holds the time is
        /// worth a wake-up.
        only_if: Option<ConditionIndex>,
    },
    /// At a date trait plus an offset in milliseconds.
    Date {
        /// The trait.
        property: Box<str>,
        /// Milliseconds.
        offset_ms: i64,
    },
    /// Only by API or by hand.
    Api,
    /// Members of a segment, when it is sent.
    Broadcast(Box<str>),
    /// An older version: nobody enters.
    Closed,
}

/// A step.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its name, unique in the program.
    pub name: Box<str>,
    /// Skipped unless this holds.
    pub only_if: Option<Check>,
    /// What it does.
    pub action: Action,
    /// The step after it (after its arms too).
    pub next: Option<StepIndex>,
}

/// What a step does, compiled.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Sends a message.
    Send(SendDef),
    /// Creates a task.
    Task(TaskDef),
    /// Waits.
    Wait(Wait),
    /// Takes the first arm that holds; without one, goes on.
    Branch(Vec<BranchArm>),
    /// Takes an arm by stable hash.
    Split(Vec<Arm>),
    /// Posts to a URL.
    Webhook {
        /// Where to.
        url: Box<str>,
        /// What.
        body: Option<Box<str>>,
    },
    /// Sets traits.
    Set(Vec<(Box<str>, Option<Value>)>),
    /// Emits an event.
    Emit(Box<str>),
    /// Enters another program.
    Enroll(Box<str>),
    /// Leaves.
    Exit(Box<str>),
}

/// An arm of a branch.
#[derive(Debug, Clone, PartialEq)]
pub struct BranchArm {
    /// Its condition; `None` always holds.
    pub when: Option<Check>,
    /// Where it leads.
    pub first: Option<StepIndex>,
}

/// An arm of a split.
#[derive(Debug, Clone, PartialEq)]
pub struct Arm {
    /// Its name.
    pub name: Box<str>,
    /// Upper bound of its share: subjects whose fraction is below take it (or an earlier one).
    pub below: f64,
    /// Where it leads.
    pub first: Option<StepIndex>,
}

/// What a wait waits for, compiled.
#[derive(Debug, Clone, PartialEq)]
pub enum Wait {
    /// So many milliseconds.
    For(i64),
    /// Until a local time on one of the weekdays.
    LocalTime {
        /// Minutes after midnight.
        minutes: u16,
        /// ISO numbers; empty is any day.
        weekdays: Vec<i8>,
    },
    /// Until a date trait plus an offset in milliseconds.
    Date {
        /// The trait.
        property: Box<str>,
        /// Milliseconds.
        offset_ms: i64,
    },
    /// Until something happens, at most so long.
    Until {
        /// What.
        what: Awaiting,
        /// At most so many milliseconds.
        at_most_ms: Option<i64>,
        /// Where it continues if it happened.
        then: Option<StepIndex>,
        /// Where it continues if it did not.
        otherwise: Option<StepIndex>,
    },
}

/// What a wait with a timeout waits for, compiled.
#[derive(Debug, Clone, PartialEq)]
pub enum Awaiting {
    /// A condition.
    Condition(Watch),
    /// The goal.
    Goal,
    /// An event.
    Event {
        /// Its name.
        event: Box<str>,
        /// Only if its properties satisfy this.
        filter: Option<Check>,
    },
}

/// Compiles one version of a program. Every problem is reported; what is wrong is left out of the
/// result, which must not be used then.
pub fn compile(
    def: &ProgramDef,
    version: PlanVersion,
    current: bool,
    definitions: &Definitions,
    conditions: &mut ConditionSet,
    diagnostics: &mut Vec<Diagnostic>,
) -> Program {
    let mut compiler = Compiler {
        def,
        definitions,
        conditions,
        diagnostics,
        current,
        steps: Vec::new(),
    };
    compiler.check_program();
    let entry = compiler.entry();
    let first = compiler.lay_out(&def.steps, None);
    compiler.check_steps();
    let steps = std::mem::take(&mut compiler.steps);
    Program {
        name: def.name.as_str().into(),
        version,
        current,
        audience: def.audience,
        entry,
        again: def.again,
        key: def.key.as_deref().map(Into::into),
        only_if: def.only_if.as_ref().map(|only_if| compiler.ask(only_if)),
        goal: def.goal.as_ref().map(|goal| Goal {
            watch: compiler.watch(&goal.when, false),
            within_ms: goal.within_ms,
        }),
        exit: def.exit.as_ref().map(|exit| compiler.watch(exit, false)),
        holdout: def.holdout,
        topic: def.topic.as_deref().map(Into::into),
        priority: def.priority,
        delivery: def.delivery,
        steps,
        first,
    }
}

struct Compiler<'a> {
    def: &'a ProgramDef,
    definitions: &'a Definitions,
    conditions: &'a mut ConditionSet,
    diagnostics: &'a mut Vec<Diagnostic>,
    current: bool,
    steps: Vec<Step>,
}

fn check_of(condition: &Condition) -> Check {
    Check {
        text: condition.text.as_str().into(),
        expr: condition.expr.clone(),
    }
}

impl Compiler<'_> {
    /// Reports a problem. Older versions were checked when they were current: names they use may
    /// be gone since, which must not keep a new plan from being published.
    fn report(&mut self, place: &Place, code: &'static str, message: String, help: &str) {
        if self.current {
            let error = self.definitions.error_at(place, code, message);
            self.diagnostics.push(error.help(help));
        }
    }

    fn ask(&mut self, condition: &Condition) -> Check {
        self.conditions.prepare(self.def.audience, condition);
        check_of(condition)
    }

    fn watch(&mut self, condition: &Condition, always: bool) -> Watch {
        let program = (!always).then(|| self.conditions.program());
        Watch {
            index: self
                .conditions
                .track(self.def.audience, condition, always, program),
            check: check_of(condition),
        }
    }

    fn entry(&mut self) -> ProgramEntry {
        if !self.current {
            return ProgramEntry::Closed;
        }
        match &self.def.enter {
            Entry::When {
                condition,
                existing,
            } => {
                let watch = self.watch(condition, true);
                ProgramEntry::When {
                    index: watch.index,
                    text: watch.check.text,
                    existing: *existing,
                }
            }
            Entry::Event { event, filter } => ProgramEntry::Event {
                event: event.as_str().into(),
                filter: filter.as_ref().map(|filter| self.ask(filter)),
            },
            Entry::Segment { segment, existing } => ProgramEntry::Segment {
                segment: self.segment(segment),
                existing: *existing,
            },
            Entry::Signal(signal) => ProgramEntry::Signal(self.signal(signal)),
            Entry::Schedule(cron) => self.schedule(cron),
            Entry::Date {
                property,
                offset_ms,
            } => ProgramEntry::Date {
                property: property.as_str().into(),
                offset_ms: *offset_ms,
            },
            Entry::Api => ProgramEntry::Api,
            Entry::Broadcast(segment) => ProgramEntry::Broadcast(self.segment(segment)),
        }
    }

    fn schedule(&mut self, cron: &str) -> ProgramEntry {
        match Schedule::parse(cron) {
            Ok(schedule) => {
                let def = self.def;
                let only_if = def.only_if.as_ref();
                let only_if = only_if.map(|only_if| self.watch(only_if, true).index);
                ProgramEntry::Schedule { schedule, only_if }
            }
            Err(why) => {
                let place = self.def.place.clone();
                let help = "write minute, hour, day of month, month, day of week: `0 9 * * mon`";
                self.report(&place, "invalid-schedule", why, help);
                ProgramEntry::Closed
            }
        }
    }

    fn segment(&mut self, name: &str) -> Box<str> {
        let known = self.definitions.segments.iter().find(|s| s.name == name);
        self.check_name("segment", name, known.map(|known| known.audience));
        name.into()
    }

    fn signal(&mut self, name: &str) -> Box<str> {
        let known = self.definitions.signals.iter().find(|s| s.name == name);
        self.check_name("signal", name, known.map(|known| known.audience));
        name.into()
    }

    fn check_name(&mut self, kind: &str, name: &str, audience: Option<Audience>) {
        let place = self.def.place.clone();
        match audience {
            None => {
                let message = format!("there is no {kind} `{name}`");
                self.report(
                    &place,
                    "unknown-name",
                    message,
                    "define it or correct the name",
                );
            }
            Some(audience) if audience != self.def.audience => {
                let message = format!("the {kind} `{name}` is not about the program's audience");
                let help = "a program and what starts it must both be about people or accounts";
                self.report(&place, "audience-mismatch", message, help);
            }
            Some(_) => {}
        }
    }

    /// Lays out a list of steps that is followed by `after`; gives the index of its first step.
    /// A step is placed before what it contains, so that indexes rise along every path.
    fn lay_out(&mut self, defs: &[StepDef], after: Option<StepIndex>) -> Option<StepIndex> {
        let mut next = after;
        for def in defs.iter().rev() {
            next = Some(self.lay_out_step(def, next));
        }
        next
    }

    fn lay_out_step(&mut self, def: &StepDef, next: Option<StepIndex>) -> StepIndex {
        let only_if = def.only_if.as_ref().map(|only_if| self.ask(only_if));
        let action = self.action(def, next);
        self.steps.push(Step {
            name: def.name.as_str().into(),
            only_if,
            action,
            next,
        });
        self.steps.len() - 1
    }

    fn action(&mut self, def: &StepDef, next: Option<StepIndex>) -> Action {
        match &def.kind {
            StepKind::Send(send) => {
                self.check_send(def, send);
                Action::Send(send.clone())
            }
            StepKind::Task(task) => {
                self.check_template(&def.place, &task.title);
                Action::Task(task.clone())
            }
            StepKind::Wait(wait) => Action::Wait(self.wait(def, wait, next)),
            StepKind::Branch(arms) => Action::Branch(self.branch(arms, next)),
            StepKind::Split(arms) => Action::Split(self.split(def, arms, next)),
            StepKind::Webhook { url, body } => {
                self.check_template(&def.place, url);
                Action::Webhook {
                    url: url.as_str().into(),
                    body: body.as_deref().map(Into::into),
                }
            }
            StepKind::Set(changes) => Action::Set(
                changes
                    .iter()
                    .map(|(name, value)| (name.as_str().into(), value.clone()))
                    .collect(),
            ),
            StepKind::Emit(event) => Action::Emit(event.as_str().into()),
            StepKind::Enroll(program) => {
                self.check_enroll(def, program);
                Action::Enroll(program.as_str().into())
            }
            StepKind::Exit(reason) => Action::Exit(reason.as_str().into()),
        }
    }

    fn wait(&mut self, def: &StepDef, wait: &WaitDef, next: Option<StepIndex>) -> Wait {
        match wait {
            WaitDef::For(ms) => Wait::For(*ms),
            WaitDef::LocalTime { minutes, weekdays } => Wait::LocalTime {
                minutes: *minutes,
                weekdays: weekdays.clone(),
            },
            WaitDef::Date {
                property,
                offset_ms,
            } => Wait::Date {
                property: property.as_str().into(),
                offset_ms: *offset_ms,
            },
            WaitDef::Until {
                what,
                at_most_ms,
                then,
                otherwise,
            } => Wait::Until {
                what: self.awaiting(def, what),
                at_most_ms: *at_most_ms,
                then: self.lay_out(then, next),
                otherwise: self.lay_out(otherwise, next),
            },
        }
    }

    fn awaiting(&mut self, def: &StepDef, what: &Awaited) -> Awaiting {
        match what {
            Awaited::Condition(condition) => Awaiting::Condition(self.watch(condition, false)),
            Awaited::Goal => {
                if self.def.goal.is_none() {
                    let message = format!("`{}` waits for a goal, but there is none", def.name);
                    self.report(&def.place, "no-goal", message, "add `goal:` to the program");
                }
                Awaiting::Goal
            }
            Awaited::Event { event, filter } => Awaiting::Event {
                event: event.as_str().into(),
                filter: filter.as_ref().map(|filter| self.ask(filter)),
            },
        }
    }

    fn branch(
        &mut self,
        arms: &[(Option<Condition>, Vec<StepDef>)],
        next: Option<StepIndex>,
    ) -> Vec<BranchArm> {
        arms.iter()
            .map(|(when, steps)| BranchArm {
                when: when.as_ref().map(|when| self.ask(when)),
                first: self.lay_out(steps, next),
            })
            .collect()
    }

    fn split(&mut self, def: &StepDef, arms: &[SplitArm], next: Option<StepIndex>) -> Vec<Arm> {
        let total: f64 = arms.iter().map(|arm| arm.weight).sum();
        if arms.is_empty() || arms.iter().any(|arm| arm.weight <= 0.0) || !total.is_finite() {
            let message = format!(
                "the weights of the split `{}` are not all positive",
                def.name
            );
            self.report(
                &def.place,
                "invalid-split",
                message,
                "give every arm a weight above 0",
            );
        }
        let mut below = 0.0;
        arms.iter()
            .map(|arm| {
                below += arm.weight / total;
                Arm {
                    name: arm.name.as_str().into(),
                    below,
                    first: self.lay_out(&arm.steps, next),
                }
            })
            .collect()
    }

    fn check_program(&mut self) {
        let place = self.def.place.clone();
        if !(0.0..1.0).contains(&self.def.holdout) {
            let message = format!("a hold-out of {} leaves nobody to treat", self.def.holdout);
            let help = "use a fraction of at least 0% and below 100%";
            self.report(&place, "holdout-out-of-range", message, help);
        }
        if self.def.key.is_some() && !matches!(self.def.enter, Entry::Event { .. } | Entry::Api) {
            let message = "`key` needs an entry by event or by API, which carry properties".into();
            self.report(
                &place,
                "key-without-event",
                message,
                "enter by an event, or drop `key`",
            );
        }
        if let Some(topic) = self.def.topic.clone() {
            self.check_topic(&place, &topic);
        }
        let transactional = self.is_transactional(self.def.topic.as_deref());
        if self.def.delivery == Delivery::AtLeastOnce && !transactional {
            let message = "only a transactional topic may be delivered at least once".into();
            let help = "drop `delivery`, or use a topic marked `transactional`";
            self.report(&place, "delivery-needs-transactional", message, help);
        }
    }

    fn check_steps(&mut self) {
        let place = self.def.place.clone();
        if self.steps.len() > MAX_STEPS {
            let message = format!("{} steps are more than {MAX_STEPS}", self.steps.len());
            self.report(
                &place,
                "too-many-steps",
                message,
                "split the program in two",
            );
        }
        let mut seen = BTreeSet::new();
        let names: Vec<_> = self.steps.iter().map(|step| step.name.clone()).collect();
        for name in names {
            if !seen.insert(name.clone()) {
                let message = format!("two steps are called `{name}`");
                self.report(
                    &place,
                    "duplicate-step",
                    message,
                    "give each step its own `id`",
                );
            }
        }
    }

    fn check_send(&mut self, def: &StepDef, send: &SendDef) {
        if self.def.audience == Audience::Account && send.to == Recipient::Subject {
            let message = format!("`{}` does not say who at the account gets it", def.name);
            let help = "add `to:` with a role, an account trait, or `everyone`";
            self.report(&def.place, "no-recipient", message, help);
        }
        if let Some(topic) = &send.topic {
            self.check_topic(&def.place, topic);
        }
        self.check_template(&def.place, &send.template);
    }

    fn check_topic(&mut self, place: &Place, topic: &str) {
        let topics = &self.definitions.policy.topics;
        if topics.iter().all(|known| known.name != topic) {
            let message = format!("there is no topic `{topic}`");
            self.report(
                place,
                "unknown-topic",
                message,
                "add it to the policy's topics",
            );
        }
    }

    fn check_enroll(&mut self, def: &StepDef, program: &str) {
        let known = self.definitions.programs.iter().find(|p| p.name == program);
        let audience = known.map(|known| known.audience);
        if audience != Some(self.def.audience) {
            let message = match audience {
                None => format!("there is no program `{program}`"),
                Some(_) => format!("the program `{program}` has another audience"),
            };
            let help = "name a program that is about the same kind of subject";
            self.report(&def.place, "unknown-program", message, help);
        }
    }

    fn check_template(&mut self, place: &Place, template: &str) {
        if let Err(why) = render::check(template) {
            let help = "use `{{ path }}`, with the filters percent, round and default";
            self.report(place, "invalid-template", why, help);
        }
    }

    fn is_transactional(&self, topic: Option<&str>) -> bool {
        let mut topics = self.definitions.policy.topics.iter();
        topics.any(|known| Some(known.name.as_str()) == topic && known.transactional)
    }
}
