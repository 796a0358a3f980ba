//! Rows as a Parquet file: flat columns, every one optional. What is nested stands as JSON in a text column.

use std::io::Write;
use std::sync::Arc;

use anyhow::{Context, Result};
use parquet::basic::Compression;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use serde_json::Value;
use tenure_core::time::Timestamp;

use super::What;

/// Rows in one group; what one group holds is kept in memory.
const GROUP_ROWS: usize = 50_000;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// JSON as text.
    Json,
    /// Milliseconds since 1970.
    Instant,
    /// A whole number.
    Number,
    /// True or false.
    Flag,
}

/// Columns of a kind of row, in order.
pub type Columns = &'static [(&'static str, Kind)];

const EVENTS: Columns = &[
    ("position", Kind::Number),
    ("id", Kind::Text),
    ("name", Kind::Text),
    ("person", Kind::Text),
    ("user_id", Kind::Text),
    ("account", Kind::Text),
    ("occurred_at", Kind::Instant),
    ("received_at", Kind::Instant),
    ("historical", Kind::Flag),
    ("properties", Kind::Json),
];

const PEOPLE: Columns = &[
    ("id", Kind::Text),
    ("user_id", Kind::Text),
    ("user_ids", Kind::Json),
    ("emails", Kind::Json),
    ("account", Kind::Text),
    ("created_at", Kind::Instant),
    ("seen_at", Kind::Instant),
    ("segments", Kind::Json),
    ("traits", Kind::Json),
];

const ACCOUNTS: Columns = &[
    ("id", Kind::Text),
    ("external_id", Kind::Text),
    ("created_at", Kind::Instant),
    ("seen_at", Kind::Instant),
    ("segments", Kind::Json),
    ("traits", Kind::Json),
];

const MESSAGES: Columns = &[
    ("id", Kind::Text),
    ("state", Kind::Text),
    ("state_at", Kind::Instant),
    ("program", Kind::Text),
    ("template", Kind::Text),
    ("person", Kind::Text),
    ("subject", Kind::Text),
    ("decided_at", Kind::Instant),
    ("attempt_count", Kind::Number),
    ("reason", Kind::Text),
];

const DECISIONS: Columns = &[
    ("id", Kind::Text),
    ("at", Kind::Instant),
    ("program", Kind::Text),
    ("version", Kind::Number),
    ("subject", Kind::Text),
    ("enrollment", Kind::Text),
    ("step", Kind::Text),
    ("outcome", Kind::Text),
    ("reason", Kind::Text),
    ("message", Kind::Text),
];

const MEMBERS: Columns = &[("subject", Kind::Text), ("since", Kind::Instant)];

/// The columns of a kind of row.
pub(super) fn columns(what: What) -> Columns {
    match what {
        What::Events => EVENTS,
        What::People => PEOPLE,
        What::Accounts => ACCOUNTS,
        What::Messages => MESSAGES,
        What::Decisions => DECISIONS,
        What::Members => MEMBERS,
    }
}

/// A file that is being written.
pub struct ParquetFile<'a> {
    columns: Columns,
    writer: SerializedFileWriter<Box<dyn Write + Send + 'a>>,
    rows: Vec<Value>,
}

impl<'a> ParquetFile<'a> {
    /// Begins a file.
    pub fn new(what: What, out: Box<dyn Write + Send + 'a>) -> Result<Self> {
        let columns = columns(what);
        let schema =
            parse_message_type(&schema(what, columns)).context("the columns of the export")?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .build();
        let writer = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties))
            .context("cannot write the export")?;
        Ok(Self {
            columns,
            writer,
            rows: Vec::new(),
        })
    }

    /// Adds a row.
    pub fn add(&mut self, row: Value) -> Result<()> {
        self.rows.push(row);
        if self.rows.len() >= GROUP_ROWS {
            self.write_group()
        } else {
            Ok(())
        }
    }

    /// Completes the file.
    pub fn finish(mut self) -> Result<()> {
        if !self.rows.is_empty() {
            self.write_group()?;
        }
        self.writer.close().context("cannot write the export")?;
        Ok(())
    }

    fn write_group(&mut self) -> Result<()> {
        let mut group = self.writer.next_row_group()?;
        for (name, kind) in self.columns {
            let cells = self
                .rows
                .iter()
                .map(|row| row.get(*name).filter(|cell| !cell.is_null()));
            match kind {
                Kind::Text => write_column::<ByteArrayType, _>(&mut group, cells, |cell| {
                    cell.as_str().map(ByteArray::from)
                })?,
                Kind::Json => write_column::<ByteArrayType, _>(&mut group, cells, |cell| {
                    Some(ByteArray::from(cell.to_string().into_bytes()))
                })?,
                Kind::Instant => write_column::<Int64Type, _>(&mut group, cells, |cell| {
                    Timestamp::parse(cell.as_str()?).map(|at| at.0)
                })?,
                Kind::Number => write_column::<Int64Type, _>(&mut group, cells, Value::as_i64)?,
                Kind::Flag => write_column::<BoolType, _>(&mut group, cells, Value::as_bool)?,
            }
        }
        group.close()?;
        self.rows.clear();
        Ok(())
    }
}

fn write_column<'r, T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    cells: impl Iterator<Item = Option<&'r Value>>,
    read: impl Fn(&Value) -> Option<T::T>,
) -> Result<()> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    for cell in cells {
        let value = cell.and_then(&read);
        levels.push(i16::from(value.is_some()));
        values.extend(value);
    }
    let mut column = group
        .next_column()?
        .context("the export has more columns than its schema")?;
    column
        .typed::<T>()
        .write_batch(&values, Some(&levels), None)?;
    column.close()?;
    Ok(())
}

fn schema(what: What, columns: Columns) -> String {
    let column = |(name, kind): &(&str, Kind)| match kind {
        Kind::Text => format!("optional binary {name} (STRING);"),
        Kind::Json => format!("optional binary {name} (JSON);"),
        Kind::Instant => format!("optional int64 {name} (TIMESTAMP(MILLIS,true));"),
        Kind::Number => format!("optional int64 {name};"),
        Kind::Flag => format!("optional boolean {name};"),
    };
    let columns: Vec<String> = columns.iter().map(column).collect();
    format!("message {} {{ {} }}", what.name(), columns.join(" "))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_are_read_back_as_they_were_with_nothing_for_what_is_not_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.parquet");
        let mut file =
            ParquetFile::new(What::Events, Box::new(File::create(&path).unwrap())).unwrap();
        for position in 1..=3 {
            file.add(json!({"position": position, "name": "signed_up", "user_id": (position > 1).then(|| format!("u{position}")),
                            "occurred_at": "2026-01-01T00:00:00.000Z", "historical": false, "properties": {"plan": "pro"}}))
                .unwrap();
        }
        file.finish().unwrap();
        let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
        let rows: Vec<_> = reader
            .get_row_iter(None)
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(rows.len(), 3);
        assert_eq!(rows[2].get_long(0).unwrap(), 3);
        assert!(
            rows[0].get_string(4).is_err(),
            "the first row has no user id"
        );
        assert_eq!(rows[1].get_string(4).unwrap(), "u2");
        assert_eq!(rows[0].get_timestamp_millis(6).unwrap(), 1_767_225_600_000);
    }

    #[test]
    fn every_kind_of_export_has_a_schema_that_can_be_written() {
        for what in What::ALL {
            ParquetFile::new(what, Box::new(Vec::new()))
                .unwrap()
                .finish()
                .unwrap();
        }
    }
}
