//! How long it takes from an event to its mail.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use super::{Bench, identify, percentile};
use crate::definitions::mail_at_once;
use crate::http::{Connection, request};
use crate::load::send_until_taken;
use crate::report::Figures;
use crate::sink::Sink;

/// Events sent a second.
const EVENTS_PER_SECOND: u64 = 200;
/// Events at full scale: a minute of them.
const EVENTS: u64 = 60 * EVENTS_PER_SECOND;
/// Connections that send them; enough that a slow answer delays no other event.
const SENDERS: u64 = 16;
/// How long after the last event the last mail may come.
const PATIENCE: Duration = Duration::from_mins(1);

/// (c) From the start of the POST to the end of SMTP DATA, at 200 events a second.
pub(crate) fn measure(bench: &Bench, figures: &mut Figures) -> Result<()> {
    let sink = Sink::start()?;
    let workspace = bench.workspace("latency")?;
    let mut server = workspace.serve(Some(&sink.url()))?;
    let events = bench.scaled(EVENTS);
    server.apply(&mail_at_once())?;
    identify(&mut server, &workspace, events, "")?;
    let posted = post_steadily(server.address, &workspace.write_key, events)?;
    let begun = Instant::now();
    while sink.count() < events && begun.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut latencies_ms = Vec::new();
    for arrival in sink.take() {
        let posted_at = posted
            .get(&arrival.recipient)
            .context("a mail came for nobody who was told of")?;
        latencies_ms.push(arrival.at.duration_since(*posted_at).as_secs_f64() * 1e3);
    }
    if latencies_ms.len() as u64 != events {
        bail!("{} mails came for {events} events", latencies_ms.len());
    }
    latencies_ms.sort_by(f64::total_cmp);
    figures.set("latency_ms_p50", percentile(&latencies_ms, 0.50));
    figures.set("latency_ms_p95", percentile(&latencies_ms, 0.95));
    figures.set("latency_ms_p99", percentile(&latencies_ms, 0.99));
    figures.note(format!(
        "(c) {events} events, each starting a program that mails at once; slowest {:.1} ms",
        percentile(&latencies_ms, 1.0)
    ));
    server.stop()
}

/// Posts one event for each person on time; answers when each was posted, by address.
fn post_steadily(
    address: SocketAddr,
    write_key: &str,
    events: u64,
) -> Result<HashMap<String, Instant>> {
    let started = Instant::now();
    std::thread::scope(|scope| {
        let sender =
            |first| scope.spawn(move || post_share(address, write_key, started, first, events));
        let senders: Vec<_> = (0..SENDERS).map(sender).collect();
        let mut posted = HashMap::new();
        for sender in senders {
            posted.extend(sender.join().map_err(|_| anyhow!("a sender failed"))??);
        }
        Ok(posted)
    })
}

fn post_share(
    address: SocketAddr,
    write_key: &str,
    started: Instant,
    first: u64,
    events: u64,
) -> Result<Vec<(String, Instant)>> {
    let mut connection = Connection::open(address)?;
    let busy = AtomicU64::new(0);
    let mut posted = Vec::new();
    for number in (first..events).step_by(SENDERS as usize) {
        let body = format!(
            r#"{{"writeKey":"{write_key}","type":"track","messageId":"latency-{number}","userId":"user-{number:07}","event":"order_placed","properties":{{"total":12}}}}"#
        );
        let ask = request("POST", "/v1/track", None, body.as_bytes());
        let due = started + Duration::from_micros(number * 1_000_000 / EVENTS_PER_SECOND);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        posted.push((format!("user-{number:07}@example.com"), Instant::now()));
        send_until_taken(&mut connection, &ask, &busy)?;
    }
    Ok(posted)
}
