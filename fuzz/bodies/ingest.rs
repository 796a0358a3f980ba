//! Any body of the tracking API is answered: calls, faults that name a field, or a refusal. What
//! is taken has properties that read back as a JSON object.

use tenure_api::ingest::{Circumstances, IngestLimits, Kind, parse_batch, parse_call};
use tenure_core::id::{EventId, Salt};
use tenure_core::time::Timestamp;

const KINDS: [Kind; 6] = [
    Kind::Track,
    Kind::Identify,
    Kind::Group,
    Kind::Page,
    Kind::Screen,
    Kind::Alias,
];

/// Runs one input.
pub(crate) fn run(body: &str) {
    let salt = Salt([1; 32]);
    let unique = || EventId(1);
    let cx = Circumstances {
        salt: &salt,
        received_at: Timestamp(1_790_000_000_000),
        sent_at: None,
        historical: false,
        unique: &unique,
    };
    let limits = IngestLimits::default();
    for kind in KINDS {
        drop(parse_call(body, kind, &limits, &cx));
    }
    if let Ok(parsed) = parse_batch(body, &limits, &cx) {
        for call in parsed.calls {
            if let tenure_app::call::CallKind::Track { properties, .. } = &call.kind {
                let read = serde_json::from_str::<serde_json::Value>(properties);
                assert!(
                    read.is_ok_and(|json| json.is_object()),
                    "properties are no object"
                );
            }
        }
    }
}
