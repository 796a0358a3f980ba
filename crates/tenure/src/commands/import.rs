//! `tenure import`.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::client::{Client, Remote};
use crate::import::{Job, Mapping, Progress, preview, run as run_import};
use crate::output;

/// Rows shown by `--dry-run`.
const PREVIEW_ROWS: usize = 5;

/// Import history from a CSV or JSONL file. A mapping file says what the columns mean. What is imported becomes part of
/// timelines, aggregates and conditions, but never starts a program and never sends.
///
/// The progress is kept beside the file: the same command goes on after an interruption. Rows that cannot be taken are
/// listed with their reason in FILE.rejected.csv.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure import subscriptions.csv --mapping programs/mappings/ravenstack/subscriptions.yaml
  tenure import events.jsonl --mapping events.yaml --dry-run")]
pub(crate) struct Import {
    /// The file with the rows
    file: PathBuf,
    /// The mapping file
    #[arg(long)]
    mapping: PathBuf,
    /// Show what the first rows become, and send nothing
    #[arg(long)]
    dry_run: bool,
    /// Where the progress is kept [default: FILE.import.json]
    #[arg(long)]
    state: Option<PathBuf>,
    /// Where rejected rows are listed [default: FILE.rejected.csv]
    #[arg(long)]
    rejected: Option<PathBuf>,
    /// Import a file again that was imported already
    #[arg(long)]
    again: bool,
    /// Requests under way at once
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=16))]
    connections: u8,
    #[command(flatten)]
    remote: Remote,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: &Import) -> Result<()> {
    let mapping = Mapping::read(&args.mapping)?;
    if args.dry_run {
        return show_preview(&args.file, mapping);
    }
    let job = Job {
        source: args.file.clone(),
        mapping,
        state: args
            .state
            .clone()
            .unwrap_or_else(|| beside(&args.file, ".import.json")),
        rejected: args
            .rejected
            .clone()
            .unwrap_or_else(|| beside(&args.file, ".rejected.csv")),
        connections: usize::from(args.connections),
    };
    if args.again && job.state.exists() {
        std::fs::remove_file(&job.state)
            .with_context(|| format!("cannot remove {}", job.state.display()))?;
    }
    let kept = Progress::read(
        &job.state,
        &crate::import::file_id(&job.source)?,
        &job.mapping.import,
    )?;
    if kept.is_done {
        output::line(format!(
            "{} was imported already; --again imports it once more",
            args.file.display()
        ));
        return Ok(());
    }
    if kept.rows_count > 0 {
        eprintln!("going on after row {}", kept.rows_count);
    }
    let bar = new_bar(&args.file)?;
    let result = run_import(
        &job,
        &Client::new(&args.remote)?,
        &mut |read_bytes, progress| {
            bar.set_position(read_bytes);
            bar.set_message(format!("{} rows", progress.rows_count));
        },
    );
    bar.finish_and_clear();
    let progress =
        result.context("the import stopped; the same command goes on where it stopped")?;
    summarise(&progress, &job, args.json);
    Ok(())
}

fn show_preview(file: &Path, mapping: Mapping) -> Result<()> {
    let (calls, problems) = preview(file, mapping, PREVIEW_ROWS)?;
    for call in &calls {
        output::line(call.to_string());
    }
    for problem in &problems {
        eprintln!("{problem}");
    }
    eprintln!(
        "{} call(s) of the first {PREVIEW_ROWS} rows, {} row(s) rejected; nothing was sent",
        calls.len(),
        problems.len()
    );
    Ok(())
}

fn summarise(progress: &Progress, job: &Job, as_json: bool) {
    if as_json {
        return output::json(&serde_json::json!({
            "rows": progress.rows_count,
            "accepted": progress.accepted_count,
            "duplicates": progress.duplicate_count,
            "rejected_rows": progress.rejected_count,
            "rejected_file": (progress.rejected_count > 0).then(|| job.rejected.display().to_string()),
        }));
    }
    output::line(format!(
        "{} rows: {} calls accepted, {} known already, {} row(s) rejected",
        progress.rows_count,
        progress.accepted_count,
        progress.duplicate_count,
        progress.rejected_count
    ));
    if progress.rejected_count > 0 {
        output::line(format!("reasons: {}", job.rejected.display()));
    }
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn new_bar(file: &Path) -> Result<ProgressBar> {
    let length = std::fs::metadata(file)
        .with_context(|| format!("cannot open {}", file.display()))?
        .len();
    if !std::io::stderr().is_terminal() {
        return Ok(ProgressBar::hidden());
    }
    let style = ProgressStyle::with_template(
        "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta} left",
    );
    Ok(ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())))
}
