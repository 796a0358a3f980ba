//! `tenure apply`: definitions and templates to a server, all or nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::client::{Client, ClientError, Remote};
use crate::failure::{Shown, Usage};
use crate::files;
use crate::output;

/// How often the progress of a backfill is asked for.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Publish definitions (*.yaml, *.yml) and templates (*.mjml, *.html, *.liquid, *.txt). Files replace what has the same
/// name and leave everything else. When anything is wrong, everything that is wrong is shown and nothing is changed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure apply programs
  tenure apply programs/renewal.yaml --on-publish renewal=migrate
  tenure apply programs --prune --dry-run")]
pub(crate) struct Apply {
    #[command(flatten)]
    pub(crate) change: Change,
    /// Say what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Return at once instead of waiting until new definitions have read the past
    #[arg(long, conflicts_with = "wait")]
    no_wait: bool,
    /// Wait until new definitions have read the past (the default)
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    remote: Remote,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

/// A change of definitions.
#[derive(Debug, Args)]
pub(crate) struct Change {
    /// Files and folders
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Remove definitions and templates that the files do not hold
    #[arg(long)]
    prune: bool,
    /// What becomes of running enrollments of a changed program: they keep their version, migrate by step name, or exit
    #[arg(long, value_name = "PROGRAM=keep|migrate|exit")]
    on_publish: Vec<String>,
}

impl Change {
    /// The body of the API's request.
    pub(crate) fn body(&self) -> Result<Value> {
        let mut on_publish = BTreeMap::new();
        for choice in &self.on_publish {
            let (program, what) = choice
                .split_once('=')
                .filter(|(_, what)| ["keep", "migrate", "exit"].contains(what))
                .ok_or_else(|| {
                    Usage(format!(
                        "--on-publish {choice}: write PROGRAM=keep, PROGRAM=migrate or PROGRAM=exit"
                    ))
                })?;
            on_publish.insert(program, what);
        }
        Ok(
            json!({ "files": files::collect(&self.paths)?, "prune": self.prune, "on_publish": on_publish }),
        )
    }
}

/// Runs the command.
pub(crate) fn run(args: &Apply) -> Result<()> {
    let mut body = args.change.body()?;
    body["dry_run"] = args.dry_run.into();
    let client = Client::new(&args.remote)?;
    let answer = match client.post("definitions/apply", &body) {
        Ok(answer) => answer,
        Err(error) => return Err(show_refusal(error)),
    };
    if args.json {
        output::json(&answer);
    } else {
        show_changes(&answer, args.dry_run);
    }
    if args.dry_run || args.no_wait {
        return Ok(());
    }
    wait_for_backfill(&client, args.json)
}

/// Shows a refusal, with the diagnostics if there are any.
pub(crate) fn show_refusal(error: ClientError) -> anyhow::Error {
    let ClientError::Refused(problem) = &error else {
        return error.into();
    };
    let diagnostics = ["diagnostics", "errors"]
        .into_iter()
        .find_map(|name| problem.body[name].as_array());
    let Some(diagnostics) = diagnostics.filter(|found| !found.is_empty()) else {
        return error.into();
    };
    for diagnostic in diagnostics {
        eprintln!("{}", diagnostic_text(diagnostic));
    }
    let errors = diagnostics
        .iter()
        .filter(|diagnostic| diagnostic["severity"] != "warning")
        .count();
    eprintln!("error: {errors} problem(s); nothing was changed");
    Shown.into()
}

/// A diagnostic as compilers show them.
pub(crate) fn diagnostic_text(diagnostic: &Value) -> String {
    let text = |name: &str| diagnostic[name].as_str().unwrap_or_default();
    let severity = if text("severity").is_empty() {
        "error"
    } else {
        text("severity")
    };
    let mut shown = format!("{severity}[{}]: {}", text("code"), text("message"));
    if !text("file").is_empty() {
        shown.push_str(&format!(
            "\n  --> {}:{}:{}",
            text("file"),
            diagnostic["line"],
            diagnostic["column"]
        ));
    }
    if !text("help").is_empty() {
        shown.push_str(&format!("\n  help: {}", text("help")));
    }
    shown
}

/// Shows what changes or has changed.
pub(crate) fn show_changes(answer: &Value, is_only_a_look: bool) {
    let preview = if answer["preview"].is_object() {
        &answer["preview"]
    } else {
        answer
    };
    for warning in preview["warnings"].as_array().into_iter().flatten() {
        eprintln!("{}", diagnostic_text(warning));
    }
    let changes = if preview["changes"].is_object() {
        &preview["changes"]
    } else {
        preview
    };
    let mut changed_count = 0;
    for (name, sign) in [("added", '+'), ("changed", '~'), ("removed", '-')] {
        for entry in changes[name].as_array().into_iter().flatten() {
            changed_count += 1;
            output::line(format!(
                "{sign} {}",
                entry
                    .as_str()
                    .map_or_else(|| entry.to_string(), str::to_owned)
            ));
        }
    }
    for affected in preview["affected"].as_array().into_iter().flatten() {
        output::line(affected_text(affected));
    }
    output::line(match (changed_count, is_only_a_look) {
        (0, _) => "nothing changes: everything is in force already".to_owned(),
        (count, true) => format!("{count} change(s); nothing was changed"),
        (count, false) => format!("{count} change(s) in force{}", version_text(answer)),
    });
}

fn version_text(answer: &Value) -> String {
    answer["version"]
        .as_u64()
        .map(|version| format!(" with plan {version}"))
        .unwrap_or_default()
}

fn affected_text(affected: &Value) -> String {
    let program = affected["program"].as_str().unwrap_or_default();
    let choice = affected["on_publish"].as_str().unwrap_or("keep");
    let outcome = match choice {
        "migrate" => match affected["without_step_count"].as_u64() {
            Some(lost) if lost > 0 => {
                format!("migrate; {lost} of them stand at a step that is gone and exit")
            }
            _ => "migrate".to_owned(),
        },
        "exit" => "exit".to_owned(),
        _ => {
            format!("keep their version; `--on-publish {program}=migrate` or `=exit` changes that")
        }
    };
    format!(
        "  {program}: {} running enrollment(s) {outcome}",
        affected["active_count"]
    )
}

/// Waits until no backfill is under way, with a bar on a terminal.
pub(crate) fn wait_for_backfill(client: &Client, is_quiet: bool) -> Result<()> {
    let mut bar: Option<ProgressBar> = None;
    loop {
        let progress = client.get("backfill", &[])?;
        let progress = if progress["data"].is_object() {
            &progress["data"]
        } else {
            &progress
        };
        let is_done = progress["done"].as_bool().unwrap_or(true);
        if is_done {
            if let Some(bar) = bar {
                bar.finish_with_message("done");
            }
            return Ok(());
        }
        let bar = bar.get_or_insert_with(|| new_bar(is_quiet));
        let (read, total) = (&progress["read_count"], &progress["total_count"]);
        let (slices, all_slices) = (
            progress["switched_slices"].as_u64().unwrap_or(0),
            progress["total_slices"].as_u64().unwrap_or(0),
        );
        if all_slices > 0 {
            bar.set_message("switching over");
            bar.set_length(all_slices);
            bar.set_position(slices);
        } else {
            bar.set_message("reading the past");
            bar.set_length(total.as_u64().unwrap_or(0));
            bar.set_position(read.as_u64().unwrap_or(0));
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}

fn new_bar(is_quiet: bool) -> ProgressBar {
    if is_quiet {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} {eta}");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagnostic_names_its_place_and_remedy() {
        let diagnostic = json!({"severity": "error", "code": "unknown-trait", "message": "no trait `plam`", "file": "a.yaml",
                                "line": 3, "column": 9, "help": "did you mean `plan`?"});
        assert_eq!(
            diagnostic_text(&diagnostic),
            "error[unknown-trait]: no trait `plam`\n  --> a.yaml:3:9\n  help: did you mean `plan`?"
        );
    }

    #[test]
    fn a_choice_for_running_enrollments_must_be_one_of_three() {
        let change = Change {
            paths: vec![PathBuf::from("x")],
            prune: false,
            on_publish: vec!["renewal=move".to_owned()],
        };
        assert!(change.body().unwrap_err().is::<Usage>());
    }
}
