//! `tenure topics`.

use anyhow::Result;
use clap::Subcommand;

use super::listing::{Asking, Listed, list};
use crate::client::{Client, path_part};
use crate::output::{self, Column};

/// Seconds that one question waits for something to come.
const WAIT_SECONDS: u32 = 20;

/// `tenure topics`
#[derive(Debug, Subcommand)]
pub(crate) enum Topics {
    /// List the topics that other systems can follow
    #[command(after_help = "Examples:\n  tenure topics list")]
    List {
        #[command(flatten)]
        listed: Listed,
    },
    /// Print the events of a topic, one a line
    #[command(
        after_help = "Examples:\n  tenure topics read messages\n  tenure topics read customer_health_events --after latest --follow"
    )]
    Read {
        /// The topic
        topic: String,
        /// Position after which to begin, or `latest`
        #[arg(long, default_value = "0")]
        after: String,
        /// Wait for more
        #[arg(long)]
        follow: bool,
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
        title: "END",
        pointers: &["/end_position"],
    },
    Column {
        title: "ABOUT",
        pointers: &["/about"],
    },
];

/// Runs the command.
pub(crate) fn run(command: &Topics) -> Result<()> {
    match command {
        Topics::List { listed } => list(listed, "topics", &[], COLUMNS, "no topics"),
        Topics::Read {
            topic,
            after,
            follow,
            asking,
        } => read(asking, topic, after.clone(), *follow),
    }
}

fn read(asking: &Asking, topic: &str, mut after: String, follow: bool) -> Result<()> {
    let client = Client::new(&asking.remote)?;
    let path = format!("topics/{}", path_part(topic));
    loop {
        let wait = if follow { WAIT_SECONDS } else { 0 };
        let query = [("after", after.clone()), ("wait", wait.to_string())];
        let part = client.get(&path, &query)?;
        for event in part["data"].as_array().into_iter().flatten() {
            output::line(event.to_string());
        }
        if !follow && part["next_position"] == part["end_position"] {
            return Ok(());
        }
        after = part["next_position"].to_string();
    }
}
