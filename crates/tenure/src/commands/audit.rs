//! `tenure audit`.

use std::io::{Read, Write};
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Subcommand;
use serde_json::Value;
use tenure_app::access::audit::verify;
use tenure_store_sqlite::{Options, SqliteStore};

use super::listing::{Asking, Listed, list};
use crate::client::{Client, Remote};
use crate::failure::Shown;
use crate::output::{self, Column};

/// `tenure audit`
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// List what was changed and exported, newest first
    #[command(
        after_help = "Examples:\n  tenure audit list --actor usr_abc\n  tenure audit list --action user.change --since 2026-03-01T00:00:00Z --json"
    )]
    List {
        /// By this user, application or token (id)
        #[arg(long)]
        actor: Option<String>,
        /// This was done
        #[arg(long)]
        action: Option<String>,
        /// To this
        #[arg(long)]
        target: Option<String>,
        /// At this time or later (RFC 3339)
        #[arg(long)]
        since: Option<String>,
        /// Before this time (RFC 3339)
        #[arg(long)]
        until: Option<String>,
        #[command(flatten)]
        listed: Listed,
    },
    /// Compute every hash of the audit trail anew
    #[command(
        after_help = "Examples:\n  tenure audit verify\n  tenure audit verify --data ./data  # without asking the server; stop it first"
    )]
    Verify {
        /// Data folder of a server that does not run, instead of asking one
        #[arg(long)]
        data: Option<PathBuf>,
        #[command(flatten)]
        asking: Asking,
    },
    /// Write the whole audit trail as JSONL, oldest first
    #[command(after_help = "Examples:\n  tenure audit export --out audit.jsonl")]
    Export {
        /// File to write, instead of standard output
        #[arg(long)]
        out: Option<PathBuf>,
        #[command(flatten)]
        remote: Remote,
    },
}

const fn column(title: &'static str, pointers: &'static [&'static str]) -> Column {
    Column { title, pointers }
}

const COLUMNS: &[Column] = &[
    column("SEQ", &["/seq"]),
    column("AT", &["/at"]),
    column("WHO", &["/actor"]),
    column("ACTION", &["/action"]),
    column("TARGET", &["/target"]),
    column("FROM", &["/origin/address"]),
];

/// Runs the command.
pub(crate) fn run(command: &Audit) -> Result<()> {
    match command {
        Audit::List {
            actor,
            action,
            target,
            since,
            until,
            listed,
        } => {
            let filters = [
                ("actor", actor.as_ref()),
                ("action", action.as_ref()),
                ("target", target.as_ref()),
                ("since", since.as_ref()),
                ("until", until.as_ref()),
            ];
            list(
                listed,
                "audit",
                &filters,
                COLUMNS,
                "nothing like that was done",
            )
        }
        Audit::Verify { data, asking } => {
            let found = if let Some(data) = data {
                let store = SqliteStore::open(data, Options::default())
                    .with_context(|| format!("cannot open {}", data.display()))?;
                serde_json::to_value(verify(&store)?)?
            } else {
                Client::new(&asking.remote)?.get("audit/verify", &[])?
            };
            report(&found, asking.json)
        }
        Audit::Export { out, remote } => {
            let mut body = Client::new(remote)?.stream("audit/export", &[])?;
            match out {
                Some(path) => {
                    let file = std::fs::File::create_new(path);
                    let file = file.with_context(|| format!("cannot create {}", path.display()))?;
                    copy(&mut body, file)
                }
                None => copy(&mut body, std::io::stdout().lock()),
            }
        }
    }
}

fn copy(from: &mut impl Read, mut to: impl Write) -> Result<()> {
    std::io::copy(from, &mut to).context("the export was cut off")?;
    to.flush()?;
    Ok(())
}

fn report(found: &Value, as_json: bool) -> Result<()> {
    let broken = !found["broken_at"].is_null();
    if as_json {
        output::json(found);
    } else if broken {
        output::line(format!(
            "entry {} does not fit the entries before it: it, or one before it, was changed or taken out",
            found["broken_at"]
        ));
    } else {
        output::line(format!(
            "all {} entries fit; last hash {}\nNote it elsewhere: whoever has it can tell that nothing was cut off.",
            found["entry_count"],
            found["last_hash"].as_str().unwrap_or("none")
        ));
    }
    if broken { Err(Shown.into()) } else { Ok(()) }
}
