//! `tenure why`.

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use super::listing::{DECISION_COLUMNS, account_id, person_id};
use crate::client::{Client, Remote};
use crate::output;

/// Explain what a program decided about a person or an account: where it stands, and every decision with its reason.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure why noor@example.com onboarding
  tenure why acc_01h455vb4pex5vsknk084sn02q renewal --json")]
pub(crate) struct Why {
    /// Person (id, user id or e-mail address) or account (id, or the id your systems use)
    subject: String,
    /// Name of the program
    program: String,
    #[command(flatten)]
    remote: Remote,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: &Why) -> Result<()> {
    let client = Client::new(&args.remote)?;
    let subject = if args.subject.starts_with("acc_") {
        account_id(&client, &args.subject)?
    } else {
        person_id(&client, &args.subject)
            .or_else(|_| account_id(&client, &args.subject))
            .map_err(|_| anyhow::anyhow!("nobody and no account is known as `{}`; `tenure people list` and `tenure accounts list` show all", args.subject))?
    };
    let query = [("subject", subject), ("program", args.program.clone())];
    let answer = client.get("why", &query)?;
    if args.json {
        output::json(&answer);
    } else {
        show(&answer);
    }
    Ok(())
}

fn show(answer: &Value) {
    let mut rest = answer.clone();
    let decisions = rest
        .as_object_mut()
        .and_then(|fields| fields.remove("decisions"));
    output::detail(&rest, false);
    if let Some(decisions) = decisions.as_ref().and_then(Value::as_array) {
        output::line("");
        output::rows(
            decisions,
            DECISION_COLUMNS,
            false,
            "no decisions yet: the entry condition was never met",
        );
    }
}
