//! A value that may not be known, with the reason.

/// A value, or why there is none.
#[derive(Debug, Clone, PartialEq)]
pub struct Known<T> {
    /// The value.
    pub value: Option<T>,
    /// Why it is not known; `None` when it is.
    pub reason: Option<String>,
}

impl<T> Known<T> {
    /// It is known.
    pub fn is(value: T) -> Self {
        Self {
            value: Some(value),
            reason: None,
        }
    }

    /// It is not known.
    pub fn not(reason: impl Into<String>) -> Self {
        Self {
            value: None,
            reason: Some(reason.into()),
        }
    }

    /// It is known if there is a value.
    pub fn some_or(value: Option<T>, reason: &str) -> Self {
        value.map_or_else(|| Self::not(reason), Self::is)
    }
}
