//! Rows to write.

use tenure_core::decision::{Decision, Outcome};
use tenure_core::define::Delivery;
use tenure_core::effect::{EnrollmentChange, EnrollmentStatus, MessageIntent, TaskIntent};
use tenure_core::id::{
    AccountId, DecisionId, EnrollmentId, MessageId, PersonId, RootId, SubjectId, TaskId,
};
use tenure_core::log::Position;
use tenure_core::time::Timestamp;

use crate::batch::{Checkpoint, MessageUpdate};
use crate::{Batch, Store, row};

pub(super) fn person(number: u128) -> SubjectId {
    SubjectId::Person(PersonId(number))
}

pub(super) fn account(number: u128) -> SubjectId {
    SubjectId::Account(AccountId(number))
}

/// A chunk of `count` entries from `first` on, received and occurred at `at`.
pub(super) fn chunk(first: Position, count: u32, at: i64) -> row::Chunk {
    row::Chunk {
        first,
        count,
        received_at: Timestamp(at),
        occurred_until: Timestamp(at),
        bytes: vec![first as u8; 100],
    }
}

pub(super) fn message(id: u128, at: i64) -> MessageIntent {
    MessageIntent {
        id: MessageId(id),
        decided_at: Timestamp(at),
        channel: "email".into(),
        person: Some(PersonId(1)),
        account: None,
        subject: person(1),
        program: "welcome".into(),
        version: 1,
        enrollment: EnrollmentId(1),
        step: "hello".into(),
        topic: Some("tips".into()),
        transactional: false,
        delivery: Delivery::AtMostOnce,
        to: "jo@example.com".into(),
        template: "hello".into(),
        subject_line: None,
        data: "{}".into(),
    }
}

pub(super) fn task(id: u128, at: i64) -> TaskIntent {
    TaskIntent {
        id: TaskId(id),
        created_at: Timestamp(at),
        name: "call".into(),
        owner: Some("sam".into()),
        title: "Call them".into(),
        due_at: None,
        subject: account(1),
        account: Some(AccountId(1)),
        program: "welcome".into(),
        enrollment: EnrollmentId(1),
        step: "call".into(),
    }
}

pub(super) fn decision(id: u128, at: i64) -> Decision {
    Decision {
        id: DecisionId(id),
        at: Timestamp(at),
        subject: person(1),
        program: "welcome".into(),
        version: 1,
        enrollment: Some(EnrollmentId(1)),
        step: Some("hello".into()),
        outcome: Outcome::Sent,
        reason: "nothing speaks against it".into(),
        message: None,
    }
}

pub(super) fn enrollment(id: u128, entered_at: i64) -> EnrollmentChange {
    EnrollmentChange {
        id: EnrollmentId(id),
        subject: person(1),
        program: "welcome".into(),
        version: 1,
        key: None,
        entered_at: Timestamp(entered_at),
        step: Some("hello".into()),
        status: EnrollmentStatus::Active,
        held_out: false,
        at: Timestamp(entered_at),
    }
}

pub(super) fn state(subject: SubjectId, root: SubjectId, wake_at: Option<i64>) -> row::State {
    row::State {
        subject,
        root: RootId(root),
        wake_at: wake_at.map(Timestamp),
        bytes: subject.bits().to_be_bytes().to_vec(),
    }
}

pub(super) fn sent(id: u128, at: i64) -> MessageUpdate {
    MessageUpdate {
        id: MessageId(id),
        state: row::MessageState::Sent,
        at: Timestamp(at),
        reason: None,
        due_at: None,
        attempt_count: 1,
        forget: false,
        sent_to: None,
    }
}

pub(super) fn commit(store: &dyn Store, batch: &Batch) {
    store.commit(batch).expect("the batch commits");
}

pub(super) fn commit_checkpoint(store: &dyn Store, checkpoint: Checkpoint) {
    let batch = Batch {
        checkpoint: Some(checkpoint),
        ..Batch::default()
    };
    commit(store, &batch);
}

pub(super) fn commit_states(store: &dyn Store, states: Vec<row::State>) {
    commit_checkpoint(
        store,
        Checkpoint {
            states,
            ..Checkpoint::default()
        },
    );
}
