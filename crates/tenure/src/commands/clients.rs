//! `tenure clients` and `tenure tokens`.

use anyhow::Result;
use clap::Subcommand;
use serde_json::json;

use super::listing::{Asking, Listed, act, list};
use crate::client::{Client, path_part};
use crate::output::{self, Column};

/// `tenure clients`
#[derive(Debug, Subcommand)]
pub(crate) enum Clients {
    /// List applications
    #[command(after_help = "Examples:\n  tenure clients list")]
    List {
        #[command(flatten)]
        listed: Listed,
    },
    /// Add an application, and print its secret: it cannot be printed again
    #[command(
        after_help = "Examples:\n  tenure clients create --name Reports --scopes profiles:read\n  tenure clients create --name Portal --scopes profiles:read --redirect-uri https://portal.example.com/callback"
    )]
    Create {
        /// Name for people
        #[arg(long)]
        name: String,
        /// The most it may be given; scopes with commas or spaces between
        #[arg(long)]
        scopes: String,
        /// Where codes may be sent; without any it only acts by itself
        #[arg(long = "redirect-uri", value_name = "URI")]
        redirect_uris: Vec<String>,
        /// It can keep no secret
        #[arg(long)]
        public: bool,
        #[command(flatten)]
        asking: Asking,
    },
    /// Give an application a new secret; the old one goes on for a day
    #[command(
        after_help = "Examples:\n  tenure clients rotate cli_abc\n  tenure clients rotate cli_abc --grace-ms 0"
    )]
    Rotate {
        /// Its id
        client: String,
        /// For how long the old secret goes on
        #[arg(long)]
        grace_ms: Option<u32>,
        #[command(flatten)]
        asking: Asking,
    },
    /// Remove an application; what it was given opens nothing from now on
    #[command(after_help = "Examples:\n  tenure clients delete cli_abc")]
    Delete {
        /// Its id
        client: String,
        #[command(flatten)]
        asking: Asking,
    },
}

/// `tenure tokens`
#[derive(Debug, Subcommand)]
pub(crate) enum Tokens {
    /// List API tokens
    #[command(after_help = "Examples:\n  tenure tokens list")]
    List {
        #[command(flatten)]
        listed: Listed,
    },
    /// Make an API token with some scopes, and print it: it cannot be printed again
    #[command(
        after_help = "Examples:\n  tenure tokens create --name ci --scopes definitions:read,definitions:write"
    )]
    Create {
        /// Name for people
        #[arg(long)]
        name: String,
        /// What it allows; scopes with commas or spaces between
        #[arg(long)]
        scopes: String,
        #[command(flatten)]
        asking: Asking,
    },
    /// Take an API token back
    #[command(after_help = "Examples:\n  tenure tokens delete tkn_abc")]
    Delete {
        /// Its id
        #[arg(value_name = "TOKEN")]
        id: String,
        #[command(flatten)]
        asking: Asking,
    },
}

const fn column(title: &'static str, pointers: &'static [&'static str]) -> Column {
    Column { title, pointers }
}

const CLIENT_COLUMNS: &[Column] = &[
    column("ID", &["/id"]),
    column("NAME", &["/name"]),
    column("SCOPES", &["/scopes"]),
    column("PUBLIC", &["/public"]),
    column("CREATED", &["/created_at"]),
];

const TOKEN_COLUMNS: &[Column] = &[
    column("ID", &["/id"]),
    column("NAME", &["/name"]),
    column("SCOPES", &["/scopes"]),
    column("CREATED", &["/created_at"]),
];

const SHOWN_ONCE: &str = "Keep the secret now: only its hash is stored.";

fn spaced(scopes: &str) -> String {
    scopes.replace(',', " ")
}

/// Runs `tenure clients`.
pub(crate) fn run(command: &Clients) -> Result<()> {
    match command {
        Clients::List { listed } => list(
            listed,
            "clients",
            &[],
            CLIENT_COLUMNS,
            "there are no applications yet",
        ),
        Clients::Create {
            name,
            scopes,
            redirect_uris,
            public,
            asking,
        } => {
            let body = json!({
                "name": name, "scopes": spaced(scopes), "redirect_uris": redirect_uris, "public": public,
            });
            act(asking, "clients", &body, SHOWN_ONCE)
        }
        Clients::Rotate {
            client,
            grace_ms,
            asking,
        } => {
            let path = format!("clients/{}/rotate-secret", path_part(client));
            act(asking, &path, &json!({"grace_ms": grace_ms}), SHOWN_ONCE)
        }
        Clients::Delete { client, asking } => delete(
            asking,
            &format!("clients/{}", path_part(client)),
            "the application is removed",
        ),
    }
}

/// Runs `tenure tokens`.
pub(crate) fn run_tokens(command: &Tokens) -> Result<()> {
    match command {
        Tokens::List { listed } => list(
            listed,
            "tokens",
            &[],
            TOKEN_COLUMNS,
            "there are no tokens besides the one of `tenure init`",
        ),
        Tokens::Create {
            name,
            scopes,
            asking,
        } => {
            let body = json!({"name": name, "scopes": spaced(scopes)});
            act(asking, "tokens", &body, SHOWN_ONCE)
        }
        Tokens::Delete { id, asking } => delete(
            asking,
            &format!("tokens/{}", path_part(id)),
            "the token opens nothing any more",
        ),
    }
}

fn delete(asking: &Asking, path: &str, done: &str) -> Result<()> {
    let answer = Client::new(&asking.remote)?.delete(path)?;
    if asking.json {
        output::json(&answer);
    } else {
        output::line(done);
    }
    Ok(())
}
