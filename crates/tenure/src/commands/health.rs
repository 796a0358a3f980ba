//! `tenure health`.

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use super::listing::{account_id, column, person_id};
use crate::client::{Client, Remote};
use crate::output::{self, Column};

/// Show the health of an account (or a person): the score, its zone, and what each component contributes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure health acme
  tenure health acme --history
  tenure health acme --rate 2 --note \"the new sponsor wants a cheaper tool\"
  tenure health noor@example.com --person --json")]
pub(crate) struct Health {
    /// Account (id, or the id your systems use); with `--person` a person (id, user id or e-mail address)
    subject: String,
    /// The subject is a person
    #[arg(long)]
    person: bool,
    /// Show what health was, the latest first, instead of what it is
    #[arg(long)]
    history: bool,
    /// Note your own rating of the account, from 1 (lost) to 5 (delighted); it stays apart from the score
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=5), conflicts_with_all = ["person", "history"])]
    rate: Option<u8>,
    /// Why, beside `--rate`
    #[arg(long, requires = "rate")]
    note: Option<String>,
    #[command(flatten)]
    remote: Remote,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const COLUMNS: &[Column] = &[
    column("AT", &["/at"]),
    column("KIND", &["/kind"]),
    column("SCORE", &["/score"]),
    column("ZONE", &["/zone"]),
    column("COVERAGE", &["/coverage"]),
    column("DEFINITION", &["/definition"]),
];

/// Runs the command.
pub(crate) fn run(args: &Health) -> Result<()> {
    let client = Client::new(&args.remote)?;
    if let Some(rating) = args.rate {
        return rate(&client, args, rating);
    }
    let path = if args.person {
        format!("people/{}/health", person_id(&client, &args.subject)?)
    } else {
        format!("accounts/{}/health", account_id(&client, &args.subject)?)
    };
    if args.history {
        return history(&client, &path, args.json);
    }
    let answer = client.get(&path, &[])?;
    if args.json {
        output::json(&answer);
    } else {
        show(&answer);
    }
    Ok(())
}

fn rate(client: &Client, args: &Health, rating: u8) -> Result<()> {
    let path = format!("accounts/{}/sentiment", account_id(client, &args.subject)?);
    let told = serde_json::json!({"rating": rating, "note": args.note});
    let answer = client.post(&path, &told)?;
    if args.json {
        output::json(&answer);
    } else {
        output::line(format!("noted: {rating} of 5"));
    }
    Ok(())
}

fn history(client: &Client, path: &str, json: bool) -> Result<()> {
    let answer = client.get(&format!("{path}/history"), &[("limit", "100".to_owned())])?;
    if json {
        output::json(&answer);
        return Ok(());
    }
    let rows = answer["data"].as_array().cloned().unwrap_or_default();
    output::rows(&rows, COLUMNS, false, "no history of health yet");
    Ok(())
}

fn show(answer: &Value) {
    if answer["definition"].is_null() {
        output::line(
            "no health: no `health` definition applies, or the history it needs is still being read",
        );
        return;
    }
    output::line(headline(answer));
    for component in answer["components"].as_array().into_iter().flatten() {
        let sentence = component["sentence"].as_str().unwrap_or_default();
        output::line(format!("  {sentence}"));
    }
}

/// `71.5, healthy (definition default); coverage 80%; -4.2 in 7 days`.
fn headline(answer: &Value) -> String {
    let text = |name: &str| answer[name].as_str().unwrap_or_default().replace('_', " ");
    let mut line = match answer["score"].as_f64() {
        Some(score) => format!("{score}, {}", text("zone")),
        None => "no component has data".to_owned(),
    };
    line.push_str(&format!(" (definition {})", text("definition")));
    if let Some(coverage) = answer["coverage"].as_f64() {
        line.push_str(&format!("; coverage {:.0}%", coverage * 100.0));
    }
    for (name, days) in [("trend_7d", 7), ("trend_30d", 30)] {
        if let Some(change) = answer[name].as_f64() {
            line.push_str(&format!("; {change:+} in {days} days"));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headline_says_what_is_known_and_leaves_out_what_is_not() {
        let answer = serde_json::json!({"score": 45.5, "zone": "at_risk", "definition": "default",
            "coverage": 0.8, "trend_7d": -4.2, "trend_30d": null});
        assert_eq!(
            headline(&answer),
            "45.5, at risk (definition default); coverage 80%; -4.2 in 7 days"
        );
    }
}
