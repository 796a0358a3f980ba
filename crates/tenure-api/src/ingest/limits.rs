//! What one request may hold.

/// Limits of the tracking API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IngestLimits {
    /// The largest call, in bytes of JSON.
    pub event_bytes: usize,
    /// The largest batch, in bytes of JSON after decompression.
    pub batch_bytes: usize,
    /// The most calls in a batch.
    pub batch_events: usize,
}

impl Default for IngestLimits {
    /// 32 KB a call, 500 KB and 2 500 calls a batch: what Segment's libraries keep to.
    fn default() -> Self {
        Self {
            event_bytes: 32 * 1024,
            batch_bytes: 500 * 1024,
            batch_events: 2_500,
        }
    }
}

/// The deepest nesting of properties and traits.
pub const MAX_DEPTH: usize = 32;
/// The longest message id taken, in bytes.
pub const MAX_MESSAGE_ID_BYTES: usize = 256;
/// The longest name of a trait, with the names of the objects around it, in bytes.
pub const MAX_TRAIT_NAME_BYTES: usize = 200;
/// The most items of a list in a trait.
pub const MAX_LIST_ITEMS: usize = 1_000;
