//! The tracking API over the in-memory store, with the real log writer behind it.

mod ingest;
