//! Sparse rows: only the fields that were asked for.

use serde::Serialize;
use serde_json::{Map, Value};

use super::params::Params;
use crate::problem::Problem;

/// The most fields that may be named.
const FIELDS_MAX: usize = 64;

/// Which fields of a row are wanted: `fields=id,traits.plan`. Without the parameter, all.
pub(super) struct Fields(Option<Vec<String>>);

impl Fields {
    /// Reads the parameter; `known` are the fields of a row.
    pub(super) fn of(params: &Params, known: &[&str]) -> Result<Self, Problem> {
        let Some(text) = params.text("fields") else {
            return Ok(Self(None));
        };
        let fields: Vec<String> = text.split(',').map(|one| one.trim().to_owned()).collect();
        if fields.len() > FIELDS_MAX {
            let reason = format!("names more than {FIELDS_MAX} fields");
            return Err(Problem::invalid("fields", reason));
        }
        for field in &fields {
            let top = field.split('.').next().unwrap_or_default();
            let nested = top != field && top != "traits";
            if nested || !known.contains(&top) {
                let shown: String = field.chars().take(40).collect();
                let reason = format!(
                    "has `{shown}`, which is no field here; those known are {}, and `traits.NAME`",
                    known.join(", ")
                );
                return Err(Problem::invalid("fields", reason));
            }
        }
        Ok(Self(Some(fields)))
    }

    /// The row with the fields that are wanted; its id is always there.
    pub(super) fn pick(&self, row: &impl Serialize) -> Value {
        let whole = serde_json::to_value(row).unwrap_or_default();
        let (Some(wanted), Value::Object(mut whole)) = (&self.0, whole.clone()) else {
            return whole;
        };
        let mut picked = Map::new();
        let traits = whole.get("traits").cloned().unwrap_or_default();
        for field in wanted.iter().map(String::as_str).chain(["id"]) {
            match field.strip_prefix("traits.") {
                Some(name) => {
                    let part = picked
                        .entry("traits")
                        .or_insert_with(|| Value::Object(Map::new()));
                    if let (Value::Object(part), Some(value)) = (part, traits.get(name)) {
                        part.insert(name.to_owned(), value.clone());
                    }
                }
                None => {
                    if let Some(value) = whole.remove(field) {
                        picked.insert(field.to_owned(), value);
                    }
                }
            }
        }
        Value::Object(picked)
    }
}
