//! Series: what is kept of the events behind aggregates.

use serde::{Deserialize, Serialize};

/// What one subject keeps of the events of one name (and filter) for all aggregates over them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {}
