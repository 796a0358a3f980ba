//! How long a new condition needs for what happened before it was defined.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tenure_core::time::DAY_MS;

use super::{Bench, identify, now, send};
use crate::body::{Kind, People, Times};
use crate::definitions::new_condition;
use crate::report::Figures;
use crate::server::Server;

/// People in the workspace.
const PEOPLE: u64 = 100_000;
/// Stored events at full scale.
const EVENTS: u64 = 5_000_000;
/// Over how many days they are spread.
const DAYS: i64 = 60;
/// How long after the switch the last membership may be committed.
const PATIENCE: Duration = Duration::from_secs(30);

/// (e) From the request that publishes a new windowed condition until everybody is switched over to it.
pub(crate) fn measure(bench: &Bench, figures: &mut Figures) -> Result<()> {
    let workspace = bench.workspace("backfill")?;
    let mut server = workspace.serve(None)?;
    let (people, events) = (bench.scaled(PEOPLE), bench.scaled(EVENTS));
    identify(&mut server, &workspace, people, "")?;
    let until = now();
    let times = Times {
        range: until.plus_ms(-DAYS * DAY_MS)..until,
        call_count: events,
    };
    let sent = send(
        &server,
        &workspace,
        Kind::AnyEvent,
        People::Any(people),
        events,
        Some(times),
    )?;
    server.wait_until_applied()?;
    let took = server.apply(&new_condition())?;
    // The API shows what is committed, which follows what is applied.
    server.wait_until_applied()?;
    let committed_by = Instant::now() + PATIENCE;
    server.wait_for("the new segment", |server| {
        Ok(member_count(server)? > 0 || Instant::now() > committed_by)
    })?;
    let members = member_count(&mut server)?;
    if members == 0 {
        bail!("nobody is in the new segment: its past was not read");
    }
    figures.set("backfill_seconds", took.as_secs_f64());
    figures.note(format!(
        "(e) {events} stored events of {people} people (sent at {:.0} a second, {:.0} MiB on disk); {members} people are in the new segment",
        sent.per_second(),
        workspace.byte_count()? as f64 / f64::from(1 << 20)
    ));
    server.stop()
}

fn member_count(server: &mut Server) -> Result<u64> {
    let count = server.get("segments/buyers")?["member_count"].as_u64();
    count.context("the API gave no `member_count`")
}
