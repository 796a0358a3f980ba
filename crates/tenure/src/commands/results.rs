//! `tenure results`.

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use crate::client::{Client, Remote, path_part};
use crate::output;

/// Show what a program really changed: those it may act for against those left alone, with an interval that stays valid
/// however often you look.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure results usage-drop-save
  tenure results usage-drop-save --cost-per-message 0.01 --cost-per-hour 60 --hours-per-task 0.5 --months 12
  tenure results usage-drop-save --json")]
pub(crate) struct Results {
    /// The program
    program: String,
    /// Cost of one message
    #[arg(long, value_name = "MONEY")]
    cost_per_message: Option<f64>,
    /// Cost of all incentives together
    #[arg(long, value_name = "MONEY")]
    cost_of_incentives: Option<f64>,
    /// Cost of an hour of work
    #[arg(long, value_name = "MONEY", requires = "hours_per_task")]
    cost_per_hour: Option<f64>,
    /// Hours that one task takes
    #[arg(long, value_name = "HOURS", requires = "cost_per_hour")]
    hours_per_task: Option<f64>,
    /// For how many months revenue that is kept counts; 1 if not given
    #[arg(long)]
    months: Option<f64>,
    #[command(flatten)]
    remote: Remote,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: &Results) -> Result<()> {
    let costs = [
        ("cost_per_message", args.cost_per_message),
        ("cost_of_incentives", args.cost_of_incentives),
        ("cost_per_hour", args.cost_per_hour),
        ("hours_per_task", args.hours_per_task),
        ("months", args.months),
    ];
    let query: Vec<(&str, String)> = costs
        .into_iter()
        .filter_map(|(name, amount)| Some((name, amount?.to_string())))
        .collect();
    let path = format!("cs-marketing/performance/{}", path_part(&args.program));
    let answer = Client::new(&args.remote)?.get(&path, &query)?;
    if args.json {
        output::json(&answer);
        return Ok(());
    }
    lines(&answer).iter().for_each(output::line);
    Ok(())
}

/// The answer in words.
fn lines(answer: &Value) -> Vec<String> {
    let mut lines = vec![format!(
        "{}: {} treated, {} held out; an outcome counts for {:.0} days, {} subjects are still within theirs",
        answer["campaign_id"].as_str().unwrap_or_default(),
        answer["sample_ratio"]["treated_count"],
        answer["sample_ratio"]["held_out_count"],
        number(&answer["window_days"]),
        answer["pending_count"],
    )];
    if let Some(warning) = answer["sample_ratio"]["warning"].as_str() {
        lines.push(format!("WARNING: {warning}"));
    }
    lines.extend(goal(&answer["goal_effect"]));
    for (what, part) in [
        ("monthly revenue", "revenue_effect"),
        ("health", "health_effect"),
    ] {
        lines.extend(outcome(what, &answer[part]));
    }
    for row in answer["compared_variants"].as_array().into_iter().flatten() {
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        lines.push(format!(
            "{}: {} against {}",
            text("step"),
            text("variant"),
            text("against")
        ));
        lines.extend(
            goal(&row["goal"])
                .into_iter()
                .map(|line| format!("  {line}")),
        );
    }
    lines.extend(money(&answer["return_on_investment"]));
    let credited = &answer["attribution"];
    lines.push(format!(
        "attribution (not effect): of {} goals {:.1} by first touch, {:.1} by last, {:.1} shared evenly",
        credited["goal_count"],
        number(&credited["first_touch"]),
        number(&credited["last_touch"]),
        number(&credited["linear"]),
    ));
    lines
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default()
}

fn goal(found: &Value) -> Vec<String> {
    let percent = |value: &Value| match value.as_f64() {
        Some(share) => format!("{:.1}%", share * 100.0),
        None => "unknown".to_owned(),
    };
    let mut lines = vec![format!(
        "goal reached: {} of the treated, {} of the held out",
        percent(&found["treated_mean"]),
        percent(&found["held_out_mean"])
    )];
    match found["effect"]["value"].as_f64() {
        Some(effect) => lines.push(format!(
            "effect on the goal: {:+.1} points, between {:+.1} and {:+.1}",
            effect * 100.0,
            number(&found["interval"]["low"]) * 100.0,
            number(&found["interval"]["high"]) * 100.0,
        )),
        None => lines.push(format!(
            "effect on the goal: unknown, {}",
            reason(&found["effect"])
        )),
    }
    if let Some(still) = found["subjects_still_needed"]
        .as_u64()
        .filter(|still| *still > 0)
    {
        lines.push(format!(
            "  about {still} more subjects would tell it from none"
        ));
    }
    lines
}

fn reason(figure: &Value) -> String {
    figure["reason"]
        .as_str()
        .unwrap_or("no reason is told")
        .to_owned()
}

fn outcome(what: &str, found: &Value) -> Vec<String> {
    let row = &found["value"];
    if row.is_null() {
        return vec![format!("effect on {what}: unknown, {}", reason(found))];
    }
    match row["effect"]["value"].as_f64() {
        Some(effect) => vec![format!(
            "effect on {what}: {effect:+.1} a subject, between {:+.1} and {:+.1}",
            number(&row["interval"]["low"]),
            number(&row["interval"]["high"])
        )],
        None => vec![format!(
            "effect on {what}: unknown, {}",
            reason(&row["effect"])
        )],
    }
}

fn money(found: &Value) -> Vec<String> {
    let Some(kept) = found["revenue_kept_or_gained"]["value"].as_f64() else {
        return Vec::new();
    };
    let mut lines = vec![format!(
        "revenue kept or gained by all treated: {kept:.0} a month, between {:.0} and {:.0}",
        number(&found["revenue_interval"]["low"]),
        number(&found["revenue_interval"]["high"])
    )];
    if let Some(ratio) = found["return_on_investment"]["value"].as_f64() {
        let months = number(&found["months"]);
        lines.push(format!(
            "return on investment over {months} months: {:.0}%",
            ratio * 100.0
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_effect_is_told_in_points_and_a_missing_one_with_its_reason() {
        let known = json!({"treated_mean": 0.5, "held_out_mean": 0.4, "effect": {"value": 0.1},
            "interval": {"low": -0.02, "high": 0.22}, "subjects_still_needed": 120});
        let told = goal(&known);
        assert_eq!(
            told[0],
            "goal reached: 50.0% of the treated, 40.0% of the held out"
        );
        assert_eq!(
            told[1],
            "effect on the goal: +10.0 points, between -2.0 and +22.0"
        );
        assert!(told[2].contains("120 more subjects"));
        let unknown = json!({"effect": {"value": null, "reason": "too few"}});
        assert_eq!(goal(&unknown)[1], "effect on the goal: unknown, too few");
    }
}
