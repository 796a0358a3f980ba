//! Deterministic simulation, and the demo company.

pub mod demo;
pub mod world;
