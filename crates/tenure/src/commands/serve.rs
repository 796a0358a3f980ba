//! `tenure serve`.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use clap::Args;

use crate::output;
use crate::server::{Server, SystemClock, asked_to_stop, logs};
use crate::settings::{SettingFlags, Settings};

/// Serve a data folder. Ready when GET /readyz answers 200; stops gracefully on SIGTERM and SIGINT.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure serve --data ./data
  tenure serve --data ./data --listen 0.0.0.0:8080 --public-url https://tenure.example.com")]
pub(crate) struct Serve {
    /// Data folder, as created by `tenure init`
    #[arg(long, env = "TENURE_DATA")]
    data: PathBuf,
    #[command(flatten)]
    settings: SettingFlags,
}

/// Runs the command.
pub(crate) fn run(args: &Serve) -> Result<()> {
    let settings = Settings::load(&args.data, &args.settings)?;
    logs::start(&settings)?;
    let mut server = Server::open(&args.data, &settings, Arc::new(SystemClock))?;
    let setup = server.offer_setup()?;
    output::announce(&format!(
        "tenure {} listens on {}{}",
        env!("CARGO_PKG_VERSION"),
        server.url(),
        setup.unwrap_or_default()
    ));
    server.run(asked_to_stop())
}
