//! How ids and small enumerations are written in columns.

use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tenure_core::effect::EnrollmentStatus;
use tenure_core::id::{AccountId, Id, PersonId, RootId, SubjectId};
use tenure_store::row::MessageState;

use crate::error::damaged;

const KIND_ACCOUNT: u8 = 0;
const KIND_PERSON: u8 = 1;

/// The first byte of a packed value: how the rest is written.
const PACKED_POSTCARD: u8 = 1;

/// An id or another key of 128 bits: 16 bytes, big-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bits(pub(crate) u128);

impl Bits {
    pub(crate) fn of(id: impl Id) -> Self {
        Self(id.bits())
    }

    pub(crate) fn id<I: Id>(self) -> I {
        I::from_bits(self.0)
    }
}

impl ToSql for Bits {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.0.to_be_bytes().to_vec()))
    }
}

impl FromSql for Bits {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        <[u8; 16]>::column_result(value).map(|bytes| Self(u128::from_be_bytes(bytes)))
    }
}

fn kind_of(subject: SubjectId) -> u8 {
    match subject {
        SubjectId::Account(_) => KIND_ACCOUNT,
        SubjectId::Person(_) => KIND_PERSON,
    }
}

fn subject_of(kind: u8, bits: &[u8]) -> FromSqlResult<SubjectId> {
    let bits = bits.try_into().map_err(|_| FromSqlError::InvalidType)?;
    let bits = u128::from_be_bytes(bits);
    match kind {
        KIND_ACCOUNT => Ok(SubjectId::Account(AccountId(bits))),
        KIND_PERSON => Ok(SubjectId::Person(PersonId(bits))),
        _ => Err(FromSqlError::InvalidType),
    }
}

/// A subject: kind, then id, so that it sorts like [`SubjectId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subject(pub(crate) SubjectId);

impl Subject {
    pub(crate) fn bytes(self) -> Vec<u8> {
        let mut bytes = vec![kind_of(self.0)];
        bytes.extend_from_slice(&self.0.bits().to_be_bytes());
        bytes
    }
}

impl ToSql for Subject {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.bytes()))
    }
}

impl FromSql for Subject {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_blob()? {
            [kind, bits @ ..] => subject_of(*kind, bits).map(Self),
            [] => Err(FromSqlError::InvalidType),
        }
    }
}

/// A root: id, then kind, so that accounts and people are mixed and sort by their bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Root(pub(crate) RootId);

impl ToSql for Root {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let mut bytes = self.0.0.bits().to_be_bytes().to_vec();
        bytes.push(kind_of(self.0.0));
        Ok(ToSqlOutput::from(bytes))
    }
}

impl FromSql for Root {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_blob()? {
            [bits @ .., kind] => subject_of(*kind, bits).map(|id| Self(RootId(id))),
            [] => Err(FromSqlError::InvalidType),
        }
    }
}

/// The states in the order of their numbers.
const MESSAGE_STATES: [MessageState; 8] = [
    MessageState::Pending,
    MessageState::Sending,
    MessageState::Sent,
    MessageState::Delivered,
    MessageState::Bounced,
    MessageState::Unknown,
    MessageState::Dead,
    MessageState::Cancelled,
];

pub(crate) fn message_state_number(state: MessageState) -> i64 {
    match state {
        MessageState::Pending => 0,
        MessageState::Sending => 1,
        MessageState::Sent => 2,
        MessageState::Delivered => 3,
        MessageState::Bounced => 4,
        MessageState::Unknown => 5,
        MessageState::Dead => 6,
        MessageState::Cancelled => 7,
    }
}

pub(crate) fn message_state(number: i64) -> rusqlite::Result<MessageState> {
    let known = usize::try_from(number).ok();
    known
        .and_then(|number| MESSAGE_STATES.get(number).copied())
        .ok_or_else(|| damaged("unknown message state"))
}

/// The statuses in the order of their numbers.
const STATUSES: [EnrollmentStatus; 6] = [
    EnrollmentStatus::Active,
    EnrollmentStatus::HeldOut,
    EnrollmentStatus::Completed,
    EnrollmentStatus::Goal,
    EnrollmentStatus::Exited,
    EnrollmentStatus::Removed,
];

pub(crate) fn status_number(status: EnrollmentStatus) -> i64 {
    match status {
        EnrollmentStatus::Active => 0,
        EnrollmentStatus::HeldOut => 1,
        EnrollmentStatus::Completed => 2,
        EnrollmentStatus::Goal => 3,
        EnrollmentStatus::Exited => 4,
        EnrollmentStatus::Removed => 5,
    }
}

pub(crate) fn status(number: i64) -> rusqlite::Result<EnrollmentStatus> {
    let known = usize::try_from(number).ok();
    known
        .and_then(|number| STATUSES.get(number).copied())
        .ok_or_else(|| damaged("unknown enrollment status"))
}

/// Packs a value for a column; the first byte says how.
pub(crate) fn pack(value: &impl Serialize) -> rusqlite::Result<Vec<u8>> {
    postcard::to_extend(value, vec![PACKED_POSTCARD])
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

/// Reads back what [`pack`] wrote.
pub(crate) fn unpack<T: DeserializeOwned>(bytes: &[u8]) -> rusqlite::Result<T> {
    match bytes {
        [PACKED_POSTCARD, packed @ ..] => {
            postcard::from_bytes(packed).map_err(|_| damaged("a packed row cannot be read"))
        }
        _ => Err(damaged("a packed row has an unknown format")),
    }
}
