//! `tenure dead-letters`.

use anyhow::Result;
use clap::Subcommand;
use serde_json::json;

use super::listing::{Asking, Listed, act, list};
use crate::client::{Client, path_part};
use crate::output::Column;

/// `tenure dead-letters`
#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetters {
    /// List what could not be processed, newest first
    #[command(after_help = "Examples:\n  tenure dead-letters list")]
    List {
        #[command(flatten)]
        listed: Listed,
    },
    /// Process dead letters again, after their cause is gone
    #[command(
        after_help = "Examples:\n  tenure dead-letters replay 17\n  tenure dead-letters replay --all"
    )]
    Replay {
        /// Their numbers
        #[arg(required_unless_present = "all")]
        ids: Vec<String>,
        /// All of them
        #[arg(long, conflicts_with = "ids")]
        all: bool,
        #[command(flatten)]
        asking: Asking,
    },
}

const COLUMNS: &[Column] = &[
    Column {
        title: "ID",
        pointers: &["/id"],
    },
    Column {
        title: "AT",
        pointers: &["/at"],
    },
    Column {
        title: "POSITION",
        pointers: &["/position"],
    },
    Column {
        title: "REASON",
        pointers: &["/reason"],
    },
];

/// Runs the command.
pub(crate) fn run(command: &DeadLetters) -> Result<()> {
    match command {
        DeadLetters::List { listed } => list(
            listed,
            "dead-letters",
            &[],
            COLUMNS,
            "no dead letters: everything was processed",
        ),
        DeadLetters::Replay { ids, all, asking } => {
            let ids = if *all {
                all_ids(&Client::new(&asking.remote)?)?
            } else {
                ids.clone()
            };
            for id in ids {
                act(
                    asking,
                    &format!("dead-letters/{}/replay", path_part(&id)),
                    &json!({}),
                    &format!("{id} will be processed again"),
                )?;
            }
            Ok(())
        }
    }
}

fn all_ids(client: &Client) -> Result<Vec<String>> {
    let rows = client.rows("dead-letters", &[], None)?;
    Ok(rows
        .iter()
        .map(|row| {
            row["id"]
                .as_str()
                .map_or_else(|| row["id"].to_string(), str::to_owned)
        })
        .collect())
}
