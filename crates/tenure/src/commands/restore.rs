//! `tenure restore`: a data folder from a backup.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use tenure_app::workspace::Workspace;
use tenure_store::Store;
use tenure_store_sqlite::{DATABASE_FILE, Options, SqliteStore};

use crate::output;

/// Make a data folder from a backup. Never overwrites: the folder must be empty or missing. The result is checked.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure restore tenure-2026-03-01.backup --data ./restored")]
pub(crate) struct Restore {
    /// The backup
    file: PathBuf,
    /// Folder to make
    #[arg(long)]
    data: PathBuf,
}

/// Runs the command.
pub(crate) fn run(args: &Restore) -> Result<()> {
    let folder = &args.data;
    let is_taken = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if is_taken {
        bail!(
            "{} is not empty; name another folder, nothing is overwritten",
            folder.display()
        );
    }
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    let target = folder.join(DATABASE_FILE);
    let part = folder.join(format!("{DATABASE_FILE}.part"));
    std::fs::copy(&args.file, &part)
        .with_context(|| format!("cannot copy {}", args.file.display()))?;
    std::fs::rename(&part, &target)?;
    let workspace = check(args).inspect_err(|_| {
        // What is no backup must not look like a data folder.
        let _ = std::fs::remove_file(&target);
    })?;
    output::line(format!(
        "restored workspace {workspace} into {0}; `tenure serve --data {0}` goes on with it",
        folder.display()
    ));
    Ok(())
}

fn check(args: &Restore) -> Result<String> {
    let open = || SqliteStore::open(&args.data, Options::default());
    let store =
        open().with_context(|| format!("{} is not a backup of Tenure", args.file.display()))?;
    let findings = store.check()?;
    if !findings.is_empty() {
        bail!(
            "{} is damaged: {}",
            args.file.display(),
            findings.join("; ")
        );
    }
    let workspace = Workspace::open(&store)?;
    Ok(format!("{} ({})", workspace.name, workspace.id))
}
