//! The shell: use cases, the log writer, the engine's worker, dispatch. It sees ports only.

pub mod access;
pub mod alerts;
pub mod backfill;
pub mod breakers;
pub mod call;
pub mod catalog;
pub mod clock;
pub mod commands;
pub mod dead_letters;
pub mod dispatch;
pub mod error;
pub mod idempotency;
pub mod identity;
pub mod journal;
pub mod live;
pub mod node;
pub mod publish;
pub mod query;
pub mod receipts;
pub mod roots;
pub mod telemetry;
pub mod topics;
pub mod webhooks;
pub mod worker;
pub mod workspace;
pub mod writer;
