//! How long parsing takes per event: `cargo run --release -p tenure-api --example parse_speed`.

use std::hint::black_box;
use std::time::Instant;

use tenure_api::ingest::{Circumstances, IngestLimits, parse_batch};
use tenure_core::id::{EventId, Salt};
use tenure_core::time::Timestamp;

const BATCH_EVENTS: usize = 100;
const ROUNDS: usize = 3_000;

fn main() {
    let salt = Salt([3; 32]);
    let unique = || EventId(1);
    let cx = Circumstances {
        salt: &salt,
        received_at: Timestamp(1_790_000_000_000),
        sent_at: None,
        historical: false,
        unique: &unique,
    };
    for (name, body) in [
        ("server library", server_batch()),
        ("browser library", browser_batch()),
    ] {
        let started = Instant::now();
        for _ in 0..ROUNDS {
            let parsed = parse_batch(black_box(&body), &IngestLimits::default(), &cx);
            assert!(parsed.is_ok_and(|parsed| black_box(parsed).calls.len() == BATCH_EVENTS));
        }
        let nanos = started.elapsed().as_nanos() as f64 / (ROUNDS * BATCH_EVENTS) as f64;
        println!(
            "{name}: {:.2} µs an event of {} bytes",
            nanos / 1_000.0,
            body.len() / BATCH_EVENTS
        );
    }
}

fn server_batch() -> String {
    let events: Vec<String> = (0..BATCH_EVENTS)
        .map(|n| {
            format!(
                r#"{{"type":"track","messageId":"node-next-179546174{n:04}-6b5ccfbd-231c-46f9-b3eb-f64451575641","userId":"user-{n}","event":"report_created","timestamp":"2026-11-23T19:22:24.975Z","properties":{{"kind":"weekly","rows":{n},"shared":true}},"context":{{"library":{{"name":"@segment/analytics-node","version":"3.1.0"}}}},"integrations":{{}},"_metadata":{{"nodeVersion":"v20.20.2","jsRuntime":"node"}}}}"#
            )
        })
        .collect();
    format!(
        r#"{{"batch":[{}],"sentAt":"2026-11-23T19:22:25.000Z"}}"#,
        events.join(",")
    )
}

fn browser_batch() -> String {
    let events: Vec<String> = (0..BATCH_EVENTS)
        .map(|n| {
            format!(
                r#"{{"timestamp":"2026-11-23T19:23:26.688Z","integrations":{{"Segment.io":true}},"event":"Feature Used","type":"track","properties":{{"feature":"export"}},"context":{{"page":{{"path":"/docs","referrer":"","search":"?utm_source=x","title":"t","url":"https://app.example.com/docs?utm_source=x"}},"userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0","locale":"en-US","library":{{"name":"analytics.js","version":"npm:next-1.84.3"}},"campaign":{{"source":"x"}},"timezone":"UTC"}},"messageId":"ajs-next-1795461806688-6953d9b4-540e-4867-b87c-{n:08}","userId":"user-{n}","anonymousId":"cb856953-d9b4-440e-8867-{n:012}","writeKey":"wk","sentAt":"2026-11-23T19:23:26.703Z","_metadata":{{"bundled":["Segment.io"],"unbundled":[],"bundledIds":[]}}}}"#
            )
        })
        .collect();
    format!(r#"{{"batch":[{}]}}"#, events.join(","))
}
