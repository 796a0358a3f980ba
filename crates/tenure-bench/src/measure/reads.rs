//! How long pages of the console wait for their data.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::{Bench, identify, percentile};
use crate::definitions::everybody;
use crate::http::{Connection, request};
use crate::report::Figures;
use crate::server::Server;

/// People in the segment, at full scale.
const PEOPLE: u64 = 700_000;
/// Accounts whose pages are read.
const ACCOUNTS: usize = 500;
/// Requests a second.
const RATE: u32 = 200;
/// For how long each kind of page is read.
const FOR: Duration = Duration::from_secs(20);
/// Connections that share the rate.
const CONNECTIONS: usize = 8;
/// Rows of a page of a segment.
const PAGE_ROWS: usize = 50;
/// Rows that are read at once to find places all over the segment.
const STRIDE_ROWS: usize = 1_000;
/// Most places that are looked for.
const MAX_PLACES: usize = 700;

/// (i) From the instant a request is due, at 200 a second whether or not those before are answered, until its answer
/// is read: the account page's data (account, timeline, people in turn), and pages all over a large segment.
pub(crate) fn measure(bench: &Bench, figures: &mut Figures) -> Result<()> {
    let workspace = bench.workspace("reads")?;
    let mut server = workspace.serve(None)?;
    server.apply(&everybody())?;
    let people = bench.scaled(PEOPLE);
    identify(&mut server, &workspace, people, "")?;
    make_accounts(&mut server)?;
    server.wait_until_applied()?;
    server.wait_for("the segment", |server| {
        Ok(server.get("segments/everybody")?["member_count"].as_u64() == Some(people))
    })?;
    let accounts = account_paths(&mut server)?;
    let places = member_paths(&mut server)?;
    let (address, token) = (server.address, server.token().to_owned());
    for (key, paths) in [
        ("read_account_ms_p99", accounts),
        ("read_segment_ms_p99", places),
    ] {
        let took_ms = read(address, &token, &paths)?;
        figures.set(key, percentile(&took_ms, 0.99));
        figures.note(format!(
            "(i) {key}: {} requests of {} paths at {RATE} a second, {people} people; p50 {:.1} ms, slowest {:.1} ms",
            took_ms.len(),
            paths.len(),
            percentile(&took_ms, 0.5),
            percentile(&took_ms, 1.0)
        ));
    }
    server.stop()
}

fn make_accounts(server: &mut Server) -> Result<()> {
    let calls = (0..ACCOUNTS).map(|number| {
        json!({"type": "group", "messageId": format!("reads-{number}"), "userId": format!("reader-{number}"),
               "groupId": format!("account-{number}"), "traits": {"mrr": number, "plan": "pro"}})
    });
    let batch: Vec<Value> = calls.collect();
    server.post("import", &json!({ "batch": batch }))?;
    Ok(())
}

fn account_paths(server: &mut Server) -> Result<Vec<String>> {
    let listed = server.get(&format!("accounts?limit={ACCOUNTS}"))?;
    let rows = listed["data"].as_array().context("no accounts")?;
    let ids = rows.iter().filter_map(|row| row["id"].as_str());
    let paths = ids.flat_map(|id| {
        [
            format!("accounts/{id}"),
            format!("accounts/{id}/timeline?limit=20"),
            format!("people?account={id}"),
        ]
    });
    Ok(paths.collect())
}

fn member_paths(server: &mut Server) -> Result<Vec<String>> {
    let base = "segments/everybody/members";
    let mut paths = vec![format!("{base}?limit={PAGE_ROWS}")];
    let mut cursor = String::new();
    while paths.len() < MAX_PLACES {
        let page = server.get(&format!("{base}?limit={STRIDE_ROWS}{cursor}"))?;
        let Some(next) = page["next_cursor"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
        paths.push(format!("{base}?limit={PAGE_ROWS}{cursor}"));
    }
    Ok(paths)
}

/// Asks for the paths in turn at the rate; answers how long each answer took from its due time, sorted.
fn read(address: SocketAddr, token: &str, paths: &[String]) -> Result<Vec<f64>> {
    let total = RATE * FOR.as_secs() as u32;
    let begun_at = Instant::now();
    let results: Vec<Result<Vec<f64>>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..CONNECTIONS)
            .map(|first| {
                scope.spawn(move || -> Result<Vec<f64>> {
                    let mut connection = Connection::open(address)?;
                    let mut took_ms = Vec::new();
                    for number in (first as u32..total).step_by(CONNECTIONS) {
                        let due_at = begun_at + Duration::from_secs(1) * number / RATE;
                        std::thread::sleep(due_at.saturating_duration_since(Instant::now()));
                        // A prime step, so that neighbours in time are no neighbours in the store.
                        let path = &paths[(number as usize * 7_919) % paths.len()];
                        let ask = request("GET", &format!("/api/v1/{path}"), Some(token), b"");
                        let answer = connection.send(&ask)?;
                        if answer.status != 200 {
                            bail!("{path} answered {}", answer.status);
                        }
                        took_ms.push(due_at.elapsed().as_secs_f64() * 1_000.0);
                    }
                    Ok(took_ms)
                })
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|_| bail!("a reader panicked")))
            .collect()
    });
    let mut all = Vec::new();
    for result in results {
        all.extend(result?);
    }
    all.sort_by(f64::total_cmp);
    Ok(all)
}
