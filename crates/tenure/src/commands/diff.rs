//! `tenure diff`: what `apply` would change.

use anyhow::Result;
use clap::Args;

use super::apply::{Change, show_changes, show_refusal};
use crate::client::{Client, Remote};
use crate::output;

/// Compare files with what is in force on a server, without changing anything.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure diff programs
  tenure diff programs --prune")]
pub(crate) struct Diff {
    #[command(flatten)]
    change: Change,
    #[command(flatten)]
    remote: Remote,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: &Diff) -> Result<()> {
    let client = Client::new(&args.remote)?;
    let answer = client
        .post("definitions/diff", &args.change.body()?)
        .map_err(show_refusal)?;
    if args.json {
        output::json(&answer);
    } else {
        show_changes(&answer, true);
    }
    Ok(())
}
