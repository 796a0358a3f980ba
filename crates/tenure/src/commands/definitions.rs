//! `tenure definitions`.

use anyhow::Result;
use clap::Subcommand;

use super::apply::{show_changes, show_refusal};
use super::listing::{Asking, Filter, Listed, list};
use crate::client::{Client, path_part};
use crate::output::{self, Column};

/// `tenure definitions`
#[derive(Debug, Subcommand)]
pub(crate) enum Definitions {
    /// List definitions and templates in force
    #[command(
        after_help = "Examples:\n  tenure definitions list\n  tenure definitions list --kind program --json"
    )]
    List {
        /// Of this kind: segment, signal, program, policy, test, template
        #[arg(long)]
        kind: Option<String>,
        #[command(flatten)]
        listed: Listed,
    },
    /// Print the text of a definition or template, as it was applied
    #[command(after_help = "Examples:\n  tenure definitions show program renewal")]
    Show {
        /// Its kind
        kind: String,
        /// Its name
        name: String,
        #[command(flatten)]
        asking: Asking,
    },
    /// Remove a definition or template; running enrollments of a removed program exit
    #[command(after_help = "Examples:\n  tenure definitions remove program renewal")]
    Remove {
        /// Its kind
        kind: String,
        /// Its name
        name: String,
        #[command(flatten)]
        asking: Asking,
    },
}

/// Columns of definitions.
pub(super) const COLUMNS: &[Column] = &[
    Column {
        title: "KIND",
        pointers: &["/kind"],
    },
    Column {
        title: "NAME",
        pointers: &["/name"],
    },
    Column {
        title: "LANGUAGE",
        pointers: &["/language"],
    },
    Column {
        title: "VERSION",
        pointers: &["/version"],
    },
    Column {
        title: "FILE",
        pointers: &["/path"],
    },
];

/// Runs the command.
pub(crate) fn run(command: &Definitions) -> Result<()> {
    match command {
        Definitions::List { kind, listed } => {
            let filters: [Filter<'_>; 1] = [("kind", kind.as_ref())];
            let when_empty =
                "nothing is defined; `tenure apply programs` publishes the files in that folder";
            list(listed, "definitions", &filters, COLUMNS, when_empty)
        }
        Definitions::Show { kind, name, asking } => {
            let found = Client::new(&asking.remote)?.get(&at(kind, name), &[])?;
            if asking.json {
                output::json(&found);
                return Ok(());
            }
            for (index, row) in found["data"].as_array().into_iter().flatten().enumerate() {
                if index > 0 {
                    output::line("---");
                }
                output::line(row["text"].as_str().unwrap_or_default().trim_end());
            }
            Ok(())
        }
        Definitions::Remove { kind, name, asking } => {
            let answer = Client::new(&asking.remote)?
                .delete(&at(kind, name))
                .map_err(show_refusal)?;
            if asking.json {
                output::json(&answer);
            } else {
                show_changes(&answer, false);
            }
            Ok(())
        }
    }
}

fn at(kind: &str, name: &str) -> String {
    format!("definitions/{}/{}", path_part(kind), path_part(name))
}
