//! `tenure init`: a data folder with a workspace and its keys.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use rand::TryRngCore;
use rand::rngs::OsRng;
use tenure_app::access::Role;
use tenure_app::access::users::NewUser;
use tenure_app::workspace::{Credentials, ENTROPY_BYTES, Workspace};
use tenure_store_sqlite::{DATABASE_FILE, Options, SqliteStore};

use super::users::add;
use crate::{output, passwords};

/// Create a data folder with an empty workspace, and print its keys. They are kept as hashes only: what is printed now
/// cannot be printed again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure init --data ./data --name \"Northbeam\"  # quotes are for your shell
  tenure init --data ./data --owner-email ana@example.com  # asks for a password
  tenure init --data ./data --json")]
pub(crate) struct Init {
    /// Folder to create
    #[arg(long, env = "TENURE_DATA")]
    data: PathBuf,
    /// Name of the workspace, for people
    #[arg(long, default_value = "My company")]
    name: String,
    /// Address of the first user, who is owner and signs in to the console; the password is asked for
    #[arg(long)]
    owner_email: Option<String>,
    /// Name of the first user, for people; the address when left out
    #[arg(long, requires = "owner_email")]
    owner_name: Option<String>,
    /// File that holds the first user's password, instead of asking or reading standard input
    #[arg(long, requires = "owner_email")]
    owner_password_file: Option<PathBuf>,
    /// Print `workspace_id`, `write_key` and `api_token` as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: &Init) -> Result<()> {
    let owner = args
        .owner_email
        .as_deref()
        .map(|email| first_owner(args, email));
    let owner = owner.transpose()?;
    let credentials = create(&args.data, &args.name)?;
    if let Some(owner) = owner {
        add(owner, &args.data).with_context(|| {
            format!(
                "the workspace is made, but its owner is not; add one with `tenure users add --role owner --data {}`",
                args.data.display()
            )
        })?;
    }
    if args.json {
        output::json(&serde_json::to_value(&credentials)?);
        return Ok(());
    }
    let folder = args.data.display();
    output::line(format!(
        "created workspace {} in {folder}\n\n  write key (for sending events)    {}\n  API token (for everything else)   {}\n\n\
         Keep them now: only their hashes are stored. Next:\n\n  tenure serve --data {folder}\n  \
         export TENURE_TOKEN={}\n  tenure apply programs",
        credentials.workspace_id,
        credentials.write_key,
        credentials.api_token,
        credentials.api_token
    ));
    Ok(())
}

/// The first user. The password is read before anything is made: a mistake leaves nothing behind.
fn first_owner(args: &Init, email: &str) -> Result<NewUser> {
    let password = passwords::choose(args.owner_password_file.as_deref())?;
    let owner = NewUser {
        email: email.to_owned(),
        name: args.owner_name.clone().unwrap_or_else(|| email.to_owned()),
        role: Role::Owner,
        password: Some(password),
        owner: None,
    };
    owner.check()?;
    Ok(owner)
}

/// Creates folder, store and workspace.
pub(crate) fn create(folder: &Path, name: &str) -> Result<Credentials> {
    if folder.join(DATABASE_FILE).exists() {
        bail!(
            "{0} holds a workspace already; serve it with `tenure serve --data {0}`, or make new keys for it with `tenure keys rotate --data {0}`",
            folder.display()
        );
    }
    let store = SqliteStore::create(folder, Options::default())
        .with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(Workspace::create(&store, name, &entropy()?)?)
}

/// Random bytes of the operating system, for keys.
pub(crate) fn entropy() -> Result<[u8; ENTROPY_BYTES]> {
    let mut bytes = [0; ENTROPY_BYTES];
    OsRng
        .try_fill_bytes(&mut bytes)
        .context("the operating system gives no random bytes")?;
    Ok(bytes)
}
