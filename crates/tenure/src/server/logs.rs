//! The log on standard error.

use anyhow::{Context, Result};
use tracing_subscriber::EnvFilter;

use crate::settings::Settings;

/// Starts logging as the settings say.
pub(crate) fn start(settings: &Settings) -> Result<()> {
    let level = settings.text("log_level").unwrap_or("info");
    let filter = EnvFilter::try_new(level).with_context(|| {
        format!("`log_level` cannot be read: {level}; write for example `info`")
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = if settings.text("log_format") == Some("json") {
        builder.json().try_init()
    } else {
        builder.with_ansi(false).try_init()
    };
    started.map_err(|error| anyhow::anyhow!("cannot start logging: {error}"))
}
