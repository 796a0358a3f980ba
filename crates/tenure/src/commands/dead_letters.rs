//! `tenure dead-letters`.

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use serde_json::json;

use super::listing::{Asking, Listed, act, list, show};
use crate::client::path_part;
use crate::output::Column;

/// `tenure dead-letters`
#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetters {
    /// List what was given up: entries, messages, webhooks of topics
    #[command(after_help = "Examples:\n  tenure dead-letters list --kind message")]
    List {
        /// Of this kind: ingest, message, webhook
        #[arg(long)]
        kind: Option<String>,
        #[command(flatten)]
        listed: Listed,
    },
    /// Show one, with what it holds
    #[command(after_help = "Examples:\n  tenure dead-letters show 17")]
    Show {
        /// Its id
        id: String,
        #[command(flatten)]
        asking: Asking,
    },
    /// Try dead letters again, after their cause is gone
    #[command(
        after_help = "Examples:\n  tenure dead-letters replay 17\n  tenure dead-letters replay --all --kind message --of renewal"
    )]
    Replay(Which),
    /// Take dead letters out
    #[command(
        after_help = "Examples:\n  tenure dead-letters discard 17\n  tenure dead-letters discard --all --kind webhook"
    )]
    Discard(Which),
}

/// Which dead letters.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Their ids
    #[arg(required_unless_present = "all")]
    ids: Vec<String>,
    /// All that fit (up to 1 000)
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    /// Of this kind: ingest, message, webhook
    #[arg(long, requires = "all")]
    kind: Option<String>,
    /// Of this program or endpoint
    #[arg(long, requires = "all")]
    of: Option<String>,
    /// Whose reason contains this
    #[arg(long, requires = "all")]
    reason: Option<String>,
    /// Given up before this instant
    #[arg(long, requires = "all")]
    before: Option<String>,
    #[command(flatten)]
    asking: Asking,
}

const COLUMNS: &[Column] = &[
    Column {
        title: "ID",
        pointers: &["/id"],
    },
    Column {
        title: "KIND",
        pointers: &["/kind"],
    },
    Column {
        title: "AT",
        pointers: &["/at"],
    },
    Column {
        title: "OF",
        pointers: &["/of"],
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
        DeadLetters::List { kind, listed } => list(
            listed,
            "dead-letters",
            &[("kind", kind.as_ref())],
            COLUMNS,
            "no dead letters: nothing was given up",
        ),
        DeadLetters::Show { id, asking } => {
            show(asking, &format!("dead-letters/{}", path_part(id)))
        }
        DeadLetters::Replay(which) => act_on(which, "replay", "will be tried again"),
        DeadLetters::Discard(which) => act_on(which, "discard", "is taken out"),
    }
}

fn act_on(which: &Which, verb: &str, done: &str) -> Result<()> {
    if which.all {
        let body = json!({
            "kind": which.kind,
            "of": which.of,
            "reason": which.reason,
            "before": which.before,
        });
        let path = format!("dead-letters/{verb}");
        return act(&which.asking, &path, &body, "done");
    }
    let mut failed_count = 0;
    for id in &which.ids {
        let path = format!("dead-letters/{}/{verb}", path_part(id));
        let acted = act(&which.asking, &path, &json!({}), &format!("{id} {done}"));
        if let Err(error) = acted {
            crate::output::line(format!("{id}: {error:#}"));
            failed_count += 1;
        }
    }
    if failed_count > 0 {
        bail!("{failed_count} of {} were not possible", which.ids.len());
    }
    Ok(())
}
