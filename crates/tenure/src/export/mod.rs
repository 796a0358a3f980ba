//! What `tenure export` writes, read from the store of a stopped server.

mod parquet;
mod rows;

use std::io::{BufRead, Write};

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde_json::Value;
use tenure_core::define::Audience;
use tenure_core::log::{Body, decode};
use tenure_store::query::{DecisionFilter, MAX_PAGE_ROWS, MessageFilter};
use tenure_store::{Page, Store};

use parquet::ParquetFile;
use rows::UserIds;

/// How much of the log is read at once, in bytes.
const READ_BYTES: usize = 8 * 1024 * 1024;

/// What is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// Everything that was told to have happened, in order
    Events,
    /// People with their traits
    People,
    /// Accounts with their traits
    Accounts,
    /// Messages with their state
    Messages,
    /// Decisions with their reason
    Decisions,
}

impl What {
    /// As the API calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::People => "people",
            Self::Accounts => "accounts",
            Self::Messages => "messages",
            Self::Decisions => "decisions",
        }
    }
}

/// Where rows go.
pub(crate) enum Sink<'a> {
    /// One JSON object a line.
    Jsonl(Box<dyn Write + 'a>),
    /// A Parquet file.
    Parquet(Box<ParquetFile<'a>>),
}

impl<'a> Sink<'a> {
    /// Rows as JSON, one a line.
    pub(crate) fn jsonl(out: impl Write + 'a) -> Self {
        Self::Jsonl(Box::new(out))
    }

    /// Rows as a Parquet file.
    pub(crate) fn parquet(what: What, out: impl Write + Send + 'a) -> Result<Self> {
        Ok(Self::Parquet(Box::new(ParquetFile::new(
            what,
            Box::new(out),
        )?)))
    }

    /// Adds a row.
    pub(crate) fn add(&mut self, row: Value) -> Result<()> {
        match self {
            Self::Jsonl(out) => writeln!(out, "{row}").context("cannot write the export"),
            Self::Parquet(file) => file.add(row),
        }
    }

    /// Completes the export.
    pub(crate) fn finish(self) -> Result<()> {
        match self {
            Self::Jsonl(mut out) => out.flush().context("cannot write the export"),
            Self::Parquet(file) => file.finish(),
        }
    }
}

/// Calls `each` with every row of a stream of JSON objects, one a line.
pub(crate) fn each_line(
    lines: impl BufRead,
    mut each: impl FnMut(Value) -> Result<()>,
) -> Result<()> {
    for line in lines.lines() {
        let line = line.context("the transfer was cut off; try again")?;
        if !line.is_empty() {
            each(serde_json::from_str(&line).context("the transfer was cut off; try again")?)?;
        }
    }
    Ok(())
}

/// Exports all rows of a store and answers how many there are.
pub(crate) fn write(store: &dyn Store, what: What, sink: &mut Sink<'_>) -> Result<u64> {
    let mut count = 0;
    let mut each = |row: Value| -> Result<()> {
        count += 1;
        sink.add(row)
    };
    match what {
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
