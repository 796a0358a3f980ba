//! The HTTP surface: the tracking API, the JSON API with its OpenAPI document, hosted pages, and
//! what operators ask. Wire types never leave this crate.

pub mod ingest;
pub mod problem;
mod telemetry;
