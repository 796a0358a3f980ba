//! Waiting for a job of the server, with a progress bar.

use std::time::Duration;

use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use crate::client::{Client, path_part};

/// How often the server is asked how far it is.
const POLL: Duration = Duration::from_millis(300);

/// Follows a job to its end and gives what came of it. Whoever interrupts this leaves the job running: it is the
/// server's.
pub(crate) fn wait(client: &Client, job: &Value, what: &'static str) -> Result<Value> {
    let id = job["id"].as_str().unwrap_or_default().to_owned();
    let path = format!("jobs/{}", path_part(&id));
    let bar = ProgressBar::new_spinner().with_message(what);
    let mut job = job.clone();
    loop {
        show(&bar, &job);
        match job["state"].as_str().unwrap_or_default() {
            "succeeded" => {
                bar.finish_and_clear();
                return Ok(job["result"].clone());
            }
            "failed" => {
                bar.finish_and_clear();
                bail!(
                    "{what} failed: {}",
                    job["error"].as_str().unwrap_or("no reason was told")
                );
            }
            "cancelled" => {
                bar.finish_and_clear();
                bail!("{what} was cancelled ({id})");
            }
            _ => std::thread::sleep(POLL),
        }
        job = client.get(&path, &[])?;
    }
}

fn show(bar: &ProgressBar, job: &Value) {
    let done = job["done_count"].as_u64().unwrap_or_default();
    if let Some(total) = job["total_count"].as_u64().filter(|total| *total > 0) {
        if bar.length() != Some(total) {
            bar.set_length(total);
            if let Ok(style) = ProgressStyle::with_template("{msg} {bar:40} {percent}% {eta}") {
                bar.set_style(style);
            }
        }
        bar.set_position(done);
    } else {
        bar.tick();
    }
}
