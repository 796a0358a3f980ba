//! One batch to the server, patiently.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::client::{Client, ClientError};

/// How often a server that does not answer is tried again before the import stops.
const UNREACHABLE_ATTEMPTS: u32 = 6;
/// Delay before the first of these; it doubles.
const UNREACHABLE_DELAY: Duration = Duration::from_secs(1);
/// Longest that a busy server's wish to wait is followed, in seconds.
const BUSY_SECONDS_MAX: u64 = 30;

/// What the server said about a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Calls it took.
    pub(crate) accepted_count: u64,
    /// Calls it knew already.
    pub(crate) duplicate_count: u64,
    /// Calls it refused: place in the batch, and why.
    pub(crate) rejected: Vec<(usize, String)>,
}

/// Sends a batch, waiting while the server is busy or away for a moment.
pub(crate) fn send(client: &Client, calls: &[Value], stop: &AtomicBool) -> Result<Answer> {
    if calls.is_empty() {
        return Ok(Answer::default());
    }
    let body = json!({ "calls": calls });
    let mut unreachable_count = 0;
    loop {
        match client.post("import", &body) {
            Ok(answer) => return Ok(read_answer(&answer, calls.len())),
            Err(ClientError::Busy { retry_after_s }) => pause(
                Duration::from_secs(retry_after_s.clamp(1, BUSY_SECONDS_MAX)),
                stop,
            )?,
            Err(ClientError::Unreachable { .. }) if unreachable_count < UNREACHABLE_ATTEMPTS => {
                pause(UNREACHABLE_DELAY * 2_u32.pow(unreachable_count), stop)?;
                unreachable_count += 1;
            }
            Err(ClientError::Refused(problem)) => match read_refusal(&problem.body) {
                // A request in which nothing was good is refused as a whole, with the report of every call.
                Some(answer) => return Ok(answer),
                None => {
                    return Err(ClientError::Refused(problem))
                        .context("the server refused a batch");
                }
            },
            Err(error) => return Err(error.into()),
        }
    }
}

fn pause(time: Duration, stop: &AtomicBool) -> Result<()> {
    std::thread::sleep(time);
    if stop.load(Ordering::Relaxed) {
        bail!("the import was stopped");
    }
    Ok(())
}

fn read_answer(answer: &Value, call_count: usize) -> Answer {
    let rejected = read_rejected(answer);
    let duplicate_count = count(answer, "duplicates", "duplicate_count").unwrap_or(0);
    let taken = (call_count as u64).saturating_sub(rejected.len() as u64 + duplicate_count);
    let accepted_count = count(answer, "accepted", "accepted_count").unwrap_or(taken);
    Answer {
        accepted_count,
        duplicate_count,
        rejected,
    }
}

fn read_refusal(body: &Value) -> Option<Answer> {
    let rejected = read_rejected(body);
    (!rejected.is_empty()).then(|| Answer {
        rejected,
        ..Answer::default()
    })
}

fn read_rejected(answer: &Value) -> Vec<(usize, String)> {
    let items = answer["rejected"]
        .as_array()
        .or_else(|| answer["errors"].as_array())
        .into_iter()
        .flatten();
    let item = |item: &Value| {
        let index = usize::try_from(item["index"].as_u64()?).ok()?;
        let text = |name: &str| item[name].as_str().filter(|text| !text.is_empty());
        let reason = text("message")
            .or(text("detail"))
            .or(text("reason"))
            .unwrap_or("refused by the server");
        let reason =
            text("field").map_or_else(|| reason.to_owned(), |field| format!("{field}: {reason}"));
        Some((index, reason))
    };
    items.filter_map(item).collect()
}

fn count(answer: &Value, name: &str, other: &str) -> Option<u64> {
    answer[name].as_u64().or_else(|| answer[other].as_u64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_tells_what_was_taken_known_and_refused() {
        let answer = json!({"accepted": 7, "duplicates": 2, "rejected": [{"index": 4, "field": "timestamp", "message": "is in no known form"}]});
        let read = read_answer(&answer, 10);
        assert_eq!((read.accepted_count, read.duplicate_count), (7, 2));
        assert_eq!(
            read.rejected,
            [(4, "timestamp: is in no known form".to_owned())]
        );
    }
}
