//! `tenure breakers`.

use anyhow::Result;
use clap::Subcommand;
use serde_json::json;

use super::listing::{Asking, Listed, act, list};
use crate::client::path_part;
use crate::output::Column;

/// `tenure breakers`
#[derive(Debug, Subcommand)]
pub(crate) enum Breakers {
    /// List circuit breakers: that of e-mail, and those of destinations that fail
    #[command(after_help = "Examples:\n  tenure breakers list")]
    List {
        #[command(flatten)]
        listed: Listed,
    },
    /// Close a breaker by hand: the next attempt is made at once
    #[command(after_help = "Examples:\n  tenure breakers reset webhook:hooks.example.com")]
    Reset {
        /// Its name
        breaker: String,
        #[command(flatten)]
        asking: Asking,
    },
}

const COLUMNS: &[Column] = &[
    Column {
        title: "NAME",
        pointers: &["/name"],
    },
    Column {
        title: "STATE",
        pointers: &["/state"],
    },
    Column {
        title: "FAILURES",
        pointers: &["/failure_count"],
    },
    Column {
        title: "UNTIL",
        pointers: &["/until"],
    },
];

/// Runs the command.
pub(crate) fn run(command: &Breakers) -> Result<()> {
    match command {
        Breakers::List { listed } => list(listed, "breakers", &[], COLUMNS, "no breakers"),
        Breakers::Reset { breaker, asking } => act(
            asking,
            &format!("breakers/{}/reset", path_part(breaker)),
            &json!({}),
            "the breaker is closed",
        ),
    }
}
