//! `tenure erase`.

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::listing::{Asking, person_id};
use crate::client::{Client, path_part};
use crate::failure::Usage;
use crate::output;

/// How often the job is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Erase a person: everything that was told about them, also from the log. Their addresses stay suppressed, as hashes.
/// There is no way back, except through a backup made before.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure erase noor@example.com --yes
  tenure erase per_01h455vb4pex5vsknk084sn02q --yes --no-compact")]
pub(crate) struct Erase {
    /// Id, user id or e-mail address
    person: String,
    /// Really do it
    #[arg(long)]
    yes: bool,
    /// Leave deleted bytes in the files until a later erasure: compacting holds up writing
    #[arg(long)]
    no_compact: bool,
    #[command(flatten)]
    asking: Asking,
}

/// Runs the command.
pub(crate) fn run(args: &Erase) -> Result<()> {
    if !args.yes {
        return Err(
            Usage("there is no way back from an erasure; add --yes to do it".to_owned()).into(),
        );
    }
    let client = Client::new(&args.asking.remote)?;
    let id = person_id(&client, &args.person)?;
    let path = format!("people/{}?compact={}", path_part(&id), !args.no_compact);
    let job = follow(&client, client.delete(&path)?)?;
    if args.asking.json {
        output::json(&job);
    }
    match job["state"].as_str() {
        Some("succeeded") if args.asking.json => Ok(()),
        Some("succeeded") => {
            output::line(format!(
                "{id} is erased; {} entries of the log were redacted",
                job["result"]["redacted_count"]
            ));
            Ok(())
        }
        state => bail!(
            "the erasure is {}: {}",
            state.unwrap_or("unknown"),
            job["error"].as_str().unwrap_or("no reason is known")
        ),
    }
}

/// Waits for the end of a job, with a bar on a terminal.
fn follow(client: &Client, mut job: Value) -> Result<Value> {
    let bar = if std::io::stderr().is_terminal() {
        ProgressBar::new(0)
    } else {
        ProgressBar::hidden()
    };
    bar.set_style(ProgressStyle::with_template("{bar:40} {percent}% {msg}")?);
    let id = job["id"].as_str().unwrap_or_default().to_owned();
    while matches!(job["state"].as_str(), Some("queued" | "running")) {
        std::thread::sleep(LOOK_EVERY);
        job = client.get(&format!("jobs/{}", path_part(&id)), &[])?;
        bar.set_length(job["total_count"].as_u64().unwrap_or(0));
        bar.set_position(job["done_count"].as_u64().unwrap_or(0));
        bar.set_message(job["state"].as_str().unwrap_or_default().to_owned());
    }
    bar.finish_and_clear();
    Ok(job)
}
