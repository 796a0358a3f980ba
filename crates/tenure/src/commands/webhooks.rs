//! `tenure webhooks`.

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::listing::{Asking, Listed, act, list, show};
use crate::client::path_part;
use crate::output::Column;

/// `tenure webhooks`
#[derive(Debug, Subcommand)]
pub(crate) enum Webhooks {
    /// List the endpoints that topics are pushed to
    #[command(after_help = "Examples:\n  tenure webhooks list")]
    List {
        #[command(flatten)]
        listed: Listed,
    },
    /// Make an endpoint; prints its secret, once
    #[command(
        after_help = "Examples:\n  tenure webhooks add https://hooks.example.com/tenure --topic messages --topic decisions"
    )]
    Add(Box<Add>),
    /// Show an endpoint
    #[command(after_help = "Examples:\n  tenure webhooks show whk_5f2c")]
    Show(One),
    /// Post a test event to an endpoint now
    #[command(after_help = "Examples:\n  tenure webhooks test whk_5f2c")]
    Test(One),
    /// Push to an endpoint again
    #[command(after_help = "Examples:\n  tenure webhooks enable whk_5f2c")]
    Enable(One),
    /// Stop pushing to an endpoint; it keeps its place
    #[command(after_help = "Examples:\n  tenure webhooks disable whk_5f2c")]
    Disable(One),
    /// Leave out the event that an endpoint does not take
    #[command(after_help = "Examples:\n  tenure webhooks skip whk_5f2c")]
    Skip(One),
    /// Give an endpoint a new secret; the old one signs too for a while
    #[command(
        after_help = "Examples:\n  tenure webhooks rotate-secret whk_5f2c --overlap-hours 48"
    )]
    RotateSecret {
        /// Its id
        webhook: String,
        /// For how long both sign
        #[arg(long, default_value_t = 24)]
        overlap_hours: u32,
        #[command(flatten)]
        asking: Asking,
    },
    /// List attempts of the last seven days, newest first
    #[command(after_help = "Examples:\n  tenure webhooks deliveries whk_5f2c")]
    Deliveries {
        /// Its id
        webhook: String,
        #[command(flatten)]
        listed: Listed,
    },
    /// Push one event again, or all after a position
    #[command(
        after_help = "Examples:\n  tenure webhooks replay whk_5f2c messages --position 812\n  tenure webhooks replay whk_5f2c messages --after 0"
    )]
    Replay {
        /// Its id
        webhook: String,
        /// The topic
        topic: String,
        /// One event
        #[arg(long, required_unless_present = "after")]
        position: Option<u64>,
        /// All after this position
        #[arg(long, conflicts_with = "position")]
        after: Option<u64>,
        #[command(flatten)]
        asking: Asking,
    },
}

/// One endpoint.
#[derive(Debug, Args)]
pub(crate) struct One {
    /// Its id
    webhook: String,
    #[command(flatten)]
    asking: Asking,
}

/// A new endpoint.
#[derive(Debug, Args)]
pub(crate) struct Add {
    /// Where to post: a URL
    endpoint: String,
    /// What it is told; may be given several times
    #[arg(long = "topic", required = true)]
    topics: Vec<String>,
    /// Only events of this type; may be given several times
    #[arg(long = "type")]
    types: Vec<String>,
    /// Only about this customer; may be given several times
    #[arg(long = "customer")]
    customers: Vec<String>,
    /// At most so many deliveries a second
    #[arg(long)]
    rate: Option<u32>,
    /// Begin with all there is, instead of what comes from now on
    #[arg(long)]
    from_the_beginning: bool,
    /// What it is for
    #[arg(long, default_value = "")]
    about: String,
    #[command(flatten)]
    asking: Asking,
}

impl Add {
    fn body(&self) -> Value {
        json!({
            "url": self.endpoint,
            "topics": self.topics,
            "about": self.about,
            "filter": { "types": self.types, "customer_ids": self.customers },
            "rate_per_second": self.rate,
            "start": if self.from_the_beginning { "earliest" } else { "latest" },
        })
    }
}

const COLUMNS: &[Column] = &[
    column("ID", &["/id"]),
    column("STATE", &["/state"]),
    column("URL", &["/url"]),
    column("TOPICS", &["/topics"]),
    column("LOG POSITION", &["/log_position"]),
    column("ATTEMPTS", &["/attempt_count"]),
    column("NEXT ATTEMPT", &["/next_attempt_at"]),
    column("REASON", &["/disabled_reason"]),
];

const DELIVERY_COLUMNS: &[Column] = &[
    column("AT", &["/at"]),
    column("TOPIC", &["/topic"]),
    column("TYPE", &["/type"]),
    column("POSITION", &["/position"]),
    column("ATTEMPT", &["/attempt"]),
    column("OUTCOME", &["/outcome"]),
    column("STATUS", &["/status"]),
    column("MS", &["/duration_ms"]),
    column("REASON", &["/reason"]),
];

const fn column(title: &'static str, pointers: &'static [&'static str]) -> Column {
    Column { title, pointers }
}

/// Runs the command.
pub(crate) fn run(command: &Webhooks) -> Result<()> {
    match command {
        Webhooks::List { listed } => list(
            listed,
            "webhooks",
            &[],
            COLUMNS,
            "no endpoints; make one with `tenure webhooks add`",
        ),
        Webhooks::Add(add) => act(
            &add.asking,
            "webhooks",
            &add.body(),
            "the endpoint is made; keep the secret, it is shown only now",
        ),
        Webhooks::Show(one) => show(&one.asking, &path(&one.webhook)),
        Webhooks::Test(one) => verb(one, "test", "the receiver was asked"),
        Webhooks::Enable(one) => verb(one, "enable", "the endpoint is pushed to"),
        Webhooks::Disable(one) => verb(one, "disable", "the endpoint is not pushed to any more"),
        Webhooks::Skip(one) => verb(one, "skip", "the event is left out"),
        Webhooks::RotateSecret {
            webhook,
            overlap_hours,
            asking,
        } => act(
            asking,
            &format!("{}/rotate-secret", path(webhook)),
            &json!({ "overlap_hours": overlap_hours }),
            "the endpoint has a new secret; keep it, it is shown only now",
        ),
        Webhooks::Deliveries { webhook, listed } => list(
            listed,
            &format!("{}/deliveries", path(webhook)),
            &[],
            DELIVERY_COLUMNS,
            "nothing was pushed in the last seven days",
        ),
        Webhooks::Replay {
            webhook,
            topic,
            position,
            after,
            asking,
        } => act(
            asking,
            &format!("{}/replay", path(webhook)),
            &json!({ "topic": topic, "position": position, "after": after }),
            "asked for",
        ),
    }
}

fn path(webhook: &str) -> String {
    format!("webhooks/{}", path_part(webhook))
}

fn verb(one: &One, verb: &str, done: &str) -> Result<()> {
    let path = format!("{}/{verb}", path(&one.webhook));
    act(&one.asking, &path, &json!({}), done)
}
