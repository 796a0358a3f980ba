//! `tenure suppressions` and `tenure consent`.

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::json;

use super::listing::{Asking, Filter, Listed, act, list, person_id};
use crate::client::{Client, path_part};
use crate::output::{self, Column};

/// `tenure suppressions`
#[derive(Debug, Subcommand)]
pub(crate) enum Suppressions {
    /// List addresses nothing may go to, the latest first (hashes: the addresses are not kept)
    #[command(
        after_help = "Examples:\n  tenure suppressions list\n  tenure suppressions list --person noor@example.com"
    )]
    List {
        /// Of this person (id, user id or e-mail address)
        #[arg(long)]
        person: Option<String>,
        #[command(flatten)]
        listed: Listed,
    },
    /// Put an address on the list: nothing goes to it any more
    #[command(
        after_help = "Examples:\n  tenure suppressions add noor@example.com --reason complaint"
    )]
    Add {
        /// The e-mail address
        address: String,
        /// Why
        #[arg(long)]
        reason: Option<String>,
        #[command(flatten)]
        asking: Asking,
    },
    /// Take an address off the list
    #[command(
        after_help = "Examples:\n  tenure suppressions remove sup_01h455vb4pex5vsknk084sn02q"
    )]
    Remove {
        /// Its id, as `tenure suppressions list` shows it
        suppression: String,
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
        title: "AT",
        pointers: &["/at"],
    },
    Column {
        title: "PERSON",
        pointers: &["/person"],
    },
    Column {
        title: "REASON",
        pointers: &["/reason"],
    },
];

/// Runs `tenure suppressions`.
pub(crate) fn run(command: &Suppressions) -> Result<()> {
    match command {
        Suppressions::List { person, listed } => {
            let person = match person {
                Some(text) => Some(person_id(&Client::new(listed.remote())?, text)?),
                None => None,
            };
            let filters: [Filter<'_>; 1] = [("person", person.as_ref())];
            let when_empty =
                "no address is suppressed; hard bounces and complaints come here by themselves";
            list(listed, "suppressions", &filters, COLUMNS, when_empty)
        }
        Suppressions::Add {
            address,
            reason,
            asking,
        } => act(
            asking,
            "suppressions",
            &json!({ "email": address, "reason": reason }),
            "nothing goes to this address any more",
        ),
        Suppressions::Remove {
            suppression,
            asking,
        } => {
            let path = format!("suppressions/{}", path_part(suppression));
            let answer = Client::new(&asking.remote)?.delete(&path)?;
            if asking.json {
                output::json(&answer);
            } else {
                output::line("the address may be written to again");
            }
            Ok(())
        }
    }
}

/// Note what a person wants: a topic, or any marketing
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure consent noor@example.com --topic product-tips --subscribe
  tenure consent u_42 --unsubscribe")]
pub(crate) struct Consent {
    /// Id, user id or e-mail address
    person: String,
    /// The topic; without one, all marketing
    #[arg(long)]
    topic: Option<String>,
    /// The person wants it
    #[arg(long, required_unless_present = "unsubscribe")]
    subscribe: bool,
    /// The person does not want it
    #[arg(long, conflicts_with = "subscribe")]
    unsubscribe: bool,
    #[command(flatten)]
    asking: Asking,
}

/// Runs `tenure consent`.
pub(crate) fn consent(args: &Consent) -> Result<()> {
    let id = person_id(&Client::new(&args.asking.remote)?, &args.person)?;
    act(
        &args.asking,
        &format!("people/{id}/consent"),
        &json!({ "topic": args.topic, "subscribed": args.subscribe }),
        "noted; it counts at once, also for messages that wait",
    )
}
