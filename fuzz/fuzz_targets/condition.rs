//! Any text is a condition or a list of findings; what parses survives its canonical text.

#![no_main]

#[path = "../bodies/condition.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|text: &str| body::run(text));
