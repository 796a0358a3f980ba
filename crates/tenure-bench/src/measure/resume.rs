//! How fast enrollments go on that all wait for the same instant.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::{Bench, identify, now, send};
use crate::body::{Kind, People};
use crate::definitions::waiting;
use crate::report::Figures;
use crate::server::Server;

/// Waiting enrollments at full scale.
const ENROLLMENTS: u64 = 100_000;
/// How long it may take to make them, at full scale, in milliseconds.
const SETUP_MS: i64 = 40_000;
/// The least it may take, in milliseconds.
const SETUP_LEAST_MS: i64 = 15_000;

/// (g) From the due instant until the API shows the last enrollment as completed.
pub(crate) fn measure(bench: &Bench, figures: &mut Figures) -> Result<()> {
    let workspace = bench.workspace("resume")?;
    let mut server = workspace.serve(None)?;
    let enrollments = bench.scaled(ENROLLMENTS);
    server.apply(&waiting())?;
    let due = now().plus_ms(SETUP_LEAST_MS + (SETUP_MS as f64 * bench.scale) as i64);
    identify(
        &mut server,
        &workspace,
        enrollments,
        &format!(r#""wakes_at":"{due}""#),
    )?;
    send(
        &server,
        &workspace,
        Kind::Event("session_open"),
        People::Each(0),
        enrollments,
        None,
    )?;
    server.wait_until_applied()?;
    server.wait_for("entering the program", |server| {
        Ok(count(server, "active")? == enrollments || now() >= due)
    })?;
    let active = count(&mut server, "active")?;
    if active != enrollments || now() >= due {
        bail!(
            "{active} of {enrollments} enrollments waited before they were due: the machine is too slow for this measurement"
        );
    }
    std::thread::sleep(Duration::from_millis(due.since_ms(now()).max(0) as u64));
    let started = Instant::now();
    server.wait_for("going on", |server| {
        Ok(count(server, "completed")? == enrollments)
    })?;
    let took = started.elapsed();
    figures.set("resume_per_second", enrollments as f64 / took.as_secs_f64());
    figures.note(format!(
        "(g) {enrollments} enrollments, due at the same millisecond, went on within {:.2} s",
        took.as_secs_f64()
    ));
    server.stop()
}

fn count(server: &mut Server, status: &str) -> Result<u64> {
    let program = server.get("programs/waiting")?;
    let counts = program
        .get("counts")
        .context("the API gave no `counts` of a program")?;
    Ok(counts[status].as_u64().unwrap_or(0))
}
