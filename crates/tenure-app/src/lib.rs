//! The shell: use cases, the log writer, the engine's worker, dispatch. It sees ports only.

pub mod call;
pub mod clock;
pub mod error;
pub mod identity;
pub mod journal;
pub mod roots;
pub mod writer;
