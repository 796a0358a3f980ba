//! Row counts that commits keep, so that no page of the console counts a table.

use std::collections::BTreeMap;

use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use tenure_core::define::Audience;
use tenure_core::effect::EnrollmentStatus;
use tenure_store::row::MessageState;

use crate::key::{pack, unpack};

/// What is counted. The number of a variant is stored: only append.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Counted {
    Messages(MessageState),
    Members(Box<str>),
    Enrollments(Box<str>, u32, EnrollmentStatus, Option<Box<str>>),
    Subjects(Audience),
}

/// Kinds of counts, to read those of one kind.
pub(crate) const MESSAGES: i64 = 0;
pub(crate) const MEMBERS: i64 = 1;
pub(crate) const ENROLLMENTS: i64 = 2;
pub(crate) const SUBJECTS: i64 = 3;

impl Counted {
    fn kind(&self) -> i64 {
        match self {
            Self::Messages(_) => MESSAGES,
            Self::Members(_) => MEMBERS,
            Self::Enrollments(..) => ENROLLMENTS,
            Self::Subjects(_) => SUBJECTS,
        }
    }
}

/// Changes of counts within one commit.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    changes: BTreeMap<Counted, i64>,
}

impl Tally {
    pub(crate) fn add(&mut self, counted: Counted, change: i64) {
        *self.changes.entry(counted).or_insert(0) += change;
    }

    /// Writes the changes.
    pub(crate) fn store(self, connection: &Connection) -> rusqlite::Result<()> {
        let mut add = connection.prepare_cached(
            "INSERT INTO tally (kind, key, count) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET count = count + excluded.count",
        )?;
        for (counted, change) in self.changes {
            if change != 0 {
                add.execute((counted.kind(), pack(&counted)?, change))?;
            }
        }
        Ok(())
    }
}

/// The counts of one kind that are not zero.
pub(crate) fn counts(connection: &Connection, kind: i64) -> rusqlite::Result<Vec<(Counted, u64)>> {
    let mut select =
        connection.prepare_cached("SELECT key, count FROM tally WHERE kind = ?1 AND count > 0")?;
    let rows = select.query_map([kind], |row| {
        let counted = unpack(row.get_ref(0)?.as_blob()?)?;
        Ok((counted, row.get::<_, i64>(1)? as u64))
    })?;
    let mut counts: Vec<(Counted, u64)> = rows.collect::<rusqlite::Result<_>>()?;
    counts.sort();
    Ok(counts)
}
