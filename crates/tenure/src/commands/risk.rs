//! `tenure risk`.

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::client::{Client, Remote, path_part};
use crate::failure::Usage;
use crate::job;
use crate::output;

/// Churn risk learned from your own log, with its measured quality.
#[derive(Debug, Args)]
pub(crate) struct Risk {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Learn a model; afterwards it is learned anew every week
    Train(Train),
    /// Show the model that serves, and how good it is; with a customer, what it says of them
    Show(Show),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure risk train
  tenure risk train --horizon 90d --event contract_ended --status stage=lost")]
struct Train {
    /// An account churns or not within so many days
    #[arg(long, default_value = "60d", value_name = "DAYS")]
    horizon: String,
    /// Event that means an account left; may be repeated (`subscription_cancelled` and `subscription_ended` if not given)
    #[arg(long = "event", value_name = "NAME")]
    events: Vec<String>,
    /// Trait and text that mean an account left (`status=churned` if not given)
    #[arg(long, value_name = "TRAIT=TEXT")]
    status: Option<String>,
    #[command(flatten)]
    remote: Remote,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure risk show
  tenure risk show acme --json")]
struct Show {
    /// A customer, by the id your systems use
    customer: Option<String>,
    #[command(flatten)]
    remote: Remote,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: &Risk) -> Result<()> {
    match &args.action {
        Action::Train(args) => train(args),
        Action::Show(args) => show(args),
    }
}

fn train(args: &Train) -> Result<()> {
    let mut body = json!({"horizon_days": super::backtest::days("--horizon", &args.horizon)?});
    if !args.events.is_empty() {
        body["events"] = json!(args.events);
    }
    if let Some(status) = &args.status {
        let Some((name, text)) = status.split_once('=') else {
            return Err(Usage(format!(
                "--status {status}: write a trait and its text, for example `stage=lost`"
            ))
            .into());
        };
        body["status"] = json!({"trait": name, "is": text});
    }
    let client = Client::new(&args.remote)?;
    let started = client.post("risk/train", &body)?;
    let result = job::wait(&client, &started, "learning")?;
    if args.json {
        output::json(&result);
    } else {
        output::line(result["message"].as_str().unwrap_or_default());
        output::line(format!("{} accounts have a score", result["scored_count"]));
    }
    Ok(())
}

fn show(args: &Show) -> Result<()> {
    let client = Client::new(&args.remote)?;
    if let Some(customer) = &args.customer {
        let path = format!("cs-retention/risk/{}", path_part(customer));
        output::detail(&client.get(&path, &[])?, args.json);
        return Ok(());
    }
    let answer = client.get("risk", &[])?;
    if args.json {
        output::json(&answer);
    } else {
        lines(&answer).iter().for_each(output::line);
    }
    Ok(())
}

fn lines(answer: &Value) -> Vec<String> {
    let mut lines = vec![answer["message"].as_str().unwrap_or_default().to_owned()];
    let model = &answer["model"];
    let figure = |name: &str| model[name].as_f64().unwrap_or_default();
    if model.is_object() {
        lines.push(format!(
            "version {} ({}), churn within {} days, learned {} from {} moments",
            model["version"],
            model["recipe"].as_str().unwrap_or_default(),
            model["horizon_days"],
            model["trained_at"].as_str().unwrap_or_default(),
            model["moment_count"]
        ));
        lines.push(format!(
            "  on {} unseen accounts, {} of which churned: ROC-AUC {:.3}, average precision {:.3}, Brier {:.4} (the rate alone {:.4}), riskiest tenth {:.1} times the rate",
            model["measured_on_count"], model["churned_count"], figure("roc_auc"), figure("average_precision"),
            figure("brier"), figure("brier_of_the_rate"), figure("top_decile_lift")
        ));
    } else {
        lines.push("no model serves; health is used in its place".to_owned());
    }
    if let Some(drift) = answer["drift"].as_f64() {
        lines.push(format!(
            "{} accounts have a score; drift {drift:.2}",
            answer["scored_count"]
        ));
    }
    lines.extend(
        answer["drift_warning"]
            .as_str()
            .map(|text| format!("WARNING: {text}")),
    );
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_model_the_reason_is_told_and_what_serves() {
        let told = lines(&json!({"model": null, "message": "too little", "drift": null}));
        assert_eq!(
            told,
            ["too little", "no model serves; health is used in its place"]
        );
        let told = lines(
            &json!({"model": {"version": 2}, "message": "", "drift": 0.4, "drift_warning": "moved"}),
        );
        assert_eq!(told.last().unwrap(), "WARNING: moved");
    }
}
