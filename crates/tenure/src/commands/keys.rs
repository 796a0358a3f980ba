//! `tenure keys`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Subcommand;
use tenure_app::workspace::Workspace;
use tenure_store_sqlite::{Options, SqliteStore};

use super::init::entropy;
use crate::output;

/// `tenure keys`
#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Replace write key and API token; the old ones open nothing any more. Stop the server first
    #[command(after_help = "Examples:\n  tenure keys rotate --data ./data")]
    Rotate {
        /// Data folder
        #[arg(long, env = "TENURE_DATA")]
        data: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command.
pub(crate) fn run(command: &Keys) -> Result<()> {
    let Keys::Rotate { data, json } = command;
    let store = SqliteStore::open(data, Options::default())
        .with_context(|| format!("cannot open {}", data.display()))?;
    let credentials = Workspace::open(&store)?.rotate(&store, &entropy()?)?;
    if *json {
        output::json(&serde_json::to_value(&credentials)?);
    } else {
        output::line(format!(
            "  write key (for sending events)    {}\n  API token (for everything else)   {}\n\nGive the write key to whatever sends events.",
            credentials.write_key, credentials.api_token
        ));
    }
    Ok(())
}
