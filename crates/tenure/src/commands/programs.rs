//! `tenure programs`.

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::listing::{Asking, Listed, account_id, act, list, person_id, show};
use crate::client::{Client, path_part};
use crate::output::{self, Column};

/// `tenure programs`
#[derive(Debug, Subcommand)]
pub(crate) enum Programs {
    /// List programs with their enrollments
    #[command(after_help = "Examples:\n  tenure programs list")]
    List {
        #[command(flatten)]
        listed: Listed,
    },
    /// Show one program
    #[command(after_help = "Examples:\n  tenure programs show onboarding")]
    Show {
        /// Its name
        program: String,
        #[command(flatten)]
        asking: Asking,
    },
    /// Stop a program from acting; what is due waits
    #[command(after_help = "Examples:\n  tenure programs pause renewal")]
    Pause {
        /// Its name
        program: String,
        #[command(flatten)]
        asking: Asking,
    },
    /// Let a paused program go on
    #[command(after_help = "Examples:\n  tenure programs resume renewal")]
    Resume {
        /// Its name
        program: String,
        #[command(flatten)]
        asking: Asking,
    },
    /// Show who would enter a program now, and change nothing
    #[command(after_help = "Examples:\n  tenure programs preview renewal")]
    Preview {
        /// Its name
        program: String,
        #[command(flatten)]
        asking: Asking,
    },
    /// Put somebody into a program by hand
    #[command(after_help = "Examples:\n  tenure programs enroll renewal --account acme")]
    Enroll {
        /// Its name
        program: String,
        #[command(flatten)]
        subject: Subject,
        #[command(flatten)]
        asking: Asking,
    },
    /// Take somebody out of a program
    #[command(
        after_help = "Examples:\n  tenure programs remove onboarding --person noor@example.com"
    )]
    Remove {
        /// Its name
        program: String,
        #[command(flatten)]
        subject: Subject,
        #[command(flatten)]
        asking: Asking,
    },
    /// Start a broadcast program for everybody in its segment
    #[command(
        after_help = "Examples:\n  tenure programs broadcast spring-news\n  tenure programs broadcast spring-news --segment testers"
    )]
    Broadcast {
        /// Its name
        program: String,
        /// Everybody in this segment instead
        #[arg(long)]
        segment: Option<String>,
        #[command(flatten)]
        asking: Asking,
    },
}

/// A person or an account.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Subject {
    /// Person: id, user id or e-mail address
    #[arg(long)]
    person: Option<String>,
    /// Account: id, or the id your systems use
    #[arg(long)]
    account: Option<String>,
}

impl Subject {
    fn id(&self, client: &Client) -> Result<String> {
        match (&self.person, &self.account) {
            (Some(person), _) => person_id(client, person),
            (None, account) => account_id(client, account.as_deref().unwrap_or_default()),
        }
    }
}

const COLUMNS: &[Column] = &[
    Column {
        title: "NAME",
        pointers: &["/name"],
    },
    Column {
        title: "STATUS",
        pointers: &["/status", "/state"],
    },
    Column {
        title: "PAUSED",
        pointers: &["/paused"],
    },
    Column {
        title: "AUDIENCE",
        pointers: &["/audience"],
    },
    Column {
        title: "VERSION",
        pointers: &["/version"],
    },
    Column {
        title: "ACTIVE",
        pointers: &["/counts/active", "/active_count", "/enrollments/active"],
    },
    Column {
        title: "COMPLETED",
        pointers: &[
            "/counts/completed",
            "/completed_count",
            "/enrollments/completed",
        ],
    },
    Column {
        title: "EXITED",
        pointers: &["/counts/exited", "/exited_count", "/enrollments/exited"],
    },
    Column {
        title: "ABOUT",
        pointers: &["/about"],
    },
];

/// Runs the command.
pub(crate) fn run(command: &Programs) -> Result<()> {
    match command {
        Programs::List { listed } => list(
            listed,
            "programs",
            &[],
            COLUMNS,
            "no programs; `tenure apply programs` publishes the files in that folder",
        ),
        Programs::Show { program, asking } => show(asking, &at(program, "")),
        Programs::Pause { program, asking } => act(
            asking,
            &at(program, "/pause"),
            &json!({}),
            &format!("{program} is paused"),
        ),
        Programs::Resume { program, asking } => act(
            asking,
            &at(program, "/resume"),
            &json!({}),
            &format!("{program} goes on"),
        ),
        Programs::Preview { program, asking } => {
            let found = Client::new(&asking.remote)?.post(&at(program, "/preview"), &json!({}))?;
            output::detail(&found, asking.json);
            Ok(())
        }
        Programs::Enroll {
            program,
            subject,
            asking,
        } => {
            let body = subject_body(subject, asking)?;
            act(
                asking,
                &at(program, "/enroll"),
                &body,
                &format!(
                    "asked {program} to take this subject; `tenure why` tells what it decided"
                ),
            )
        }
        Programs::Remove {
            program,
            subject,
            asking,
        } => {
            let body = subject_body(subject, asking)?;
            act(
                asking,
                &at(program, "/remove"),
                &body,
                &format!("taken out of {program}"),
            )
        }
        Programs::Broadcast {
            program,
            segment,
            asking,
        } => act(
            asking,
            &at(program, "/broadcast"),
            &json!({ "segment": segment }),
            &format!("{program} begins"),
        ),
    }
}

fn subject_body(subject: &Subject, asking: &Asking) -> Result<Value> {
    Ok(json!({ "subject": subject.id(&Client::new(&asking.remote)?)? }))
}

fn at(program: &str, rest: &str) -> String {
    format!("programs/{}{rest}", path_part(program))
}
