//! `tenure messages`.

use anyhow::Result;
use clap::Subcommand;
use serde_json::json;

use super::listing::{Asking, Listed, act, list, person_id, show};
use crate::client::{Client, path_part};
use crate::output::Column;

/// `tenure messages`
#[derive(Debug, Subcommand)]
pub(crate) enum Messages {
    /// List messages, newest first
    #[command(
        after_help = "Examples:\n  tenure messages list --state unknown\n  tenure messages list --program renewal --json"
    )]
    List {
        /// In this state: pending, sending, sent, delivered, bounced, unknown, dead, cancelled
        #[arg(long)]
        state: Option<String>,
        /// Of this program
        #[arg(long)]
        program: Option<String>,
        /// To this person (id, user id or e-mail address)
        #[arg(long)]
        person: Option<String>,
        #[command(flatten)]
        listed: Listed,
    },
    /// Show one message
    #[command(after_help = "Examples:\n  tenure messages show msg_01h455vb4pex5vsknk084sn02q")]
    Show {
        /// Its id
        message: String,
        #[command(flatten)]
        asking: Asking,
    },
    /// Send a message whose outcome is unknown, or which was given up, again
    #[command(after_help = "Examples:\n  tenure messages resend msg_01h455vb4pex5vsknk084sn02q")]
    Resend {
        /// Its id
        message: String,
        #[command(flatten)]
        asking: Asking,
    },
    /// Cancel a message that has not gone out
    #[command(after_help = "Examples:\n  tenure messages cancel msg_01h455vb4pex5vsknk084sn02q")]
    Cancel {
        /// Its id
        message: String,
        #[command(flatten)]
        asking: Asking,
    },
}

const COLUMNS: &[Column] = &[
    Column {
        title: "ID",
        pointers: &["/id"],
    },
    Column {
        title: "STATE",
        pointers: &["/state"],
    },
    Column {
        title: "SINCE",
        pointers: &["/state_at"],
    },
    Column {
        title: "PROGRAM",
        pointers: &["/program"],
    },
    Column {
        title: "TEMPLATE",
        pointers: &["/template"],
    },
    Column {
        title: "PERSON",
        pointers: &["/person"],
    },
    Column {
        title: "ATTEMPTS",
        pointers: &["/attempt_count", "/attempts"],
    },
    Column {
        title: "REASON",
        pointers: &["/reason"],
    },
];

/// Runs the command.
pub(crate) fn run(command: &Messages) -> Result<()> {
    match command {
        Messages::List {
            state,
            program,
            person,
            listed,
        } => {
            let person = person
                .as_ref()
                .map(|person| person_id(&Client::new(listed.remote())?, person))
                .transpose()?;
            let filters = [
                ("state", state.as_ref()),
                ("program", program.as_ref()),
                ("person", person.as_ref()),
            ];
            list(
                listed,
                "messages",
                &filters,
                COLUMNS,
                "no such messages; `tenure decisions list` says what programs decided instead",
            )
        }
        Messages::Show { message, asking } => {
            show(asking, &format!("messages/{}", path_part(message)))
        }
        Messages::Resend { message, asking } => act(
            asking,
            &format!("messages/{}/resend", path_part(message)),
            &json!({}),
            "the message will be sent again",
        ),
        Messages::Cancel { message, asking } => act(
            asking,
            &format!("messages/{}/cancel", path_part(message)),
            &json!({}),
            "the message is cancelled",
        ),
    }
}
