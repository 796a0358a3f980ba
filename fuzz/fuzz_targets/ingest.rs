//! Any body of the tracking API is answered: calls, faults that name a field, or a refusal. What
//! is taken has properties that read back as a JSON object.

#![no_main]

#[path = "../bodies/ingest.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|body: &str| body::run(body));
