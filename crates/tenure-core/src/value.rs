//! Values of traits and properties.

use std::fmt;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// The most traits one subject may have; what is over is refused at the border.
pub const MAX_TRAITS: usize = 512;
/// The longest text value kept, in bytes; the API refuses longer ones.
pub const MAX_TEXT_BYTES: usize = 8 * 1024;

/// A value of a trait or property. There is no null: a missing value is *unknown*.
#[derive(Debug, Clone, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Value {
    /// True or false.
    Bool(bool),
    /// A finite number.
    Number(f64),
    /// Text; dates arrive as text and are read as instants where an instant is wanted.
    Text(Box<str>),
    /// A list of scalars.
    List(Vec<Value>),
}

impl Value {
    /// A text value.
    pub fn text(text: impl Into<Box<str>>) -> Self {
        Self::Text(text.into())
    }

    /// The number, if it is one. Text is never read as a number: `"10"` is not 10.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The text, if it is text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The instant this value means: text in a date form, or a number of epoch seconds
    /// (milliseconds when over 10^11).
    pub fn as_instant(&self) -> Option<Timestamp> {
        self.as_instant_in(|| TimeZone::UTC)
    }

    /// Like [`Value::as_instant`], with a date without an offset read by the clock of a zone.
    pub fn as_instant_in(&self, zone: impl FnOnce() -> TimeZone) -> Option<Timestamp> {
        match self {
            Self::Text(text) => Timestamp::parse_in(text, zone),
            Self::Number(number) if number.abs() > 1e11 => Some(Timestamp(*number as i64)),
            Self::Number(number) => Some(Timestamp((*number * 1000.0) as i64)),
            _ => None,
        }
    }

    /// From JSON; `None` for null, non-finite numbers and nested objects.
    pub fn from_json(json: &serde_json::Value) -> Option<Self> {
        match json {
            serde_json::Value::Bool(flag) => Some(Self::Bool(*flag)),
            serde_json::Value::Number(number) => number
                .as_f64()
                .filter(|number| number.is_finite())
                .map(Self::Number),
            serde_json::Value::String(text) => Some(Self::text(text.as_str())),
            serde_json::Value::Array(items) => Some(Self::List(
                items.iter().filter_map(Self::from_json).collect(),
            )),
            serde_json::Value::Null | serde_json::Value::Object(_) => None,
        }
    }

    /// To JSON; whole numbers print without a decimal point.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Bool(flag) => (*flag).into(),
            Self::Number(number) if number.fract() == 0.0 && number.abs() < 9e15 => {
                (*number as i64).into()
            }
            Self::Number(number) => (*number).into(),
            Self::Text(text) => text.as_ref().into(),
            Self::List(items) => items.iter().map(Self::to_json).collect(),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            other => write!(f, "{}", other.to_json()),
        }
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

/// Named values of a subject, ordered by name. Nested objects are flattened with dots
/// (`address.city`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Traits(Vec<(Box<str>, Value)>);

impl Traits {
    /// The value of a trait.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let at = self
            .0
            .binary_search_by(|(known, _)| known.as_ref().cmp(name))
            .ok()?;
        Some(&self.0[at].1)
    }

    /// Sets or (with `None`) removes a trait; true if that changed anything.
    pub fn set(&mut self, name: &str, value: Option<Value>) -> bool {
        match (
            self.0
                .binary_search_by(|(known, _)| known.as_ref().cmp(name)),
            value,
        ) {
            (Ok(at), Some(value)) if self.0[at].1 == value => false,
            (Ok(at), Some(value)) => {
                self.0[at].1 = value;
                true
            }
            (Ok(at), None) => {
                self.0.remove(at);
                true
            }
            (Err(_), Some(_)) if self.0.len() >= MAX_TRAITS => false,
            (Err(at), Some(value)) => {
                self.0.insert(at, (name.into(), value));
                true
            }
            (Err(_), None) => false,
        }
    }

    /// All traits by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value))
    }

    /// How many traits there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Flattens a JSON object into trait changes: nested objects get dotted names, `null` removes.
pub fn flatten(
    json: &serde_json::Map<String, serde_json::Value>,
) -> Vec<(Box<str>, Option<Value>)> {
    let mut out = Vec::with_capacity(json.len());
    flatten_into("", json, &mut out);
    out
}

fn flatten_into(
    prefix: &str,
    json: &serde_json::Map<String, serde_json::Value>,
    out: &mut Vec<(Box<str>, Option<Value>)>,
) {
    for (name, value) in json {
        let name = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}.{name}")
        };
        match value {
            serde_json::Value::Object(inner) => flatten_into(&name, inner, out),
            serde_json::Value::Null => out.push((name.into(), None)),
            other => {
                if let Some(value) = Value::from_json(other) {
                    out.push((name.into(), Some(value)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_objects_become_dotted_traits_and_null_removes() {
        let json = serde_json::json!({"plan": "pro", "address": {"city": "Köln"}, "old": null});
        let mut traits = Traits::default();
        traits.set("old", Some(Value::Bool(true)));
        for (name, value) in flatten(json.as_object().unwrap()) {
            traits.set(&name, value);
        }
        assert_eq!(traits.get("address.city"), Some(&Value::text("Köln")));
        assert_eq!(traits.get("old"), None);
        assert_eq!(traits.len(), 2);
    }

    #[test]
    fn setting_the_same_value_again_is_no_change() {
        let mut traits = Traits::default();
        assert!(traits.set("seats", Some(Value::Number(3.0))));
        assert!(!traits.set("seats", Some(Value::Number(3.0))));
        assert!(!traits.set("plan", None));
    }
}
