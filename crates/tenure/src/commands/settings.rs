//! `tenure settings`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use crate::output::{self, Column};
use crate::settings::{Effective, SettingFlags, Settings};

/// Show every setting with the value in force and where it comes from. A flag beats the environment, which beats
/// tenure.toml in the data folder, which beats the default. Secrets are not shown.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure settings --data ./data
  tenure settings --json")]
pub(crate) struct ShowSettings {
    /// Data folder
    #[arg(long, env = "TENURE_DATA", default_value = "data")]
    data: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: &ShowSettings) -> Result<()> {
    const COLUMNS: &[Column] = &[
        Column {
            title: "SETTING",
            pointers: &["/name"],
        },
        Column {
            title: "VALUE",
            pointers: &["/value"],
        },
        Column {
            title: "FROM",
            pointers: &["/origin"],
        },
        Column {
            title: "VARIABLE",
            pointers: &["/variable"],
        },
    ];
    let settings = Settings::load(&args.data, &SettingFlags::default())?;
    let rows: Vec<Value> = settings.iter().map(row).collect();
    output::rows(&rows, COLUMNS, args.json, "there are no settings");
    Ok(())
}

fn row(effective: &Effective) -> Value {
    let shown = effective.value.as_deref().map(|value| {
        if effective.setting.is_secret {
            "(set)"
        } else {
            value
        }
    });
    json!({
        "name": effective.setting.name,
        "value": shown,
        "origin": effective.origin.to_string(),
        "variable": effective.setting.variable(),
        "about": effective.setting.about,
    })
}
