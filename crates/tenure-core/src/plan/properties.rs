//! The properties of one event, parsed.

use std::fmt;

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};

use crate::value::Value;

/// Properties of an event by dotted name, as the condition language sees them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PropertyMap(Vec<(Box<str>, Value)>);

impl PropertyMap {
    /// Parses a JSON object; nested objects are flattened with dots, `null` is left out, and what
    /// is not a JSON object has no properties.
    pub fn parse(json: &str) -> Self {
        let mut out = Vec::new();
        if json.len() > 2 {
            let mut reader = serde_json::Deserializer::from_str(json);
            let seed = Flatten {
                name: String::new(),
                out: &mut out,
            };
            if seed.deserialize(&mut reader).is_err() {
                out.clear();
            }
        }
        Self(out)
    }

    /// The value of a property; of a repeated name the last.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let found = self.0.iter().rev().find(|(known, _)| **known == *name);
        found.map(|(_, value)| value)
    }

    /// All properties in the order they were sent.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value))
    }
}

/// Reads one JSON value under a name straight into the flat list, without a tree in between.
struct Flatten<'a> {
    name: String,
    out: &'a mut Vec<(Box<str>, Value)>,
}

impl Flatten<'_> {
    fn put(self, value: Value) {
        if !self.name.is_empty() {
            self.out.push((self.name.into_boxed_str(), value));
        }
    }
}

impl<'de> DeserializeSeed<'de> for Flatten<'_> {
    type Value = ();
    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Flatten<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<(), E> {
        self.put(Value::Bool(flag));
        Ok(())
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.put(Value::Number(number as f64));
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.put(Value::Number(number as f64));
        Ok(())
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        if number.is_finite() {
            self.put(Value::Number(number));
        }
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.put(Value::text(text));
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<serde_json::Value>()? {
            list.extend(Value::from_json(&item));
        }
        self.put(Value::List(list));
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            let name = if self.name.is_empty() {
                key.into_owned()
            } else {
                format!("{}.{key}", self.name)
            };
            map.next_value_seed(Flatten {
                name,
                out: self.out,
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_properties_are_flattened_and_null_is_left_out() {
        let map = PropertyMap::parse(
            r#"{"total": 12.5, "cart": {"items": ["a", 2], "note": null}, "new": true, "total": 3}"#,
        );
        assert_eq!(map.get("total"), Some(&Value::Number(3.0)));
        assert_eq!(
            map.get("cart.items"),
            Some(&Value::List(vec![Value::text("a"), Value::Number(2.0)]))
        );
        assert_eq!(map.get("cart.note"), None);
        assert_eq!(map.get("new"), Some(&Value::Bool(true)));
    }

    #[test]
    fn text_that_is_not_an_object_has_no_properties() {
        assert_eq!(PropertyMap::parse("{broken"), PropertyMap::default());
        assert_eq!(PropertyMap::parse("[1]"), PropertyMap::default());
    }
}
