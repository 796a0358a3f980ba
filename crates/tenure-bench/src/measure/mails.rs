//! How many mails a second a broadcast sends.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::json;

use super::{Bench, identify};
use crate::definitions::broadcast;
use crate::report::Figures;
use crate::sink::Sink;

/// Recipients at full scale.
const PEOPLE: u64 = 50_000;
/// How long nothing may arrive before the broadcast counts as stuck.
const PATIENCE: Duration = Duration::from_mins(1);

/// (f) From the request for the broadcast until the last mail is in the sink.
pub(crate) fn measure(bench: &Bench, figures: &mut Figures) -> Result<()> {
    let sink = Sink::start()?;
    let workspace = bench.workspace("broadcast")?;
    let mut server = workspace.serve(Some(&sink.url()))?;
    let people = bench.scaled(PEOPLE);
    server.apply(&broadcast())?;
    identify(&mut server, &workspace, people, "")?;
    let cpu = server.cpu_seconds()?;
    let started = Instant::now();
    server.post("programs/newsletter/broadcast", &json!({}))?;
    let (mut seen, mut seen_at) = (0, Instant::now());
    while sink.count() < people {
        std::thread::sleep(Duration::from_millis(5));
        if sink.count() > seen {
            (seen, seen_at) = (sink.count(), Instant::now());
        }
        if seen_at.elapsed() > PATIENCE {
            bail!(
                "{seen} of {people} mails came, then none for {} s",
                PATIENCE.as_secs()
            );
        }
    }
    let arrivals = sink.take();
    let last = arrivals
        .iter()
        .map(|arrival| arrival.at)
        .max()
        .unwrap_or(started);
    let first = arrivals
        .iter()
        .map(|arrival| arrival.at)
        .min()
        .unwrap_or(started);
    figures.set(
        "broadcast_per_second",
        people as f64 / last.duration_since(started).as_secs_f64(),
    );
    figures.note(format!(
        "(f) {people} mails with open and click tracking over {} connections at most; the first after {:.2} s; {:.0} us of server CPU per mail",
        crate::server::SMTP_CONNECTIONS,
        first.duration_since(started).as_secs_f64(),
        (server.cpu_seconds()? - cpu) * 1e6 / people as f64
    ));
    server.stop()
}
