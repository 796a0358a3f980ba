//! A batch: everything one commit writes, as plain data.

use tenure_core::decision::Decision;
use tenure_core::effect::{
    EnrollmentChange, HealthRecord, MembershipChange, MessageIntent, TaskIntent,
};
use tenure_core::id::{EventId, MessageId, PersonId, RootId, SubjectId, TaskId};
use tenure_core::log::Position;
use tenure_core::time::Timestamp;

use crate::audit::AuditRow;
use crate::row;

/// Everything one commit writes. Empty parts cost nothing. Parts are applied in the order of the
/// fields, so a message may be decided and dispatched in one batch. Updates of what is not there
/// do nothing.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Settings to set.
    pub settings: Vec<(Box<str>, Vec<u8>)>,

    /// Log entries to append; `first` must be the log's end plus one.
    pub chunk: Option<row::Chunk>,
    /// Event ids of the chunk, to recognise repeats; they count as received when the chunk was
    /// (without a chunk they are refused).
    pub seen: Vec<EventId>,
    /// Identity keys bound to a person from now on.
    pub identities: Vec<(u128, PersonId)>,
    /// Persons whose account or merge changed.
    pub persons: Vec<(PersonId, row::Person)>,

    /// Up to where the engine's output is committed with this batch.
    pub applied: Option<row::Mark>,
    /// Messages to send; those that exist are left as they are.
    pub messages: Vec<MessageIntent>,
    /// Tasks; those that exist are left as they are.
    pub tasks: Vec<TaskIntent>,
    /// Decisions; those that exist (same instant and id: a replay) are left as they are.
    pub decisions: Vec<Decision>,
    /// Changes of membership, in order; the last of a subject wins.
    pub memberships: Vec<MembershipChange>,
    /// Changes of enrollments, in order; the last of an enrollment wins.
    pub enrollments: Vec<EnrollmentChange>,
    /// Health of subjects, in order; the last of a subject, instant and kind counts.
    pub health: Vec<HealthRecord>,
    /// Log entries that could not be processed.
    pub dead_letters: Vec<row::DeadLetter>,

    /// States to take out now, each only while it is kept under that root; of persons who are
    /// erased.
    pub states_erased: Vec<(SubjectId, RootId)>,

    /// States, brought up to one place of the log.
    pub checkpoint: Option<Checkpoint>,

    /// What dispatch did to messages.
    pub dispatched: Vec<MessageUpdate>,
    /// Keys of addresses and choices to suppress, or to free (`None`), in order.
    pub suppressions: Vec<(u128, Option<row::Refusal>)>,
    /// What humans did to tasks.
    pub task_updates: Vec<TaskUpdate>,

    /// A set of definitions to keep; left as it is if that version is there.
    pub plan: Option<row::PlanRow>,
    /// Dead letters to take out, by id.
    pub dead_letters_removed: Vec<u64>,

    /// Records to put, each in the place of the one with its collection and key.
    pub records: Vec<row::Record>,
    /// Records to take out, as `(collection, key)`.
    pub records_removed: Vec<(Box<str>, Box<str>)>,
    /// Records to take out because they are older, as `(collection, those before)`.
    pub records_expired: Vec<(Box<str>, Timestamp)>,

    /// Chunks of the log, each in the place of the one with its first position and count.
    pub chunks_redacted: Vec<row::Chunk>,
    /// What to forget of persons.
    pub erased: Vec<Erased>,

    /// Entries of the audit trail; their numbers must follow the last.
    pub audit: Vec<AuditRow>,
}

/// States of subjects that changed since the last checkpoint, and the place they stand at.
#[derive(Debug, Clone, Default)]
pub struct Checkpoint {
    /// The place all stored states (these and the unchanged ones) stand at.
    pub mark: row::Mark,
    /// Changed states; a subject that was kept under another root is there no more.
    pub states: Vec<row::State>,
    /// Subjects that are no more (merged into another); their timelines stay.
    pub removed: Vec<SubjectId>,
    /// Log positions about subjects, ascending, to append to their timelines.
    pub timelines: Vec<(SubjectId, Vec<Position>)>,
    /// Timelines that continue under another subject (a merge), in order, as `(from, into)`:
    /// `into` gets the positions of both, `from` has none any more. Done after the appends.
    pub timelines_joined: Vec<(SubjectId, SubjectId)>,
}

/// A person of whom nothing is to be left besides the log and the state: names, row, messages,
/// tasks, memberships, enrollments, health, choices and timeline. Of decisions is left that they
/// were taken ([`Decision::redacted`]), of suppressed addresses that they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erased {
    /// Who.
    pub person: PersonId,
    /// What is of a later instant stays: the person came back.
    pub until: Timestamp,
    /// Positions of the timeline after this one stay.
    pub until_position: Position,
}

/// What dispatch did to a message.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageUpdate {
    /// Which.
    pub id: MessageId,
    /// Its state from now on.
    pub state: row::MessageState,
    /// When.
    pub at: Timestamp,
    /// Why, or the provider's answer; never an address.
    pub reason: Option<Box<str>>,
    /// When it is due again (only for [`row::MessageState::Pending`]).
    pub due_at: Option<Timestamp>,
    /// Attempts so far.
    pub attempt_count: u32,
    /// Forget the recipient's address and the template data (it is final).
    pub forget: bool,
    /// Key of the address that an attempt goes to; `None` leaves what is known.
    pub sent_to: Option<u128>,
}

/// A task changed by a human: how it stands from now on.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskUpdate {
    /// Which.
    pub id: TaskId,
    /// Whose it is.
    pub owner: Option<Box<str>>,
    /// When it is due.
    pub due_at: Option<Timestamp>,
    /// It rests until then.
    pub snoozed_until: Option<Timestamp>,
    /// When it was completed, or `None` to reopen it.
    pub completed_at: Option<Timestamp>,
    /// What came of it.
    pub outcome: Option<Box<str>>,
}

impl Batch {
    /// Adds another batch's writes after this one's, so that both go into one commit. The chunk
    /// stays this batch's; a later mark, plan or checkpoint wins over an earlier one.
    pub fn absorb(&mut self, mut later: Self) {
        self.settings.append(&mut later.settings);
        self.seen.append(&mut later.seen);
        self.identities.append(&mut later.identities);
        self.persons.append(&mut later.persons);
        self.applied = later.applied.or(self.applied);
        self.messages.append(&mut later.messages);
        self.tasks.append(&mut later.tasks);
        self.decisions.append(&mut later.decisions);
        self.memberships.append(&mut later.memberships);
        self.enrollments.append(&mut later.enrollments);
        self.health.append(&mut later.health);
        self.dead_letters.append(&mut later.dead_letters);
        self.dispatched.append(&mut later.dispatched);
        self.suppressions.append(&mut later.suppressions);
        self.task_updates.append(&mut later.task_updates);
        self.plan = later.plan.or(self.plan.take());
        self.dead_letters_removed
            .append(&mut later.dead_letters_removed);
        self.records.append(&mut later.records);
        self.records_removed.append(&mut later.records_removed);
        self.records_expired.append(&mut later.records_expired);
        self.states_erased.append(&mut later.states_erased);
        self.chunks_redacted.append(&mut later.chunks_redacted);
        self.erased.append(&mut later.erased);
        self.audit.append(&mut later.audit);
        match (&mut self.checkpoint, later.checkpoint) {
            (Some(mine), Some(mut theirs)) => {
                mine.mark = theirs.mark;
                mine.states.append(&mut theirs.states);
                mine.removed.append(&mut theirs.removed);
                mine.timelines.append(&mut theirs.timelines);
                mine.timelines_joined.append(&mut theirs.timelines_joined);
            }
            (mine @ None, theirs) => *mine = theirs,
            (Some(_), None) => {}
        }
    }
}
