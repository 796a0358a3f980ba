//! Definitions: what people write in YAML, parsed and checked one by one.
//!
//! `lang` reads them from files; `plan` compiles a whole set. Names refer to each other here;
//! the plan resolves them.

use crate::diagnostic::{Diagnostic, Span};
use crate::expr::Expr;
use crate::health::HealthDef;

/// A source file as given by the user.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SourceFile {
    /// Path as shown in diagnostics.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// Where a definition stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// Index of the file in the set.
    pub file: usize,
    /// The definition's (or the part's) bytes in the file.
    pub span: Span,
}

/// A whole set of definitions.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Definitions {
    /// The files they came from.
    pub files: Vec<SourceFile>,
    /// Segments.
    pub segments: Vec<SegmentDef>,
    /// Signals.
    pub signals: Vec<SignalDef>,
    /// Health.
    pub health: Vec<HealthDef>,
    /// Programs.
    pub programs: Vec<ProgramDef>,
    /// The contact policy; at most one, defaults if none.
    pub policy: PolicyDef,
    /// Tests beside the programs.
    pub tests: Vec<TestDef>,
    /// Names of the e-mail templates that exist (checked by the shell).
    pub templates: Vec<String>,
}

impl Definitions {
    /// An error at a place of these definitions.
    pub fn error_at(
        &self,
        place: &Place,
        code: &'static str,
        message: impl Into<String>,
    ) -> Diagnostic {
        let file = self.files.get(place.file);
        let (path, text) = file.map_or(("", ""), |file| (file.path.as_str(), file.text.as_str()));
        Diagnostic::error(code, path, text, place.span, message)
    }
}

/// Whether a definition is about people or about accounts.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// People.
    #[default]
    Person,
    /// Accounts.
    Account,
}

/// An expression with the text it was written as.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// As written.
    pub text: String,
    /// Checked.
    pub expr: Expr,
    /// Where.
    pub place: Place,
}

/// The subjects for which a condition holds now.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentDef {
    /// Unique name.
    pub name: String,
    /// What it is, in words.
    pub about: String,
    /// People or accounts.
    pub audience: Audience,
    /// The condition.
    pub when: Condition,
    /// Where.
    pub place: Place,
}

/// A named condition whose becoming true is itself an event.
#[derive(Debug, Clone, PartialEq)]
pub struct SignalDef {
    /// Unique name; the event is `signal:NAME`.
    pub name: String,
    /// What it means, in words.
    pub about: String,
    /// People or accounts.
    pub audience: Audience,
    /// How bad.
    pub severity: SignalSeverity,
    /// What it is about; decides the topic on which it is told to other systems.
    pub kind: Option<SignalKind>,
    /// The condition.
    pub when: Condition,
    /// Milliseconds during which it does not fire again; 0 fires each time.
    pub cooldown_ms: i64,
    /// Where.
    pub place: Place,
}

/// How bad a signal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalSeverity {
    /// Good to know.
    #[default]
    Info,
    /// Worth a look.
    Warning,
    /// Worth a call.
    Critical,
}

/// What a signal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalKind {
    /// The health of a customer.
    Health,
    /// Something was reached.
    Milestone,
    /// A chance to expand.
    Opportunity,
}

/// A program: audience or trigger, steps, goal, hold-out.
#[derive(Debug, Clone, PartialEq)]
pub struct ProgramDef {
    /// Unique name; `campaign_id` in the API.
    pub name: String,
    /// What it is for, in words.
    pub about: String,
    /// People or accounts.
    pub audience: Audience,
    /// How a subject enters.
    pub enter: Entry,
    /// Whether and when it may enter again.
    pub again: Reentry,
    /// Property whose value keys the enrollment (this cart, this ticket); entry by event only.
    pub key: Option<String>,
    /// A subject enters only if this holds at that moment.
    pub only_if: Option<Condition>,
    /// Success; ends the enrollment when it holds.
    pub goal: Option<GoalDef>,
    /// Ends the enrollment when it holds.
    pub exit: Option<Condition>,
    /// Fraction left alone, 0 to 1.
    pub holdout: f64,
    /// Topic its messages belong to.
    pub topic: Option<String>,
    /// Higher goes first when two programs want the same slot.
    pub priority: i32,
    /// What to do when it cannot be known whether a message went out.
    pub delivery: Delivery,
    /// The steps.
    pub steps: Vec<StepDef>,
    /// Where.
    pub place: Place,
}

impl ProgramDef {
    /// Names of all steps, nested ones too.
    pub fn step_names(&self) -> Vec<&str> {
        let steps = self.all_steps().into_iter();
        steps.map(|step| step.name.as_str()).collect()
    }

    /// All steps, nested ones too, each before those inside it.
    pub fn all_steps(&self) -> Vec<&StepDef> {
        let mut found = Vec::new();
        gather(&self.steps, &mut found);
        found
    }
}

fn gather<'a>(steps: &'a [StepDef], found: &mut Vec<&'a StepDef>) {
    for step in steps {
        found.push(step);
        match &step.kind {
            StepKind::Branch(arms) => {
                for (_, steps) in arms {
                    gather(steps, found);
                }
            }
            StepKind::Split(arms) => {
                for arm in arms {
                    gather(&arm.steps, found);
                }
            }
            StepKind::Wait(WaitDef::Until {
                then, otherwise, ..
            }) => {
                gather(then, found);
                gather(otherwise, found);
            }
            _ => {}
        }
    }
}

/// What to do when it cannot be known whether a message went out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// Park it as unknown; never repeat blindly.
    #[default]
    AtMostOnce,
    /// Send it again (transactional topics only).
    AtLeastOnce,
}

/// How a subject enters a program.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// When a condition becomes true.
    When {
        /// The condition.
        condition: Condition,
        /// Whether subjects for which it already holds at publication enter too.
        existing: bool,
    },
    /// When an event happens.
    Event {
        /// Its name.
        event: String,
        /// Only if its properties satisfy this.
        filter: Option<Condition>,
    },
    /// When it enters a segment.
    Segment {
        /// The segment.
        segment: String,
        /// Whether present members enter too at publication.
        existing: bool,
    },
    /// When a signal fires.
    Signal(String),
    /// On a schedule (cron of five fields, workspace zone), every subject for which `only_if` holds.
    Schedule(String),
    /// At a date trait plus an offset in milliseconds (negative: before).
    Date {
        /// The trait holding the date.
        property: String,
        /// Offset in milliseconds.
        offset_ms: i64,
    },
    /// Only by API or by hand.
    Api,
    /// All members of a segment at the moment of sending.
    Broadcast(String),
}

/// Whether a subject may enter again. It never enters while it is inside with the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reentry {
    /// Once ever.
    Never,
    /// Whenever it is not inside.
    Always,
    /// So many milliseconds after it last entered.
    After(i64),
}

/// Success of a program.
#[derive(Debug, Clone, PartialEq)]
pub struct GoalDef {
    /// The condition.
    pub when: Condition,
    /// Counted only within so many milliseconds of entry; `None` is without limit.
    pub within_ms: Option<i64>,
}

/// A step as written.
#[derive(Debug, Clone, PartialEq)]
pub struct StepDef {
    /// Its `id:`, or a name derived from its kind and place (`send-1`, `branch-2.0.task-1`);
    /// unique in the program, and what a migration matches by.
    pub name: String,
    /// Skipped (with a decision) unless this holds.
    pub only_if: Option<Condition>,
    /// What it does.
    pub kind: StepKind,
    /// Where.
    pub place: Place,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub enum StepKind {
    /// Sends a message.
    Send(SendDef),
    /// Creates a task.
    Task(TaskDef),
    /// Waits.
    Wait(WaitDef),
    /// Takes the first arm whose condition holds; an arm without a condition always does.
    Branch(Vec<(Option<Condition>, Vec<StepDef>)>),
    /// Takes an arm by stable hash; weights are relative.
    Split(Vec<SplitArm>),
    /// Posts to a URL.
    Webhook {
        /// Where to; a template.
        url: String,
        /// JSON body; a template.
        body: Option<String>,
    },
    /// Sets traits on the subject.
    Set(Vec<(String, Option<crate::value::Value>)>),
    /// Emits an event of the subject.
    Emit(String),
    /// Enters the subject into another program.
    Enroll(String),
    /// Leaves the program.
    Exit(String),
}

/// A message to send.
#[derive(Debug, Clone, PartialEq)]
pub struct SendDef {
    /// Channel, such as `email`.
    pub channel: String,
    /// Who gets it; see [`Recipient`].
    pub to: Recipient,
    /// Template name; may contain Liquid (`tips-for-{{ account.industry }}`).
    pub template: String,
    /// Overrides the program's topic.
    pub topic: Option<String>,
    /// Overrides the template's subject line.
    pub subject: Option<String>,
}

/// To whom a step of a program goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// The person the enrollment is about.
    Subject,
    /// People of the account whose `role` trait is this, or who are named (by user id or e-mail
    /// address) in the account trait of this name.
    Role(String),
    /// Everybody of the account.
    Everyone,
    /// A channel of the team, such as `#customer-success`: no customer, so no policy stands before it.
    Channel(String),
}

/// A task to create.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskDef {
    /// Its kind, such as `call`.
    pub name: String,
    /// Account trait holding the owner (`owner`, `executive_sponsor`), or a literal name.
    pub to: String,
    /// Title; a Liquid template.
    pub title: String,
    /// Due so many milliseconds after creation.
    pub due_ms: Option<i64>,
}

/// What a wait waits for.
#[derive(Debug, Clone, PartialEq)]
pub enum WaitDef {
    /// So many milliseconds.
    For(i64),
    /// Until a local time (minutes after midnight in the subject's zone), on one of the weekdays
    /// (1 = Monday … 7 = Sunday; empty is any day).
    LocalTime {
        /// Minutes after midnight.
        minutes: u16,
        /// Weekdays, ISO numbers.
        weekdays: Vec<i8>,
    },
    /// Until a date trait plus an offset in milliseconds.
    Date {
        /// The trait.
        property: String,
        /// Offset in milliseconds (negative: before).
        offset_ms: i64,
    },
    /// Until a condition holds, the goal is reached or an event happens, at most so long.
    Until {
        /// For what.
        what: Awaited,
        /// At most so many milliseconds.
        at_most_ms: Option<i64>,
        /// Steps if it happened.
        then: Vec<StepDef>,
        /// Steps if it timed out.
        otherwise: Vec<StepDef>,
    },
}

/// What a wait with a timeout waits for.
#[derive(Debug, Clone, PartialEq)]
pub enum Awaited {
    /// A condition.
    Condition(Condition),
    /// The program's goal (reaching it also ends the enrollment).
    Goal,
    /// An event; with a keyed enrollment the key property must match too.
    Event {
        /// Its name.
        event: String,
        /// Only if its properties satisfy this.
        filter: Option<Condition>,
    },
}

/// An arm of a split.
#[derive(Debug, Clone, PartialEq)]
pub struct SplitArm {
    /// Its name (`a`, `b`, …).
    pub name: String,
    /// Relative weight, positive.
    pub weight: f64,
    /// Its steps.
    pub steps: Vec<StepDef>,
}

/// The contact policy.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyDef {
    /// Zone of subjects without one, and of schedules.
    pub timezone: String,
    /// Sender of e-mails without their own `from`.
    pub from: Option<String>,
    /// Topics people can choose.
    pub topics: Vec<TopicDef>,
    /// Contact limits over all programs.
    pub caps: Vec<CapDef>,
    /// When marketing messages rest.
    pub quiet_hours: Option<QuietHoursDef>,
    /// Fraction of subjects kept out of every program (transactional excepted), 0 to 1.
    pub holdout: f64,
    /// Where.
    pub place: Place,
}

impl Default for PolicyDef {
    fn default() -> Self {
        Self {
            timezone: "UTC".into(),
            from: None,
            topics: Vec::new(),
            caps: Vec::new(),
            quiet_hours: None,
            holdout: 0.0,
            place: Place::default(),
        }
    }
}

/// A topic people can choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDef {
    /// Unique name.
    pub name: String,
    /// As shown on the preference page.
    pub title: String,
    /// Transactional messages need no consent, have no cap, quiet hours or hold-out.
    pub transactional: bool,
    /// Whether a person who never chose gets it.
    pub subscribed_by_default: bool,
}

/// At most so many messages in a sliding window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapDef {
    /// Per person or per account.
    pub per: Audience,
    /// Only this channel; `None` is all.
    pub channel: Option<String>,
    /// At most so many.
    pub at_most: u32,
    /// Within so many milliseconds.
    pub within_ms: i64,
}

/// When marketing messages rest, in the person's zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuietHoursDef {
    /// From this minute after midnight.
    pub from_minutes: u16,
    /// Until this minute; at or before `from` means the next day.
    pub until_minutes: u16,
    /// Days (ISO numbers) that are quiet as a whole.
    pub days: Vec<i8>,
}

/// A program test with time travel.
#[derive(Debug, Clone, PartialEq)]
pub struct TestDef {
    /// What it shows, as a sentence.
    pub name: String,
    /// Program under test; `None` if only one program is in the same file.
    pub program: Option<String>,
    /// Traits of the account before the start.
    pub account: Vec<(String, crate::value::Value)>,
    /// Traits of the person before the start.
    pub person: Option<Vec<(String, crate::value::Value)>>,
    /// Instant of `0d`; 2026-01-05T09:00:00Z (a Monday) if not given.
    pub start: Option<crate::time::Timestamp>,
    /// What happens and what is expected, in order of time.
    pub moments: Vec<Moment>,
    /// Where.
    pub place: Place,
}

/// One line of a test.
#[derive(Debug, Clone, PartialEq)]
pub struct Moment {
    /// Milliseconds after the start.
    pub at_ms: i64,
    /// What happens or is expected.
    pub what: MomentKind,
    /// Where.
    pub place: Place,
}

/// What happens, or what is expected, at a moment of a test.
#[derive(Debug, Clone, PartialEq)]
pub enum MomentKind {
    /// An event (of the person if there is one, else of the account), so many times.
    Event {
        /// Its name.
        event: String,
        /// Its properties, as JSON text.
        properties: String,
        /// How often.
        times: u32,
    },
    /// Traits change on the account (or the person).
    Set {
        /// Whose.
        audience: Audience,
        /// Changes.
        traits: Vec<(String, Option<crate::value::Value>)>,
    },
    /// The subject has entered by now.
    ExpectEntered,
    /// The subject has not entered by now.
    ExpectNotEntered,
    /// The enrollment has ended by now, for this reason (`goal`, `exit`, `completed`, or an exit
    /// step's reason).
    ExpectExited(String),
    /// A task of this kind was created by now (and since the last expectation of it).
    ExpectTask {
        /// Kind.
        task: String,
        /// Owner.
        to: Option<String>,
    },
    /// A message of this template was decided by now.
    ExpectMessage {
        /// Template.
        template: String,
    },
    /// A step was decided with this outcome (`capped`, `quiet_hours`, `no_consent`, …) by now.
    ExpectDecision {
        /// Outcome in its written form.
        outcome: String,
    },
    /// Nothing at all was sent by now.
    ExpectNothingSent,
}
