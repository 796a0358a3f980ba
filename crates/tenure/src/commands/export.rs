//! `tenure export`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use tenure_store_sqlite::{Options, SqliteStore};

use crate::client::{Client, Remote};
use crate::export::{What, write};

/// Export events or profiles. With --data, from the folder of a stopped server; else from the running server.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure export --data ./data --what events --out events.jsonl
  tenure export --what people")]
pub(crate) struct Export {
    /// Data folder of a server that is stopped
    #[arg(long)]
    data: Option<PathBuf>,
    /// What to export
    #[arg(long, value_enum, default_value = "events")]
    what: What,
    /// In which form
    #[arg(long, value_enum, default_value = "jsonl")]
    format: Format,
    /// File to write; standard output without it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    remote: Remote,
}

/// Forms of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One JSON object a line
    Jsonl,
}

/// Runs the command.
pub(crate) fn run(args: &Export) -> Result<()> {
    let Format::Jsonl = args.format;
    let mut out: Box<dyn Write> = match &args.out {
        Some(path) => {
            let file =
                File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
            Box::new(BufWriter::new(file))
        }
        None => Box::new(BufWriter::new(std::io::stdout().lock())),
    };
    let result = match &args.data {
        Some(data) => {
            let store = SqliteStore::open(data, Options::default())
                .with_context(|| format!("cannot open {}", data.display()))?;
            write(&store, args.what, &mut out).map(|count| eprintln!("{count} row(s)"))
        }
        None => download(args, &mut out),
    };
    match result {
        // Whoever reads (`| head`) has seen enough.
        Err(error) if is_closed_pipe(&error) => Ok(()),
        other => other,
    }
}

fn download(args: &Export, out: &mut dyn Write) -> Result<()> {
    let query = [
        ("what", args.what.name().to_owned()),
        ("format", "jsonl".to_owned()),
    ];
    let mut body = Client::new(&args.remote)?.stream("export", &query)?;
    std::io::copy(&mut body, out).context("the transfer was cut off; try again")?;
    out.flush().context("cannot write the export")
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let io_error = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<std::io::Error>());
    io_error.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
