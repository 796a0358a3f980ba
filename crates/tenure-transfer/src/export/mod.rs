//! Everything of one kind, read from a store.

mod parquet;
mod rows;

use std::io::{BufRead, Write};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenure_core::define::Audience;
use tenure_core::log::{Body, decode};
use tenure_store::query::{DecisionFilter, MAX_PAGE_ROWS, MessageFilter};
use tenure_store::{Page, Store};

pub use parquet::{Columns, Kind, ParquetFile};
use rows::UserIds;

/// How much of the log is read at once, in bytes.
const READ_BYTES: usize = 8 * 1024 * 1024;
/// How often progress is told, in rows.
const PROGRESS_ROWS: u64 = 500;

/// What is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Everything that was told to have happened, in order.
    Events,
    /// People with their traits.
    People,
    /// Accounts with their traits.
    Accounts,
    /// Messages with their state.
    Messages,
    /// Decisions with their reason.
    Decisions,
    /// Members of one segment.
    Members,
}

impl What {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Events,
        Self::People,
        Self::Accounts,
        Self::Messages,
        Self::Decisions,
        Self::Members,
    ];

    /// As the API calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::People => "people",
            Self::Accounts => "accounts",
            Self::Messages => "messages",
            Self::Decisions => "decisions",
            Self::Members => "members",
        }
    }
}

/// Where rows go.
pub enum Sink<'a> {
    /// One JSON object a line.
    Jsonl(Box<dyn Write + 'a>),
    /// Comma-separated values under a line of headings; what is nested is JSON in its cell.
    Csv(Columns, Box<csv::Writer<Box<dyn Write + 'a>>>),
    /// A Parquet file.
    Parquet(Box<ParquetFile<'a>>),
}

impl<'a> Sink<'a> {
    /// Rows as JSON, one a line.
    pub fn jsonl(out: impl Write + 'a) -> Self {
        Self::Jsonl(Box::new(out))
    }

    /// Rows as comma-separated values.
    pub fn csv(what: What, out: impl Write + 'a) -> Result<Self> {
        let columns = parquet::columns(what);
        let out: Box<dyn Write + 'a> = Box::new(out);
        let mut writer = csv::Writer::from_writer(out);
        writer
            .write_record(columns.iter().map(|(name, _)| name))
            .context("cannot write the export")?;
        Ok(Self::Csv(columns, Box::new(writer)))
    }

    /// Rows as a Parquet file.
    pub fn parquet(what: What, out: impl Write + Send + 'a) -> Result<Self> {
        Ok(Self::Parquet(Box::new(ParquetFile::new(
            what,
            Box::new(out),
        )?)))
    }

    /// Adds a row.
    pub fn add(&mut self, row: Value) -> Result<()> {
        match self {
            Self::Jsonl(out) => writeln!(out, "{row}").context("cannot write the export"),
            Self::Csv(columns, writer) => writer
                .write_record(columns.iter().map(|(name, _)| cell(row.get(*name))))
                .context("cannot write the export"),
            Self::Parquet(file) => file.add(row),
        }
    }

    /// Completes the export.
    pub fn finish(self) -> Result<()> {
        match self {
            Self::Jsonl(mut out) => out.flush().context("cannot write the export"),
            Self::Csv(_, mut writer) => writer.flush().context("cannot write the export"),
            Self::Parquet(file) => file.finish(),
        }
    }
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// Which rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Of this kind.
    pub what: What,
    /// Members of this segment.
    pub segment: Option<String>,
}

/// Calls `each` with every row of a stream of JSON objects, one a line.
pub fn each_line(lines: impl BufRead, mut each: impl FnMut(Value) -> Result<()>) -> Result<()> {
    for line in lines.lines() {
        let line = line.context("the transfer was cut off; try again")?;
        if !line.is_empty() {
            each(serde_json::from_str(&line).context("the transfer was cut off; try again")?)?;
        }
    }
    Ok(())
}

/// Exports all rows of a store and answers how many there are. `progress` is told how many so far
/// and ends the export with its error.
pub fn write(
    store: &dyn Store,
    wanted: &Wanted,
    sink: &mut Sink<'_>,
    progress: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<u64> {
    let mut count = 0;
    let mut each = |row: Value| -> Result<()> {
        count += 1;
        if count % PROGRESS_ROWS == 0 {
            progress(count)?;
        }
        sink.add(row)
    };
    match wanted.what {
        What::Events => events(store, &mut each)?,
        What::People => subjects(store, Audience::Person, &mut each)?,
        What::Accounts => subjects(store, Audience::Account, &mut each)?,
        What::Messages => pages(&mut each, |page| {
            let found = store.messages(&MessageFilter::default(), page)?;
            Ok(found.iter().map(rows::message).collect())
        })?,
        What::Decisions => pages(&mut each, |page| {
            let found = store.decisions(&DecisionFilter::default(), page)?;
            Ok(found.iter().map(rows::decision).collect())
        })?,
        What::Members => {
            let segment = wanted
                .segment
                .as_deref()
                .context("`segment` is missing: name the segment whose members are exported")?;
            pages(&mut each, |page| {
                let found = store.members(segment, page)?;
                Ok(found.iter().map(rows::member).collect())
            })?;
        }
    }
    Ok(count)
}

type Each<'a> = dyn FnMut(Value) -> Result<()> + 'a;

fn events(store: &dyn Store, each: &mut Each<'_>) -> Result<()> {
    let mut user_ids = UserIds::default();
    let mut from = 1;
    loop {
        let chunks = store.read_log(from, READ_BYTES, None)?;
        let Some(last) = chunks.last() else {
            return Ok(());
        };
        let next = last.last() + 1;
        for chunk in &chunks {
            for entry in decode(chunk.first, &chunk.bytes) {
                let entry = entry.map_err(|error| {
                    anyhow::anyhow!("the log is damaged after position {}: {error}", chunk.first)
                })?;
                match &entry.body {
                    // What is known of a person is told before the events that are known to be theirs.
                    Body::Profile(profile) => user_ids.learn(profile),
                    Body::Event(event) if event.is_nothing() => {}
                    Body::Event(event) => each(rows::event(
                        entry.position,
                        entry.received_at,
                        event,
                        &user_ids,
                    ))?,
                    _ => {}
                }
            }
        }
        from = next;
    }
}

fn subjects(store: &dyn Store, audience: Audience, each: &mut Each<'_>) -> Result<()> {
    let mut page = Page {
        after: None,
        limit: MAX_PAGE_ROWS,
    };
    loop {
        let found = store.subjects(audience, &page)?;
        let Some(last) = found.last() else {
            return Ok(());
        };
        page.after = Some(last.subject.to_string());
        for state in &found {
            each(rows::subject(state)?)?;
        }
    }
}

/// A row with the cursor behind it.
type Cursored = (String, Value);

fn pages(each: &mut Each<'_>, read: impl Fn(&Page) -> Result<Vec<Cursored>>) -> Result<()> {
    let mut page = Page {
        after: None,
        limit: MAX_PAGE_ROWS,
    };
    loop {
        let found = read(&page)?;
        let Some((cursor, _)) = found.last() else {
            return Ok(());
        };
        page.after = Some(cursor.clone());
        for (_, row) in found {
            each(row)?;
        }
    }
}
