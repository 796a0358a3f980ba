//! The Tenure engine: pure and deterministic.
//!
//! Nothing here reads a clock, draws a random number, performs IO or depends on hash-map
//! iteration order. The shell (`tenure-app`) keeps the states, calls [`engine`], and commits
//! what it returns; the simulator and the backtest call the same functions.

pub mod aggregate;
pub mod answers;
pub mod backtest;
pub mod decision;
pub mod define;
pub mod diagnostic;
pub mod effect;
pub mod engine;
pub mod expr;
pub mod health;
pub mod id;
pub mod keyed;
pub mod lang;
pub mod log;
pub mod oracle;
pub mod people;
pub mod plan;
pub mod policy;
pub mod program;
pub mod snapshot;
pub mod subject;
pub mod testing;
pub mod time;
pub mod value;
