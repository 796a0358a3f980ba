//! Any file is definitions or a list of diagnostics, each inside the file it speaks of; what
//! reads well compiles to a plan or to diagnostics.

#![no_main]

#[path = "../bodies/definitions.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|text: &str| body::run(text));
