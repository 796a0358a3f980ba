//! `tenure backup`: all data into one file.

use std::io::IsTerminal;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use indicatif::ProgressBar;
use tenure_store::Store;
use tenure_store_sqlite::{Options, SqliteStore};

use crate::client::{Client, Remote};
use crate::output;

/// Copy all data into one file. With --data, of a stopped server; else of the running server, which goes on meanwhile
/// and streams the copy.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure backup --to tenure-2026-03-01.backup
  tenure backup --data ./data --to tenure.backup")]
pub(crate) struct Backup {
    /// Data folder of a server that is stopped
    #[arg(long)]
    data: Option<PathBuf>,
    /// File to write; must not exist
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    #[command(flatten)]
    remote: Remote,
}

/// Runs the command.
pub(crate) fn run(args: &Backup) -> Result<()> {
    if args.to.exists() {
        bail!(
            "{} exists; name another file, or delete it",
            args.to.display()
        );
    }
    match &args.data {
        Some(data) => {
            let store = SqliteStore::open(data, Options::default())
                .with_context(|| format!("cannot open {}", data.display()))?;
            let bar = new_bar();
            store.backup(&args.to, &mut |done, total| {
                bar.set_length(total);
                bar.set_position(done);
            })?;
            bar.finish_and_clear();
        }
        None => download(args)?,
    }
    let bytes = std::fs::metadata(&args.to)?.len();
    output::line(format!(
        "{} ({bytes} bytes); `tenure restore {} --data DIR` makes a data folder of it",
        args.to.display(),
        args.to.display()
    ));
    Ok(())
}

/// Takes the copy under another name first, so that a cut-off transfer never looks like a backup.
fn download(args: &Backup) -> Result<()> {
    let part = args.to.with_extension("part");
    let mut body = Client::new(&args.remote)?.stream("backup", &[])?;
    let mut file =
        std::fs::File::create(&part).with_context(|| format!("cannot write {}", part.display()))?;
    std::io::copy(&mut body, &mut file).context("the transfer was cut off; try again")?;
    file.sync_all()?;
    std::fs::rename(&part, &args.to).with_context(|| format!("cannot write {}", args.to.display()))
}

fn new_bar() -> ProgressBar {
    if std::io::stderr().is_terminal() {
        ProgressBar::new(0)
    } else {
        ProgressBar::hidden()
    }
}
