//! Memory and the time to start.

use std::time::Duration;

use anyhow::Result;

use super::{Bench, identify, send};
use crate::body::{Kind, People};
use crate::definitions::living_plan;
use crate::report::Figures;

/// People at full scale.
const PEOPLE: u64 = 1_000_000;
/// How long a server settles before its memory is read.
const SETTLE: Duration = Duration::from_secs(7);

/// (h) Memory of a server that has nothing to do.
pub(crate) fn idle(bench: &Bench, figures: &mut Figures) -> Result<()> {
    let workspace = bench.workspace("idle")?;
    let server = workspace.serve(None)?;
    std::thread::sleep(SETTLE);
    figures.set("idle_rss_mb", server.rss_mb()?);
    figures.note(format!(
        "(h) a fresh server was ready after {:.0} ms",
        server.ready_after.as_secs_f64() * 1e3
    ));
    server.stop()
}

/// (h) Memory and start-up time with a million people, 50 conditions and 10 programs.
pub(crate) fn large(bench: &Bench, figures: &mut Figures) -> Result<()> {
    let workspace = bench.workspace("large")?;
    let mut server = workspace.serve(None)?;
    let people = bench.scaled(PEOPLE);
    server.apply(&living_plan())?;
    identify(&mut server, &workspace, people, "")?;
    send(
        &server,
        &workspace,
        Kind::AnyEvent,
        People::Any(people),
        people,
        None,
    )?;
    server.wait_until_applied()?;
    std::thread::sleep(SETTLE);
    let (after_load, peak) = (server.rss_mb()?, server.peak_rss_mb()?);
    server.stop()?;
    let server = workspace.serve(None)?;
    let ready_after = server.ready_after;
    std::thread::sleep(SETTLE);
    figures.set("rss_mb_1m", peak);
    figures.set("start_seconds_1m", ready_after.as_secs_f64());
    figures.note(format!(
        "(h) {people} people with as many events, 50 conditions, 10 programs: {peak:.0} MiB at the peak, {after_load:.0} MiB after, {:.0} MiB after a restart; {:.0} MiB on disk",
        server.rss_mb()?,
        workspace.byte_count()? as f64 / f64::from(1 << 20)
    ));
    server.stop()
}
