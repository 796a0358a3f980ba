//! `tenure users`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Subcommand;
use rand::TryRngCore;
use serde_json::{Value, json};
use tenure_app::access::secret::Seeded;
use tenure_app::access::users::NewUser;
use tenure_app::access::{Access, Actor, Registrar, Role, User};
use tenure_app::clock::Clock;
use tenure_store_sqlite::{Options, SqliteStore};

use super::listing::{Asking, Listed, act, list};
use crate::client::{Client, path_part};
use crate::output::{self, Column};
use crate::passwords;
use crate::server::SystemClock;

/// `tenure users`
#[derive(Debug, Subcommand)]
pub(crate) enum Users {
    /// List users
    #[command(after_help = "Examples:\n  tenure users list")]
    List {
        #[command(flatten)]
        listed: Listed,
    },
    /// Add a user. The password is asked for, or read from standard input or a file; it is never an argument
    #[command(
        after_help = "Examples:\n  tenure users add ana@example.com --name Ana --role owner --data ./data  # the first one; stop the server first\n  tenure users add ben@example.com --name Ben --role csm --password-file ben.txt"
    )]
    Add {
        /// Address to sign in with
        email: String,
        /// Name for people
        #[arg(long)]
        name: String,
        /// owner, admin, manager, marketer, csm, analyst or developer
        #[arg(long)]
        role: Role,
        /// As whom accounts name them in `owner`; the address when left out
        #[arg(long)]
        owner: Option<String>,
        /// File that holds the password, instead of standard input
        #[arg(long)]
        password_file: Option<PathBuf>,
        /// Data folder of a server that does not run, instead of asking one
        #[arg(long)]
        data: Option<PathBuf>,
        #[command(flatten)]
        asking: Asking,
    },
    /// Change a user; what is left out stays
    #[command(
        after_help = "Examples:\n  tenure users change usr_abc --role manager\n  tenure users change usr_abc --active false"
    )]
    Change {
        /// Id
        user: String,
        /// Name for people
        #[arg(long)]
        name: Option<String>,
        /// owner, admin, manager, marketer, csm, analyst or developer
        #[arg(long)]
        role: Option<Role>,
        /// As whom accounts name them in `owner`
        #[arg(long)]
        owner: Option<String>,
        /// Whether they may sign in
        #[arg(long)]
        active: Option<bool>,
        /// File that holds a new password; ends their sessions
        #[arg(long)]
        password_file: Option<PathBuf>,
        /// Ask for no one-time code any more
        #[arg(long)]
        clear_one_time_codes: bool,
        #[command(flatten)]
        asking: Asking,
    },
    /// Remove a user
    #[command(after_help = "Examples:\n  tenure users delete usr_abc")]
    Delete {
        /// Id
        user: String,
        #[command(flatten)]
        asking: Asking,
    },
}

const fn column(title: &'static str, pointers: &'static [&'static str]) -> Column {
    Column { title, pointers }
}

const COLUMNS: &[Column] = &[
    column("ID", &["/id"]),
    column("EMAIL", &["/email"]),
    column("NAME", &["/name"]),
    column("ROLE", &["/role"]),
    column("ACTIVE", &["/active"]),
    column("CODES", &["/one_time_codes"]),
];

/// Runs the command.
pub(crate) fn run(command: &Users) -> Result<()> {
    match command {
        Users::List { listed } => list(listed, "users", &[], COLUMNS, "there are no users yet"),
        Users::Add {
            email,
            name,
            role,
            owner,
            password_file,
            data,
            asking,
        } => {
            let password = passwords::choose(password_file.as_deref())?;
            let new = NewUser {
                email: email.clone(),
                name: name.clone(),
                role: *role,
                password: Some(password),
                owner: owner.clone(),
            };
            let Some(data) = data else {
                let body = json!({
                    "email": new.email, "name": new.name, "role": new.role,
                    "password": new.password, "owner": new.owner,
                });
                return act(asking, "users", &body, "the user is added");
            };
            let user = add(new, data)?;
            let shown: Value =
                json!({"id": user.id, "email": user.email, "name": user.name, "role": user.role});
            output::detail(&shown, asking.json);
            Ok(())
        }
        Users::Change {
            user,
            name,
            role,
            owner,
            active,
            password_file,
            clear_one_time_codes,
            asking,
        } => {
            let password = password_file
                .as_deref()
                .map(|path| passwords::choose(Some(path)));
            let change = json!({
                "name": name, "role": role, "owner": owner, "active": active,
                "password": password.transpose()?, "clear_one_time_codes": clear_one_time_codes,
            });
            let path = format!("users/{}", path_part(user));
            let changed = Client::new(&asking.remote)?.patch(&path, &change)?;
            output::detail(&changed, asking.json);
            Ok(())
        }
        Users::Delete { user, asking } => {
            let path = format!("users/{}", path_part(user));
            Client::new(&asking.remote)?.delete(&path)?;
            output::line("the user is removed");
            Ok(())
        }
    }
}

/// Adds a user to the data folder of a server that does not run.
pub(crate) fn add(new: NewUser, data: &Path) -> Result<User> {
    let store = SqliteStore::open(data, Options::default())
        .with_context(|| format!("cannot open {}", data.display()))?;
    let access = Access::open(&store)?;
    let random = Seeded::new(&seed()?);
    let registrar = Registrar::offline(&store, &access, &random, SystemClock.now());
    Ok(registrar.create_user(new, &Actor::command())?)
}

/// Random bytes of the operating system.
pub(crate) fn seed() -> Result<[u8; 32]> {
    let mut seed = [0; 32];
    rand::rngs::OsRng
        .try_fill_bytes(&mut seed)
        .context("the operating system gives no random bytes")?;
    Ok(seed)
}
