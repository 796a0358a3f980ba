//! `tenure secrets`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Subcommand;
use tenure_app::access::seal::{SealingKey, names};
use tenure_app::access::secret::Seeded;
use tenure_app::access::{Access, Actor, Registrar};
use tenure_app::clock::Clock;
use tenure_store_sqlite::{Options, SqliteStore};

use super::users::seed;
use crate::output;
use crate::server::SystemClock;

/// `tenure secrets`
#[derive(Debug, Subcommand)]
pub(crate) enum Secrets {
    /// List the names of the sealed secrets of connectors. Stop the server first
    #[command(after_help = "Examples:\n  tenure secrets list --data ./data")]
    List {
        /// Data folder
        #[arg(long, env = "TENURE_DATA")]
        data: PathBuf,
    },
    /// Seal every secret with a new key, all or none. Stop the server first, and start it again with the new key in
    /// `TENURE_SECRET_KEY`
    #[command(
        after_help = "Examples:\n  tenure secrets reseal --data ./data --old-key-file old.key --new-key-file new.key"
    )]
    Reseal {
        /// Data folder
        #[arg(long, env = "TENURE_DATA")]
        data: PathBuf,
        /// File that holds the key in use
        #[arg(long)]
        old_key_file: PathBuf,
        /// File that holds the new key: at least 32 random characters
        #[arg(long)]
        new_key_file: PathBuf,
    },
}

/// Runs the command.
pub(crate) fn run(command: &Secrets) -> Result<()> {
    let open = |data: &Path| {
        SqliteStore::open(data, Options::default())
            .with_context(|| format!("cannot open {}", data.display()))
    };
    match command {
        Secrets::List { data } => {
            for name in names(&open(data)?)? {
                output::line(name);
            }
            Ok(())
        }
        Secrets::Reseal {
            data,
            old_key_file,
            new_key_file,
        } => {
            let (old, new) = (key(old_key_file)?, key(new_key_file)?);
            let store = open(data)?;
            let access = Access::open(&store)?;
            let random = Seeded::new(&seed()?);
            let registrar = Registrar::offline(&store, &access, &random, SystemClock.now());
            let count = registrar.reseal(&old, &new, &Actor::command())?;
            output::line(format!("{count} secrets are sealed with the new key"));
            Ok(())
        }
    }
}

fn key(path: &Path) -> Result<SealingKey> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the key file {}", path.display()))?;
    SealingKey::derive(&text).with_context(|| {
        format!(
            "{} holds no key: at least {} random characters, for example of `openssl rand -base64 48`",
            path.display(),
            SealingKey::TEXT_CHARS_MIN
        )
    })
}
