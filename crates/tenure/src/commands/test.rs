//! `tenure test`: the tests that stand beside programs, with time travel.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};
use tenure_core::diagnostic::line_and_column;
use tenure_core::plan::Plan;
use tenure_core::testing::{self, TestResult};

use super::validate::{check, show};
use crate::failure::Shown;
use crate::files;
use crate::output;

/// Run the tests that stand beside programs. Each plays a customer's story to the real engine, in no time, and compares
/// what the program does with what was expected. Needs no server.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure test programs
  tenure test programs --only renewal --trace")]
pub(crate) struct Test {
    /// Files and folders
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Only tests with this in their sentence or program
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Show everything that happened, also in tests that pass
    #[arg(long)]
    trace: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: &Test) -> Result<()> {
    let checked = check(files::collect(&args.paths)?);
    let Some(plan) = checked.plan else {
        show(&checked.diagnostics);
        return Err(Shown.into());
    };
    let results: Vec<TestResult> = plan
        .definitions
        .tests
        .iter()
        .map(|test| testing::run(&plan, test))
        .filter(|result| {
            args.only
                .as_ref()
                .is_none_or(|only| result.name.contains(only) || result.program.contains(only))
        })
        .collect();
    let failed_count = results.iter().filter(|result| !result.passed()).count();
    if args.json {
        let rows: Vec<Value> = results.iter().map(|result| row(&plan, result)).collect();
        output::json(&json!({ "data": rows, "failed": failed_count }));
    } else {
        for result in &results {
            show_result(&plan, result, args.trace);
        }
        summarise(results.len(), failed_count, args.only.is_some());
    }
    if failed_count > 0 {
        Err(Shown.into())
    } else {
        Ok(())
    }
}

fn show_result(plan: &Plan, result: &TestResult, with_trace: bool) {
    let outcome = if result.passed() { "ok" } else { "FAILED" };
    output::line(format!(
        "test {} ({}) ... {outcome}",
        result.name, result.program
    ));
    if with_trace || !result.passed() {
        for line in &result.trace {
            output::line(format!("    {line}"));
        }
    }
    for failure in &result.failures {
        output::line(format!(
            "  {}: {}",
            place_text(plan, failure),
            failure.message
        ));
    }
}

fn summarise(run_count: usize, failed_count: usize, is_filtered: bool) {
    output::line(match (run_count, failed_count) {
        (0, _) if is_filtered => "no test matches --only".to_owned(),
        (0, _) => "no tests; add documents that begin with `test:` beside the programs".to_owned(),
        (count, 0) => format!("\ntest result: ok. {count} passed; 0 failed"),
        (count, failed) => format!(
            "\ntest result: FAILED. {} passed; {failed} failed",
            count - failed
        ),
    });
}

fn place_text(plan: &Plan, failure: &testing::TestFailure) -> String {
    let Some(file) = plan.definitions.files.get(failure.place.file) else {
        return String::new();
    };
    let (line, column) = line_and_column(&file.text, failure.place.span.start);
    format!("{}:{line}:{column}", file.path)
}

fn row(plan: &Plan, result: &TestResult) -> Value {
    let failure = |failure: &testing::TestFailure| json!({ "place": place_text(plan, failure), "message": failure.message });
    json!({
        "name": result.name,
        "program": result.program,
        "passed": result.passed(),
        "failures": result.failures.iter().map(failure).collect::<Vec<_>>(),
        "trace": result.trace,
    })
}
