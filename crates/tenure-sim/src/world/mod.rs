//! A whole node in a world that misbehaves: a virtual clock, a store that dies at chosen commits, a
//! mail server that answers as mail servers do, and people who do what people do. Everything derives
//! from one seed.

pub mod clock;
pub mod definitions;
pub mod mail;
pub mod model;
pub mod recompute;
pub mod rules;
pub mod run;
pub mod store;
pub mod work;

pub use run::{Failure, Report, simulate};
