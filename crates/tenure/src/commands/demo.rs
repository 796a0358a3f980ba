//! `tenure demo`: a living demo company.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::demo::{Demo as Run, run as play};
use crate::failure::Usage;
use crate::settings::SettingFlags;

/// Start a server with a demo company: twelve months of history, the programs that come with Tenure, and customers who
/// keep living. E-mails are written to files and shown as they leave.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure demo
  tenure demo --dir ./demo --accounts 50 --speed 600")]
pub(crate) struct Demo {
    /// Data folder, kept afterwards; a temporary one without it
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Accounts of the company
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    accounts: u32,
    /// How many times faster than real time its customers act; 1440 is a day a minute
    #[arg(long, default_value_t = 1_440.0)]
    speed: f64,
    /// Any number; another seed is another company
    #[arg(long, default_value_t = 7)]
    seed: u64,
    #[command(flatten)]
    settings: SettingFlags,
}

/// Runs the command.
pub(crate) fn run(args: &Demo) -> Result<()> {
    if !(args.speed > 0.0 && args.speed <= 100_000.0) {
        return Err(Usage("--speed must be above 0 and at most 100000".to_owned()).into());
    }
    play(&Run {
        folder: args.dir.clone(),
        account_count: args.accounts,
        speed: args.speed,
        seed: args.seed,
        flags: args.settings.clone(),
    })
}
