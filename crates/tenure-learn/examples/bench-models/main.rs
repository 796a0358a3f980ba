//! `make bench-models DATA=DIR`: our learners on public data, next to the best published or computed baseline.
//!
//! The folder holds one folder a data set (`telco_ibm`, `folds`, `point_in_time`, `cdnow`, `hillstrom`,
//! `airline_sentiment`); a set that is not there is named and left out. The data is not part of the repository.

mod churn;
mod mood;
mod purchases;
mod source;
mod whom;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

/// Measures the learners on public data sets and prints the figures next to baselines.
#[derive(Parser)]
struct Arguments {
    /// Folder with one folder a data set.
    #[arg(long)]
    data: PathBuf,
}

/// One printed line.
pub(crate) struct Figure {
    set: &'static str,
    what: String,
    ours: String,
    baseline: &'static str,
    /// Whether it reaches the baseline within one standard error; none where the line only informs.
    reached: Option<bool>,
}

impl Figure {
    pub(crate) fn note(
        set: &'static str,
        what: impl Into<String>,
        ours: impl Into<String>,
    ) -> Self {
        Self {
            set,
            what: what.into(),
            ours: ours.into(),
            baseline: "",
            reached: None,
        }
    }

    pub(crate) fn goal(
        set: &'static str,
        what: impl Into<String>,
        ours: impl Into<String>,
        baseline: &'static str,
        reached: bool,
    ) -> Self {
        Self {
            set,
            what: what.into(),
            ours: ours.into(),
            baseline,
            reached: Some(reached),
        }
    }
}

type Measure = fn(&std::path::Path) -> Result<Vec<Figure>>;

const MEASURES: [(&str, Measure); 6] = [
    ("telco_ibm", churn::telco),
    ("online_retail", churn::online_retail),
    ("ravenstack", churn::ravenstack),
    ("cdnow", purchases::cdnow),
    ("hillstrom", whom::hillstrom),
    ("airline_sentiment", mood::airline),
];

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    println!(
        "{:<18} {:<46} {:<24} {:<30} reached",
        "set", "figure", "ours", "baseline"
    );
    let mut missed = 0;
    for (set, measure) in MEASURES {
        match measure(&arguments.data) {
            Ok(figures) => missed += figures.iter().filter(|figure| print(figure)).count(),
            Err(problem) => println!("{set:<18} left out: {problem:#}"),
        }
    }
    if missed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Prints one line; true when its baseline was missed.
fn print(figure: &Figure) -> bool {
    let reached = figure
        .reached
        .map_or("", |reached| if reached { "yes" } else { "NO" });
    println!(
        "{:<18} {:<46} {:<24} {:<30} {reached}",
        figure.set, figure.what, figure.ours, figure.baseline
    );
    figure.reached == Some(false)
}
