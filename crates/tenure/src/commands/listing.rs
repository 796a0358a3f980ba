//! The commands that list and show, and what they have in common.

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::Value;

use crate::client::{Client, Remote, path_part};
use crate::output::{self, Column};

/// Arguments of every command that asks a server and prints.
#[derive(Debug, Args)]
pub(crate) struct Asking {
    #[command(flatten)]
    pub(crate) remote: Remote,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of every list.
#[derive(Debug, Args)]
pub(crate) struct Listed {
    /// At most so many rows (all of them with --json)
    #[arg(long, value_name = "ROWS")]
    limit: Option<usize>,
    #[command(flatten)]
    asking: Asking,
}

impl Listed {
    /// Which server is asked.
    pub(crate) fn remote(&self) -> &Remote {
        &self.asking.remote
    }
}

/// Rows shown unless told otherwise.
const TABLE_ROWS: usize = 50;

/// A filter, if it was given.
pub(crate) type Filter<'a> = (&'a str, Option<&'a String>);

/// Lists rows of a path.
pub(crate) fn list(
    args: &Listed,
    path: &str,
    filters: &[Filter<'_>],
    columns: &[Column],
    when_empty: &str,
) -> Result<()> {
    let query: Vec<(&str, String)> = filters
        .iter()
        .filter_map(|(name, value)| Some((*name, (*value)?.clone())))
        .collect();
    let limit = args.limit.or((!args.asking.json).then_some(TABLE_ROWS + 1));
    let mut rows = Client::new(&args.asking.remote)?.rows(path, &query, limit)?;
    let is_cut = args.limit.is_none() && !args.asking.json && rows.len() > TABLE_ROWS;
    if is_cut {
        rows.truncate(TABLE_ROWS);
    }
    output::rows(&rows, columns, args.asking.json, when_empty);
    if is_cut {
        output::line(format!("… the first {TABLE_ROWS}; --limit ROWS shows more"));
    }
    Ok(())
}

/// Shows one thing.
pub(crate) fn show(args: &Asking, path: &str) -> Result<()> {
    let found = Client::new(&args.remote)?.get(path, &[])?;
    output::detail(&found, args.json);
    Ok(())
}

/// Asks for something to be done and prints the answer, or `done` for people if there is nothing to show.
pub(crate) fn act(args: &Asking, path: &str, body: &Value, done: &str) -> Result<()> {
    let answer = Client::new(&args.remote)?.post(path, body)?;
    if args.json {
        output::json(&answer);
    } else {
        output::line(done);
        if answer.as_object().is_some_and(|fields| !fields.is_empty()) {
            output::detail(&answer, false);
        }
    }
    Ok(())
}

/// Finds the person's id: as given, or by user id or e-mail address.
pub(crate) fn person_id(client: &Client, text: &str) -> Result<String> {
    if is_id(text, "per_") {
        return Ok(text.to_owned());
    }
    for filter in ["user_id", "email"] {
        let found = client.rows("people", &[(filter, text.to_owned())], Some(1))?;
        if let Some(id) = found.first().and_then(|row| row["id"].as_str()) {
            return Ok(id.to_owned());
        }
    }
    anyhow::bail!(
        "nobody has the id, user id or e-mail address given; `tenure people list` shows everybody"
    )
}

/// Finds the account's id: as given, or by the id its sender uses.
pub(crate) fn account_id(client: &Client, text: &str) -> Result<String> {
    if is_id(text, "acc_") {
        return Ok(text.to_owned());
    }
    let found = client.rows("accounts", &[("external_id", text.to_owned())], Some(1))?;
    match found.first().and_then(|row| row["id"].as_str()) {
        Some(id) => Ok(id.to_owned()),
        None => anyhow::bail!("no account has the id given; `tenure accounts list` shows all"),
    }
}

fn is_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix)
        .is_some_and(|rest| rest.len() == 26)
}

pub(crate) const fn column(title: &'static str, pointers: &'static [&'static str]) -> Column {
    Column { title, pointers }
}

const PERSON_COLUMNS: &[Column] = &[
    column("ID", &["/id"]),
    column("USER ID", &["/user_id", "/user_ids"]),
    column("EMAIL", &["/email", "/traits/email"]),
    column("NAME", &["/name", "/traits/name", "/traits/first_name"]),
    column(
        "ACCOUNT",
        &["/account/external_id", "/account_id", "/account"],
    ),
    column("SEGMENTS", &["/segments"]),
];

const ACCOUNT_COLUMNS: &[Column] = &[
    column("ID", &["/id"]),
    column("EXTERNAL ID", &["/external_id", "/external_ids"]),
    column("NAME", &["/name", "/traits/name"]),
    column("PLAN", &["/traits/plan"]),
    column("PEOPLE", &["/people_count"]),
    column("SEGMENTS", &["/segments"]),
];

const TIMELINE_COLUMNS: &[Column] = &[
    column("AT", &["/at", "/occurred_at"]),
    column("KIND", &["/kind"]),
    column("NAME", &["/name", "/program"]),
    column(
        "DETAIL",
        &["/detail", "/summary", "/outcome", "/properties", "/traits"],
    ),
];

/// `tenure people`
#[derive(Debug, Subcommand)]
pub(crate) enum People {
    /// List people
    #[command(
        after_help = "Examples:\n  tenure people list --account acme\n  tenure people list --user-id u_42 --json"
    )]
    List {
        /// With this user id
        #[arg(long)]
        user_id: Option<String>,
        /// With this e-mail address
        #[arg(long)]
        email: Option<String>,
        /// Of this account
        #[arg(long)]
        account: Option<String>,
        #[command(flatten)]
        listed: Listed,
    },
    /// Show one person
    #[command(
        after_help = "Examples:\n  tenure people show u_42\n  tenure people show noor@example.com --json"
    )]
    Show {
        /// Id, user id or e-mail address
        person: String,
        #[command(flatten)]
        asking: Asking,
    },
    /// Show what happened to a person, newest first
    #[command(after_help = "Examples:\n  tenure people timeline u_42")]
    Timeline {
        /// Id, user id or e-mail address
        person: String,
        #[command(flatten)]
        listed: Listed,
    },
}

/// Runs `tenure people`.
pub(crate) fn people(command: &People) -> Result<()> {
    match command {
        People::List {
            user_id,
            email,
            account,
            listed,
        } => {
            let filters = [
                ("user_id", user_id.as_ref()),
                ("email", email.as_ref()),
                ("account", account.as_ref()),
            ];
            let when_empty =
                "no such people; they come with the first identify call, or with `tenure import`";
            list(listed, "people", &filters, PERSON_COLUMNS, when_empty)
        }
        People::Show { person, asking } => {
            let id = person_id(&Client::new(&asking.remote)?, person)?;
            show(asking, &format!("people/{id}"))
        }
        People::Timeline { person, listed } => {
            let id = person_id(&Client::new(listed.remote())?, person)?;
            list(
                listed,
                &format!("people/{id}/timeline"),
                &[],
                TIMELINE_COLUMNS,
                "nothing happened to this person yet",
            )
        }
    }
}

/// `tenure accounts`
#[derive(Debug, Subcommand)]
pub(crate) enum Accounts {
    /// List accounts
    #[command(
        after_help = "Examples:\n  tenure accounts list\n  tenure accounts list --json --limit 10"
    )]
    List {
        #[command(flatten)]
        listed: Listed,
    },
    /// Show one account
    #[command(after_help = "Examples:\n  tenure accounts show acme")]
    Show {
        /// Id, or the id your systems use
        account: String,
        #[command(flatten)]
        asking: Asking,
    },
    /// Show what happened to an account and its people, newest first
    #[command(after_help = "Examples:\n  tenure accounts timeline acme")]
    Timeline {
        /// Id, or the id your systems use
        account: String,
        #[command(flatten)]
        listed: Listed,
    },
}

/// Runs `tenure accounts`.
pub(crate) fn accounts(command: &Accounts) -> Result<()> {
    match command {
        Accounts::List { listed } => {
            let when_empty =
                "no accounts; they come with the first group call, or with `tenure import`";
            list(listed, "accounts", &[], ACCOUNT_COLUMNS, when_empty)
        }
        Accounts::Show { account, asking } => {
            let id = account_id(&Client::new(&asking.remote)?, account)?;
            show(asking, &format!("accounts/{id}"))
        }
        Accounts::Timeline { account, listed } => {
            let id = account_id(&Client::new(listed.remote())?, account)?;
            list(
                listed,
                &format!("accounts/{id}/timeline"),
                &[],
                TIMELINE_COLUMNS,
                "nothing happened to this account yet",
            )
        }
    }
}

const MEMBER_COLUMNS: &[Column] = &[
    column("SUBJECT", &["/subject", "/id"]),
    column("NAME", &["/name", "/email", "/user_id", "/external_id"]),
    column("SINCE", &["/since"]),
];

const NO_MEMBERS: &str =
    "nobody is in this segment now; `tenure segments show NAME` shows its condition";

/// `tenure segments`
#[derive(Debug, Subcommand)]
pub(crate) enum Segments {
    /// List segments with the number of their members
    #[command(after_help = "Examples:\n  tenure segments list")]
    List {
        #[command(flatten)]
        listed: Listed,
    },
    /// Show one segment
    #[command(after_help = "Examples:\n  tenure segments show power-users")]
    Show {
        /// Its name
        segment: String,
        #[command(flatten)]
        asking: Asking,
    },
    /// List who is in a segment
    #[command(after_help = "Examples:\n  tenure segments members power-users")]
    Members {
        /// Its name
        segment: String,
        #[command(flatten)]
        listed: Listed,
    },
}

/// Runs `tenure segments`.
pub(crate) fn segments(command: &Segments) -> Result<()> {
    const COLUMNS: &[Column] = &[
        column("NAME", &["/name"]),
        column("AUDIENCE", &["/audience"]),
        column("MEMBERS", &["/member_count", "/members"]),
        column("WHEN", &["/sentence", "/when"]),
    ];
    match command {
        Segments::List { listed } => list(
            listed,
            "segments",
            &[],
            COLUMNS,
            "no segments; define one in a file and `tenure apply` it",
        ),
        Segments::Show { segment, asking } => {
            show(asking, &format!("segments/{}", path_part(segment)))
        }
        Segments::Members { segment, listed } => list(
            listed,
            &format!("segments/{}/members", path_part(segment)),
            &[],
            MEMBER_COLUMNS,
            NO_MEMBERS,
        ),
    }
}

/// `tenure members`
#[derive(Debug, Subcommand)]
pub(crate) enum Members {
    /// List who is in a segment
    #[command(after_help = "Examples:\n  tenure members list power-users --json")]
    List {
        /// The segment's name
        segment: String,
        #[command(flatten)]
        listed: Listed,
    },
}

/// Runs `tenure members`.
pub(crate) fn members(command: &Members) -> Result<()> {
    let Members::List { segment, listed } = command;
    list(
        listed,
        &format!("segments/{}/members", path_part(segment)),
        &[],
        MEMBER_COLUMNS,
        NO_MEMBERS,
    )
}

/// `tenure decisions`
#[derive(Debug, Subcommand)]
pub(crate) enum Decisions {
    /// List decisions, newest first
    #[command(after_help = "Examples:\n  tenure decisions list --program renewal --outcome capped")]
    List {
        /// About this person or account (its id)
        #[arg(long)]
        subject: Option<String>,
        /// Of this program
        #[arg(long)]
        program: Option<String>,
        /// With this outcome, for example sent, held_out, capped, quiet_hours, no_consent
        #[arg(long)]
        outcome: Option<String>,
        #[command(flatten)]
        listed: Listed,
    },
}

/// Columns of decisions.
pub(crate) const DECISION_COLUMNS: &[Column] = &[
    column("AT", &["/at"]),
    column("PROGRAM", &["/program"]),
    column("STEP", &["/step"]),
    column("SUBJECT", &["/subject"]),
    column("OUTCOME", &["/outcome"]),
    column("REASON", &["/reason", "/detail"]),
];

/// Runs `tenure decisions`.
pub(crate) fn decisions(command: &Decisions) -> Result<()> {
    let Decisions::List {
        subject,
        program,
        outcome,
        listed,
    } = command;
    let filters = [
        ("subject", subject.as_ref()),
        ("program", program.as_ref()),
        ("outcome", outcome.as_ref()),
    ];
    let when_empty = "no such decisions; programs decide once they are applied and somebody meets their entry condition";
    list(listed, "decisions", &filters, DECISION_COLUMNS, when_empty)
}

/// `tenure tasks`
#[derive(Debug, Subcommand)]
pub(crate) enum Tasks {
    /// List tasks, newest first
    #[command(after_help = "Examples:\n  tenure tasks list --owner dana")]
    List {
        /// Of this owner
        #[arg(long)]
        owner: Option<String>,
        /// Only open (true) or completed (false) ones
        #[arg(long)]
        open: Option<String>,
        #[command(flatten)]
        listed: Listed,
    },
    /// Complete a task
    #[command(
        after_help = "Examples:\n  tenure tasks complete tsk_01h455vb4pex5vsknk084sn02q --outcome reached"
    )]
    Complete {
        /// Its id
        task: String,
        /// What came of it
        #[arg(long)]
        outcome: Option<String>,
        #[command(flatten)]
        asking: Asking,
    },
}

/// Runs `tenure tasks`.
pub(crate) fn tasks(command: &Tasks) -> Result<()> {
    const COLUMNS: &[Column] = &[
        column("ID", &["/id"]),
        column("TITLE", &["/title", "/task"]),
        column("OWNER", &["/owner"]),
        column("DUE", &["/due_at"]),
        column("SUBJECT", &["/subject"]),
        column("PROGRAM", &["/program"]),
        column("COMPLETED", &["/completed_at"]),
    ];
    match command {
        Tasks::List {
            owner,
            open,
            listed,
        } => {
            let filters = [("owner", owner.as_ref()), ("open", open.as_ref())];
            let when_empty = "no such tasks; programs with `task:` steps create them";
            list(listed, "tasks", &filters, COLUMNS, when_empty)
        }
        Tasks::Complete {
            task,
            outcome,
            asking,
        } => act(
            asking,
            &format!("tasks/{}/complete", path_part(task)),
            &serde_json::json!({ "outcome": outcome }),
            "the task is completed",
        ),
    }
}
