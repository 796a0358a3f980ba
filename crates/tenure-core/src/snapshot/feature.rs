//! One thing known of an account at a moment.

/// A name and a value; what is not known is absent.
#[derive(Debug, Clone, PartialEq)]
pub struct Feature {
    /// As reasons name it.
    pub name: String,
    /// What it was.
    pub value: FeatureValue,
}

/// A quantity or a name.
#[derive(Debug, Clone, PartialEq)]
pub enum FeatureValue {
    /// A quantity.
    Number(f64),
    /// A name, such as that of a plan.
    Text(Box<str>),
}

impl Feature {
    /// A quantity.
    pub(super) fn number(name: impl Into<String>, value: f64) -> Self {
        Self {
            name: name.into(),
            value: FeatureValue::Number(value),
        }
    }

    /// A name.
    pub(super) fn text(name: impl Into<String>, value: &str) -> Self {
        Self {
            name: name.into(),
            value: FeatureValue::Text(value.into()),
        }
    }
}
