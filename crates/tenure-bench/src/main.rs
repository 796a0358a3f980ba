//! `make bench`: measures the built server on this machine, in its own process, and writes the figures down.

mod body;
mod definitions;
mod engine;
mod http;
mod load;
mod measure;
mod mix;
mod report;
mod server;
mod sink;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Parser;

use crate::measure::{Bench, backfill, flips, ingest, latency, mails, memory, reads, resume};
use crate::report::{Figures, machine};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// People of the in-process measurement at full scale.
const ENGINE_PEOPLE: u64 = 100_000;
/// Events of each part of the in-process measurement at full scale.
const ENGINE_EVENTS: u64 = 2_000_000;

/// Measure the built server on this machine.
#[derive(Debug, Parser)]
struct Args {
    /// The server's binary
    #[arg(long, default_value = "target/release/tenure")]
    server: PathBuf,
    /// Where the figures go, as JSON
    #[arg(long)]
    out: Option<PathBuf>,
    /// Only these: a to i, or `engine` for the engine in this process, for profiling
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Part of the full size
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Folder for the data; a temporary one otherwise
    #[arg(long)]
    scratch: Option<PathBuf>,
}

type Measure = fn(&Bench, &mut Figures) -> Result<()>;

/// Every measurement under its letter.
const MEASURES: [(&str, Measure); 11] = [
    ("a", ingest::durable),
    ("b", ingest::processed),
    ("c", latency::measure),
    ("d", flips::measure),
    ("e", backfill::measure),
    ("f", mails::measure),
    ("g", resume::measure),
    ("h", memory::idle),
    ("h", memory::large),
    ("i", reads::measure),
    ("engine", engine_alone),
];

fn main() -> Result<()> {
    let args = Args::parse();
    if args.scale.is_nan() || args.scale <= 0.0 {
        bail!("--scale must be above 0");
    }
    if let Some(unknown) = args
        .only
        .iter()
        .find(|name| !MEASURES.iter().any(|(known, _)| known == name))
    {
        bail!("--only {unknown}: there are a to i, and engine");
    }
    let temporary = tempfile::tempdir()?;
    let scratch = args
        .scratch
        .clone()
        .unwrap_or_else(|| temporary.path().to_owned());
    let bench = Bench {
        binary: args.server.clone(),
        scratch,
        scale: args.scale,
    };
    let mut figures = Figures::default();
    let mut failed = Vec::new();
    for (name, measure) in MEASURES.iter().filter(|(name, _)| is_wanted(&args, name)) {
        eprintln!("({name}) begins");
        let started = Instant::now();
        // One that fails must not cost the others.
        if let Err(error) = measure(&bench, &mut figures) {
            eprintln!("({name}) failed: {error:#}");
            failed.push(*name);
        }
        for line in figures.news() {
            eprintln!("{line}");
        }
        eprintln!("({name}) took {:.0} s", started.elapsed().as_secs_f64());
    }
    print!("{}", figures.to_text(&machine()));
    if let Some(out) = &args.out {
        let json = serde_json::to_string_pretty(&figures.to_json())?;
        std::fs::write(out, json + "\n")
            .with_context(|| format!("cannot write {}", out.display()))?;
    }
    if failed.is_empty() {
        return Ok(());
    }
    bail!("not measured: {}", failed.join(", "))
}

fn is_wanted(args: &Args, name: &str) -> bool {
    if args.only.is_empty() {
        name != "engine"
    } else {
        args.only.iter().any(|wanted| wanted == name)
    }
}

fn engine_alone(bench: &Bench, figures: &mut Figures) -> Result<()> {
    let found = engine::measure(
        &bench.folder("engine"),
        bench.scaled(ENGINE_PEOPLE),
        bench.scaled(ENGINE_EVENTS),
    )?;
    figures.note(format!(
        "(engine) without HTTP: {:.0} events a second durable, {:.0} until lag is zero; a new condition over {} entries in {:.2} s",
        found.ingest_eps, found.processed_eps, found.event_count, found.backfill_seconds
    ));
    Ok(())
}
