//! Programs and the contact policy, through the engine.

#![allow(
    clippy::wildcard_imports,
    reason = "tests speak in the words of the definitions"
)]

mod company;
mod enter;
mod library;
mod policy;
mod random;
mod steps;
mod versions;
