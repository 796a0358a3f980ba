//! How a connector is set up.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tenure_connectors::provider::{Description, Mapping, describe, kinds};

use crate::error::AppError;

/// Most connectors of a workspace.
pub const MAX_CONNECTORS: usize = 50;
/// Most lists of one connector.
const MAX_LISTS: usize = 50;
/// Longest name of a connector, in bytes.
const NAME_BYTES: usize = 63;
/// Longest id of a list, in bytes.
const LIST_BYTES: usize = 200;
/// Shortest and longest time between two pulls, in seconds: a second, a day.
const PULL_EVERY_S: std::ops::RangeInclusive<u32> = 1..=86_400;

/// A segment and the list at the provider that holds the same people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListBinding {
    /// Name of the segment.
    pub segment: String,
    /// The provider's id of the list.
    pub list: String,
}

/// A connector as it was set up. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Its name.
    pub name: String,
    /// Which provider.
    pub kind: String,
    /// Settings that are no secrets.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// Mapping file; the provider's own when there is none.
    #[serde(default)]
    pub mapping: Option<String>,
    /// How often it is pulled, in seconds; only when it is asked for without this.
    #[serde(default)]
    pub pull_every_s: Option<u32>,
    /// Lists that are kept in step with segments.
    #[serde(default)]
    pub lists: Vec<ListBinding>,
}

fn invalid(field: impl Into<String>, message: impl Into<String>) -> AppError {
    AppError::Invalid {
        field: field.into(),
        message: message.into(),
    }
}

impl Config {
    /// Checks everything that can be checked without the provider and the secrets.
    pub(super) fn check(&self) -> Result<(), AppError> {
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.name.is_empty() || self.name.len() > NAME_BYTES || !self.name.chars().all(is_name) {
            let message = format!("is 1 to {NAME_BYTES} small letters, digits and `-`");
            return Err(invalid("name", message));
        }
        let description = self.description()?;
        for (name, value) in &self.settings {
            let known = description.settings.iter().find(|known| known.name == name);
            let Some(known) = known else {
                let names: Vec<&str> = description
                    .settings
                    .iter()
                    .filter(|known| !known.is_secret)
                    .map(|known| known.name)
                    .collect();
                let message = format!("is not known; this kind knows {}", names.join(", "));
                return Err(invalid(format!("settings.{name}"), message));
            };
            if known.is_secret {
                let message = "is a secret; put it into the server's file of connectors' secrets";
                return Err(invalid(format!("settings.{name}"), message));
            }
            if value.len() > LIST_BYTES * 10 {
                return Err(invalid(format!("settings.{name}"), "is too long"));
            }
        }
        self.parsed_mapping(description)?;
        if self
            .pull_every_s
            .is_some_and(|every| !PULL_EVERY_S.contains(&every))
        {
            return Err(invalid("pull_every_s", "is 1 to 86400"));
        }
        self.check_lists(description)
    }

    fn check_lists(&self, description: &Description) -> Result<(), AppError> {
        if !self.lists.is_empty() && !description.pushes.contains(&"member") {
            let message = format!("{} has no lists that could be kept", description.title);
            return Err(invalid("lists", message));
        }
        if self.lists.len() > MAX_LISTS {
            return Err(invalid("lists", format!("are at most {MAX_LISTS}")));
        }
        for (index, binding) in self.lists.iter().enumerate() {
            let is_id = !binding.list.is_empty() && binding.list.len() <= LIST_BYTES;
            if binding.segment.is_empty() || !is_id {
                let field = format!("lists[{index}]");
                return Err(invalid(field, "needs a `segment` and the id of a `list`"));
            }
            if self.lists[..index].contains(binding) {
                return Err(invalid(format!("lists[{index}]"), "is there twice"));
            }
        }
        Ok(())
    }

    /// What its kind is and can do.
    pub fn description(&self) -> Result<&'static Description, AppError> {
        describe(&self.kind).ok_or_else(|| {
            let known: Vec<&str> = kinds().map(|description| description.kind).collect();
            invalid("kind", format!("is one of {}", known.join(", ")))
        })
    }

    fn parsed_mapping(&self, description: &Description) -> Result<Mapping, AppError> {
        let text = self.mapping.as_deref().unwrap_or(description.mapping);
        Mapping::parse(text, description.streams)
            .map_err(|error| invalid("mapping", error.to_string()))
    }

    /// The streams that are pulled: those that the mapping names, or all where nothing is mapped.
    pub fn streams(&self) -> Vec<&'static str> {
        let Some(description) = describe(&self.kind) else {
            return Vec::new();
        };
        let Ok(mapping) = self.parsed_mapping(description) else {
            return Vec::new();
        };
        let is_mapped = |stream: &str| {
            let own = Mapping::parse(description.mapping, description.streams);
            own.is_ok_and(|own| own.stream(stream).is_none()) || mapping.stream(stream).is_some()
        };
        let streams = description.streams.iter().copied();
        streams.filter(|stream| is_mapped(stream)).collect()
    }

    /// Mapped traits and the like, as far as pushing needs them.
    pub(super) fn mapped_traits(&self) -> Option<Vec<String>> {
        let description = describe(&self.kind)?;
        let mapping = self.parsed_mapping(description).ok()?;
        let names: Vec<String> = mapping
            .streams()
            .flat_map(|(_, stream)| &stream.fields)
            .map(|rule| rule.trait_name.clone())
            .collect();
        (!names.is_empty()).then_some(names)
    }
}
