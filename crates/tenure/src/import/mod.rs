//! Importing history: rows are mapped to calls and handed to the server in batches, several at once.
//!
//! Rows are read in order and cut into batches. Batches may be taken in any order; progress is kept only up to the
//! first batch that has not been, so an interrupted import goes on there. What is sent twice then has the same message
//! ids and is counted once.

mod progress;
mod send;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use serde_json::Value;

use crate::client::Client;
pub(crate) use progress::Progress;
use progress::Rejected;
use send::{Answer, send};
use tenure_transfer::import::{Mapper, Row, Rows};
pub(crate) use tenure_transfer::import::{Mapping, file_id};

/// Most calls in one request.
const BATCH_CALLS: usize = 1_000;
/// About the largest request, in bytes.
const BATCH_BYTES: usize = 400_000;

/// Where an import reads and writes.
#[derive(Debug)]
pub(crate) struct Job {
    /// The file with the rows.
    pub(crate) source: PathBuf,
    /// What they mean.
    pub(crate) mapping: Mapping,
    /// Where the progress is kept.
    pub(crate) state: PathBuf,
    /// Where rejected rows are listed.
    pub(crate) rejected: PathBuf,
    /// Requests under way at once.
    pub(crate) connections: usize,
}

/// Told while the import runs: bytes of the source read, and the progress so far.
pub(crate) type Watch<'a> = dyn FnMut(u64, &Progress) + 'a;

/// Some rows with their calls.
struct Batch {
    number: u64,
    last_row: u64,
    calls: Vec<Value>,
    /// The rows, each with the index of its first call.
    rows: Vec<(usize, Row)>,
    rejected: Vec<(Row, String)>,
}

/// The calls of the first rows that have any, for a look before importing.
pub(crate) fn preview(
    source: &Path,
    mapping: Mapping,
    row_count: usize,
) -> Result<(Vec<Value>, Vec<String>)> {
    let file_id = file_id(source)?;
    let rows = Rows::open(source, &mapping)?;
    let mapper = Mapper::new(mapping, source, &file_id)?;
    let (mut calls, mut problems) = (Vec::new(), Vec::new());
    for row in rows.take(row_count) {
        let row = row?;
        match mapper.calls(&row) {
            Ok(found) => calls.extend(found),
            Err(reason) => {
                problems.push(format!("row {} (line {}): {reason}", row.number, row.line));
            }
        }
    }
    Ok((calls, problems))
}

/// Imports what is left to import. The progress is kept whatever happens.
pub(crate) fn run(job: &Job, client: &Client, watch: &mut Watch<'_>) -> Result<Progress> {
    let file_id = file_id(&job.source)?;
    let progress = Progress::read(&job.state, &file_id, &job.mapping.import)?;
    if progress.is_done {
        return Ok(progress);
    }
    let rows = Rows::open(&job.source, &job.mapping)?;
    let rejected = Rejected::open(
        job.rejected.clone(),
        rows.headings(),
        progress.rejected_bytes,
    )?;
    let mapper = Mapper::new(job.mapping.clone(), &job.source, &file_id)?;
    let read_bytes = rows.read_bytes();
    let stop = AtomicBool::new(false);
    let (batches, taken) = sync_channel::<Batch>(job.connections);
    let (answers, answered) = sync_channel(job.connections);
    let taken = Arc::new(Mutex::new(taken));
    let skip = progress.rows_count;
    let mut ledger = Ledger {
        progress,
        rejected,
        state: &job.state,
        waiting: BTreeMap::new(),
        next: 0,
    };
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| read(rows, &mapper, skip, batches));
        for _ in 0..job.connections {
            let (taken, answers, stop) = (Arc::clone(&taken), answers.clone(), &stop);
            scope.spawn(move || work(client, &taken, &answers, stop));
        }
        // The receiving ends live in the workers alone, so that the reader stops when they are gone.
        drop((answers, taken));
        let mut outcome = Ok(());
        for (batch, answer) in answered {
            let settled = answer.and_then(|answer| ledger.settle(batch, answer));
            if outcome.is_ok() && settled.is_err() {
                stop.store(true, Ordering::Relaxed);
                outcome = settled;
            }
            watch(read_bytes.load(Ordering::Relaxed), &ledger.progress);
        }
        let read = reading
            .join()
            .map_err(|_| anyhow::anyhow!("reading {} failed", job.source.display()))?;
        outcome.and(read)
    })?;
    ledger.progress.is_done = true;
    ledger.progress.write(&job.state)?;
    Ok(ledger.progress)
}

/// Maps rows and hands out batches until the source ends or nobody takes them.
#[expect(
    clippy::needless_pass_by_value,
    reason = "its end tells the workers that all is read"
)]
fn read(rows: Rows, mapper: &Mapper, skip_rows: u64, batches: SyncSender<Batch>) -> Result<()> {
    let mut number = 0;
    let mut batch = Batch::new(number);
    let mut bytes = 0;
    for row in rows {
        let row = row?;
        if row.number <= skip_rows {
            continue;
        }
        let mapped = mapper.calls(&row);
        bytes += mapped
            .iter()
            .flatten()
            .map(|call| call.to_string().len() + 1)
            .sum::<usize>();
        batch.add(row, mapped);
        if batch.calls.len() >= BATCH_CALLS
            || bytes >= BATCH_BYTES
            || batch.rejected.len() >= BATCH_CALLS
        {
            number += 1;
            bytes = 0;
            if batches
                .send(std::mem::replace(&mut batch, Batch::new(number)))
                .is_err()
            {
                return Ok(());
            }
        }
    }
    if batch.last_row > 0 {
        // Nobody left to take it means that the import stopped with an error, which is reported there.
        let _ = batches.send(batch);
    }
    Ok(())
}

fn work(
    client: &Client,
    taken: &Mutex<Receiver<Batch>>,
    answers: &SyncSender<(Batch, Result<Answer>)>,
    stop: &AtomicBool,
) {
    loop {
        let next = taken.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(batch) = next else { return };
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let answer = send(client, &batch.calls, stop);
        if answers.send((batch, answer)).is_err() {
            return;
        }
    }
}

impl Batch {
    fn new(number: u64) -> Self {
        Self {
            number,
            last_row: 0,
            calls: Vec::new(),
            rows: Vec::new(),
            rejected: Vec::new(),
        }
    }

    fn add(&mut self, row: Row, mapped: Result<Vec<Value>, String>) {
        self.last_row = row.number;
        match mapped {
            Ok(calls) => {
                self.rows.push((self.calls.len(), row));
                self.calls.extend(calls);
            }
            Err(reason) => self.rejected.push((row, reason)),
        }
    }

    /// The rows rejected by the mapping and by the server, in order.
    fn into_rejected(mut self, answer: &Answer) -> Vec<(Row, String)> {
        let mut reasons: BTreeMap<usize, String> = BTreeMap::new();
        for (call, reason) in &answer.rejected {
            let row = self.rows.partition_point(|(first, _)| first <= call);
            if let Some(row) = row.checked_sub(1) {
                reasons.entry(row).or_insert_with(|| reason.clone());
            }
        }
        let refused = self
            .rows
            .into_iter()
            .enumerate()
            .filter_map(|(index, (_, row))| Some((row, reasons.remove(&index)?)));
        self.rejected.extend(refused);
        self.rejected.sort_by_key(|(row, _)| row.number);
        self.rejected
    }
}

/// Keeps the progress in the order of the rows.
struct Ledger<'a> {
    progress: Progress,
    rejected: Rejected,
    state: &'a Path,
    waiting: BTreeMap<u64, (Batch, Answer)>,
    next: u64,
}

impl Ledger<'_> {
    fn settle(&mut self, batch: Batch, answer: Answer) -> Result<()> {
        self.waiting.insert(batch.number, (batch, answer));
        while let Some((batch, answer)) = self.waiting.remove(&self.next) {
            self.next += 1;
            self.progress.rows_count = batch.last_row;
            self.progress.accepted_count += answer.accepted_count;
            self.progress.duplicate_count += answer.duplicate_count;
            let rejected = batch.into_rejected(&answer);
            self.progress.rejected_count += rejected.len() as u64;
            self.progress.rejected_bytes = self.rejected.add(&rejected)?;
            self.progress.write(self.state)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
