//! `tenure backtest`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use super::apply::show_refusal;
use crate::client::{Client, Remote};
use crate::failure::Usage;
use crate::files;
use crate::job;
use crate::output;

/// Test definitions on your own past: replay the log under them, and compare whom they would have named with what came.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure backtest programs/health --since 365d
  tenure backtest programs/usage-drop-save.yaml --horizon 60d
  tenure backtest new.yaml --outcome 'plan == \"free\"' --json")]
pub(crate) struct Backtest {
    /// Definition files and folders; what they define is tested, beside what is in force otherwise
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The period begins so long ago, in days
    #[arg(long, default_value = "365d", value_name = "DAYS")]
    since: String,
    /// The outcome counts for a trigger within so many days
    #[arg(long, default_value = "90d", value_name = "DAYS")]
    horizon: String,
    /// The condition whose becoming true is the outcome
    #[arg(
        long,
        default_value = "status == \"churned\"",
        value_name = "CONDITION"
    )]
    outcome: String,
    #[command(flatten)]
    remote: Remote,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: &Backtest) -> Result<()> {
    let body = json!({
        "files": files::collect(&args.paths)?,
        "since_days": days("--since", &args.since)?,
        "horizon_days": days("--horizon", &args.horizon)?,
        "outcome": args.outcome,
    });
    let client = Client::new(&args.remote)?;
    let started = client.post("backtests", &body).map_err(show_refusal)?;
    let answer = job::wait(&client, &started, "replaying")?;
    if args.json {
        output::json(&answer);
        return Ok(());
    }
    for target in answer["targets"].as_array().into_iter().flatten() {
        show(target);
    }
    if answer["health"].is_object() {
        show_health(&answer["health"]);
    }
    Ok(())
}

/// Days of `365d`.
pub(super) fn days(option: &str, text: &str) -> Result<u32> {
    let digits = text.strip_suffix('d').unwrap_or(text);
    let days = digits
        .parse()
        .map_err(|_| Usage(format!("{option} {text}: write days, for example `365d`")))?;
    Ok(days)
}

fn percent(value: &Value) -> String {
    match value.as_f64() {
        Some(share) => format!("{:.0}%", share * 100.0),
        None => "unknown".to_owned(),
    }
}

fn show(target: &Value) {
    let found = &target["announcement"];
    output::line(target["target"].as_str().unwrap_or_default());
    output::line(format!(
        "  triggered {} times, {} subjects",
        found["trigger_count"], found["subject_count"]
    ));
    output::line(format!(
        "  precision {} ({} of {} triggers whose horizon is over)",
        percent(&found["precision"]),
        found["right_count"],
        found["settled_count"]
    ));
    output::line(format!(
        "  recall {} ({} of {} outcomes were announced)",
        percent(&found["recall"]),
        found["announced_count"],
        found["outcome_count"]
    ));
    if let Some([low, middle, high]) = quartiles(&found["lead_days"]) {
        output::line(format!(
            "  lead time {middle:.0} days (half of them between {low:.0} and {high:.0})"
        ));
    }
    if let Some(rate) = found["false_per_week"].as_f64() {
        output::line(format!("  {rate:.1} false alarms a week"));
    }
}

fn quartiles(value: &Value) -> Option<[f64; 3]> {
    let days: Vec<f64> = value.as_array()?.iter().filter_map(Value::as_f64).collect();
    days.try_into().ok()
}

fn show_health(health: &Value) {
    let found = &health["discrimination"];
    output::line("health as a ranking");
    match found["roc_auc"].as_f64() {
        Some(area) => output::line(format!(
            "  ROC-AUC {area:.3} over {} weekly scores, {} of them before an outcome",
            found["score_count"], found["outcome_count"]
        )),
        None => {
            output::line("  ROC-AUC unknown: there is no score before an outcome, or none without");
        }
    }
    for row in health["before"].as_array().into_iter().flatten() {
        output::line(format!(
            "  {} days before, {} of {} were healthy",
            row["days"], row["healthy_count"], row["known_count"]
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_written_with_or_without_their_unit() {
        assert_eq!(days("--since", "365d").unwrap(), 365);
        assert_eq!(days("--since", "30").unwrap(), 30);
        assert!(days("--since", "a year").unwrap_err().is::<Usage>());
    }
}
