//! The settings document that Segment's browser library asks for before it sends.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use serde_json::{Value, json};

use super::Ingest;
use crate::problem::Problem;

/// Tells the browser library to send everything to this server and nothing anywhere else.
pub(super) async fn settings(
    State(ingest): State<Ingest>,
    Path(write_key): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    if !ingest.gate.check_write_key(&write_key) {
        return Err(Problem::not_found("source with this write key", "…"));
    }
    let (protocol, host) = ingest.address(&headers);
    Ok(Json(json!({
        "integrations": {
            "Segment.io": {
                "apiKey": write_key,
                "apiHost": format!("{host}/v1"),
                "protocol": protocol,
                "unbundledIntegrations": [],
                "addBundledMetadata": true,
                "maybeBundledConfigIds": {},
                "versionSettings": { "version": "4.4.7", "componentTypes": ["browser"] },
            }
        },
        "plan": {
            "track": { "__default": { "enabled": true, "integrations": {} } },
            "identify": { "__default": { "enabled": true } },
            "group": { "__default": { "enabled": true } },
        },
        "edgeFunction": {},
        "analyticsNextEnabled": true,
        "middlewareSettings": {},
        "enabledMiddleware": {},
        "metrics": { "sampleRate": 0 },
        "legacyVideoPluginsEnabled": false,
        "remotePlugins": [],
    })))
}

impl Ingest {
    /// Protocol and host by which browsers reach this server.
    fn address(&self, headers: &HeaderMap) -> (String, String) {
        if let Some((protocol, host)) = self
            .public_url
            .as_deref()
            .and_then(|url| url.split_once("://"))
        {
            return (protocol.to_owned(), host.to_owned());
        }
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let protocol = if text("x-forwarded-proto") == Some("https") {
            "https"
        } else {
            "http"
        };
        let host = text("x-forwarded-host")
            .or_else(|| text(header::HOST.as_str()))
            .unwrap_or("localhost");
        // Only what a host and port consist of.
        let plain = |c: &char| c.is_ascii_alphanumeric() || ".-_:[]".contains(*c);
        (protocol.to_owned(), host.chars().filter(plain).collect())
    }
}
