//! How many events a second become durable, and how many are processed.

use std::time::Instant;

use anyhow::Result;

use super::{Bench, identify, send};
use crate::body::{Kind, People};
use crate::definitions::living_plan;
use crate::report::Figures;

/// People in the workspace.
const PEOPLE: u64 = 100_000;
/// Events of either measurement at full scale.
const EVENTS: u64 = 2_000_000;

/// (a) Durable events a second over HTTP: nothing is defined; the engine keeps profiles beside it.
pub(crate) fn durable(bench: &Bench, figures: &mut Figures) -> Result<()> {
    let workspace = bench.workspace("ingest")?;
    let mut server = workspace.serve(None)?;
    let (people, events) = (bench.scaled(PEOPLE), bench.scaled(EVENTS));
    identify(&mut server, &workspace, people, "")?;
    let cpu = server.cpu_seconds()?;
    let sent = send(
        &server,
        &workspace,
        Kind::AnyEvent,
        People::Any(people),
        events,
        None,
    )?;
    figures.set("ingest_eps", sent.per_second());
    figures.note(format!(
        "(a) {events} events of {people} people in requests of {} bytes; {:.1} us of server CPU per event; {} requests were told to come back; {} bytes on disk per event",
        sent.request_bytes,
        (server.cpu_seconds()? - cpu) * 1e6 / events as f64,
        sent.busy_count,
        workspace.byte_count()? / (events + people)
    ));
    server.stop()
}

/// (b) Events a second from the first request until the engine's lag is zero, with 50 conditions and 10 programs.
pub(crate) fn processed(bench: &Bench, figures: &mut Figures) -> Result<()> {
    let workspace = bench.workspace("processed")?;
    let mut server = workspace.serve(None)?;
    let (people, events) = (bench.scaled(PEOPLE), bench.scaled(EVENTS));
    identify(&mut server, &workspace, people, "")?;
    server.apply(&living_plan())?;
    server.wait_until_applied()?;
    let cpu = server.cpu_seconds()?;
    let started = Instant::now();
    let sent = send(
        &server,
        &workspace,
        Kind::AnyEvent,
        People::Any(people),
        events,
        None,
    )?;
    server.wait_until_applied()?;
    let took = started.elapsed();
    figures.set("processed_eps", events as f64 / took.as_secs_f64());
    figures.note(format!(
        "(b) {events} events of {people} people: sent in {:.1} s, lag zero after {:.1} s; {:.1} us of server CPU per event; {} requests were told to come back",
        sent.took.as_secs_f64(),
        took.as_secs_f64(),
        (server.cpu_seconds()? - cpu) * 1e6 / events as f64,
        sent.busy_count
    ));
    server.stop()
}
