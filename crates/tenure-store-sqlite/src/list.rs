//! Building the statements of lists.

use std::fmt::Write;

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};
use tenure_core::id::Id;
use tenure_core::time::Timestamp;
use tenure_store::query::Page;

use crate::key::{Bits, Subject};

/// Where a list ordered newest first goes on: before this instant and id.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor {
    at: Timestamp,
    bits: u128,
}

impl Cursor {
    pub(crate) fn new<I: Id>(place: Option<(Timestamp, I)>) -> Option<Self> {
        let (at, id) = place?;
        let bits = id.bits();
        Some(Self { at, bits })
    }
}

/// A statement in the making.
pub(crate) struct Select {
    sql: String,
    values: Vec<Value>,
    condition_count: usize,
}

impl Select {
    pub(crate) fn new(sql: &str) -> Self {
        Self {
            sql: sql.to_owned(),
            values: Vec::new(),
            condition_count: 0,
        }
    }

    pub(crate) fn condition(&mut self, condition: &str) {
        self.sql += match self.condition_count {
            0 => " WHERE ",
            _ => " AND ",
        };
        self.sql += condition;
        self.condition_count += 1;
    }

    /// Wants `column` to be `value`, if there is one. Call it for the most selective column
    /// first: only the first may choose the index (a `+` keeps SQLite from using the others,
    /// between which it would guess).
    pub(crate) fn equal<T: Into<SqlValue>>(&mut self, column: &str, value: Option<T>) {
        let Some(value) = value else { return };
        self.values.push(value.into().0);
        let mark = if self.condition_count == 0 { "" } else { "+" };
        self.condition(&format!("{mark}{column} = ?{}", self.values.len()));
    }

    /// Wants a number to stand in this relation (`column <`), if there is one; no index is chosen
    /// for it.
    pub(crate) fn compare(&mut self, relation: &str, value: Option<i64>) {
        let Some(value) = value else { return };
        self.values.push(Value::Integer(value));
        self.condition(&format!("+{relation} ?{}", self.values.len()));
    }

    /// Orders, and limits.
    pub(crate) fn order(&mut self, order: &str) {
        let _ = write!(self.sql, " ORDER BY {order}");
    }

    /// Orders by `column` and id, descending, from the cursor on.
    pub(crate) fn newest_first(&mut self, column: &str, after: Option<Cursor>, page: &Page) {
        if let Some(after) = after {
            self.values.push(Value::Integer(after.at.0));
            self.values
                .push(Value::Blob(after.bits.to_be_bytes().to_vec()));
            let count = self.values.len();
            self.condition(&format!("({column}, id) < (?{}, ?{count})", count - 1));
        }
        let _ = write!(
            self.sql,
            " ORDER BY {column} DESC, id DESC LIMIT {}",
            page.row_count()
        );
    }

    pub(crate) fn rows<T>(
        self,
        connection: &Connection,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Vec<T>> {
        connection
            .prepare_cached(&self.sql)?
            .query_map(params_from_iter(self.values), read)?
            .collect()
    }
}

/// A value of a condition.
pub(crate) struct SqlValue(Value);

impl From<i64> for SqlValue {
    fn from(value: i64) -> Self {
        Self(Value::Integer(value))
    }
}

impl From<String> for SqlValue {
    fn from(value: String) -> Self {
        Self(Value::Text(value))
    }
}

impl From<Bits> for SqlValue {
    fn from(value: Bits) -> Self {
        Self(Value::Blob(value.0.to_be_bytes().to_vec()))
    }
}

impl From<Subject> for SqlValue {
    fn from(value: Subject) -> Self {
        Self(Value::Blob(value.bytes()))
    }
}
