//! How late a change is that only time brings.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use tenure_core::time::Timestamp;

use super::{Bench, identify, now, percentile, send};
use crate::body::{Kind, People, Times};
use crate::definitions::{SHORT_WINDOW_MS, short_window};
use crate::report::Figures;
use crate::server::Server;

/// People whose membership ends, at full scale.
const FLIPS: u64 = 10_000;
/// Within how long they end, in milliseconds.
const SPREAD_MS: i64 = 60_000;
/// How long before the events are sent the last of them happened, in milliseconds.
const AGO_MS: i64 = 5_000;
/// How often the size of the segment is asked for.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How long after the last due time the last change may be seen, in milliseconds.
const PATIENCE_MS: i64 = 60_000;

/// (d) From the due time of a change to the answer of the API that first shows it. All changes of one segment are of
/// one kind (leaving), so the k-th departure seen is compared with the k-th due time.
pub(crate) fn measure(bench: &Bench, figures: &mut Figures) -> Result<()> {
    let workspace = bench.workspace("flips")?;
    let mut server = workspace.serve(None)?;
    let flips = bench.scaled(FLIPS);
    server.apply(&short_window())?;
    identify(&mut server, &workspace, flips, "")?;
    let latest = now().plus_ms(-AGO_MS);
    let times = Times {
        range: latest.plus_ms(-SPREAD_MS)..latest,
        call_count: flips,
    };
    send(
        &server,
        &workspace,
        Kind::Event("page_visited"),
        People::Each(0),
        flips,
        Some(times.clone()),
    )?;
    server.wait_until_applied()?;
    let first_due = times.of(0).plus_ms(SHORT_WINDOW_MS);
    // The API shows what is committed, which follows what is applied.
    server.wait_for("the segment", |server| {
        Ok(member_count(server)? == flips || now() >= first_due)
    })?;
    let members = member_count(&mut server)?;
    if members != flips {
        bail!(
            "{members} of {flips} people were members before the first was due to leave: the machine is too slow for this measurement"
        );
    }
    let mut delays_ms = watch(&mut server, &times, flips)?;
    delays_ms.sort_by(f64::total_cmp);
    figures.set("flip_delay_ms_p99", percentile(&delays_ms, 0.99));
    figures.note(format!(
        "(d) {flips} people leave a segment within {} s; delay until the API shows it: p50 {:.0} ms, slowest {:.0} ms (asked every {} ms)",
        SPREAD_MS / 1_000,
        percentile(&delays_ms, 0.50),
        percentile(&delays_ms, 1.0),
        LOOK_EVERY.as_millis()
    ));
    server.stop()
}

fn watch(server: &mut Server, times: &Times, flips: u64) -> Result<Vec<f64>> {
    let due = |number: u64| -> Timestamp { times.of(number).plus_ms(SHORT_WINDOW_MS) };
    let give_up_at = due(flips - 1).plus_ms(PATIENCE_MS);
    let mut delays_ms = Vec::new();
    while (delays_ms.len() as u64) < flips {
        let gone = flips - member_count(server)?;
        let seen_at = now();
        for number in delays_ms.len() as u64..gone {
            delays_ms.push(seen_at.since_ms(due(number)) as f64);
        }
        if seen_at > give_up_at {
            bail!("{gone} of {flips} people left the segment in time");
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(delays_ms)
}

fn member_count(server: &mut Server) -> Result<u64> {
    server.get("segments/recent")?["member_count"]
        .as_u64()
        .context("the API gave no `member_count`")
}
