//! The mapping file: which column means what.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use jiff::tz::TimeZone;
use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde::Deserialize;
use serde_json::Value;

/// A whole mapping file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// Name of the import; part of the ids that make a repeat harmless.
    pub import: String,
    /// What it is for.
    #[serde(default)]
    pub about: Option<String>,
    /// Form of the source; follows from the file's ending otherwise.
    #[serde(default)]
    pub format: Option<Format>,
    /// Separator of a CSV file, a comma unless told otherwise.
    #[serde(default)]
    pub delimiter: Option<char>,
    /// Zone of times that have none, UTC unless told otherwise.
    #[serde(default)]
    pub timezone: Option<String>,
    /// Column that identifies a row for good. Without it, a row is known by its number in the file.
    #[serde(default)]
    pub row_id: Option<String>,
    /// Other files in which values are looked up, by name.
    #[serde(default)]
    pub lookups: BTreeMap<String, Lookup>,
    /// What each row becomes.
    pub outputs: Vec<Output>,
}

/// Form of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Comma-separated values with a line of headings.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

/// A CSV or JSONL file that leads from one value to another.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lookup {
    /// Where, relative to the source.
    pub file: PathBuf,
    /// Column that is looked up.
    pub key: String,
    /// Column that is found.
    pub value: String,
}

/// One thing a row becomes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Which kind of thing.
    pub kind: Kind,
    /// Event name: a constant, or `{ column: … }`.
    #[serde(default)]
    pub event: Option<NameSource>,
    /// The sender's id of the person.
    #[serde(default)]
    pub user_id: Option<Source>,
    /// The person's e-mail address.
    #[serde(default)]
    pub email: Option<Source>,
    /// The sender's id of the account.
    #[serde(default)]
    pub account_id: Option<Source>,
    /// When it happened.
    #[serde(default)]
    pub occurred_at: Option<Source>,
    /// Properties of an event.
    #[serde(default)]
    pub properties: BTreeMap<String, Source>,
    /// Traits of a person or account.
    #[serde(default)]
    pub traits: BTreeMap<String, Source>,
    /// Rows for which any of these holds give no such output.
    #[serde(default, deserialize_with = "one_or_many")]
    pub skip_if: Vec<Test>,
}

/// Kinds of outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `track`
    Events,
    /// `identify` (and `group`, with an account)
    People,
    /// `group` without a person
    Accounts,
}

/// An event name.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum NameSource {
    /// Always this one.
    Constant(String),
    /// As the column says.
    Column(FullSource),
}

/// Where a value comes from: a column's name, or more about it.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Source {
    /// The text of this column.
    Column(String),
    /// More than that.
    Full(FullSource),
}

/// Where a value comes from, in full.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FullSource {
    /// This column.
    #[serde(default)]
    pub column: Option<String>,
    /// Always this.
    #[serde(default)]
    pub constant: Option<Value>,
    /// How to read it.
    #[serde(default, rename = "type")]
    pub kind: ValueType,
    /// Form of a date, as `strptime` has it, or `unix` or `unix_ms`.
    #[serde(default)]
    pub format: Option<String>,
    /// Zone of a date without one.
    #[serde(default)]
    pub timezone: Option<String>,
    /// What to take when the column is empty.
    #[serde(default)]
    pub default: Option<Value>,
    /// Replace what is there by what stands beside it.
    #[serde(default)]
    pub map: BTreeMap<String, Value>,
    /// Look the column's value up in this file.
    #[serde(default)]
    pub lookup: Option<String>,
}

/// How text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ValueType {
    /// As it is.
    #[default]
    Text,
    /// A number with a decimal point.
    Number,
    /// True or false.
    Flag,
    /// An instant or a day.
    Date,
}

/// A test on a column. All that is given must hold.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Test {
    /// Which column.
    pub column: String,
    /// It is empty (or, with `false`, not empty).
    #[serde(default)]
    pub empty: Option<bool>,
    /// It is one of these.
    #[serde(default, deserialize_with = "one_or_many")]
    pub is: Vec<Value>,
    /// It is none of these.
    #[serde(default, deserialize_with = "one_or_many")]
    pub is_not: Vec<Value>,
}

fn one_or_many<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::de::DeserializeOwned,
{
    let value = Value::deserialize(deserializer)?;
    let many = if value.is_array() {
        value
    } else {
        Value::Array(vec![value])
    };
    serde_json::from_value(many).map_err(serde::de::Error::custom)
}

impl Source {
    /// The same in full.
    pub fn full(&self) -> FullSource {
        match self {
            Self::Column(column) => FullSource {
                column: Some(column.clone()),
                ..FullSource::default()
            },
            Self::Full(full) => full.clone(),
        }
    }
}

impl Mapping {
    /// Reads and checks a mapping file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the mapping {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("mapping {}", path.display()))
    }

    /// Parses and checks a mapping.
    pub fn parse(text: &str) -> Result<Self> {
        let documents = Yaml::load_from_str(text).context("not valid YAML")?;
        let [document] = documents.as_slice() else {
            bail!("the file must hold exactly one YAML document")
        };
        let value = to_json(document)?;
        let mapping: Self = serde_path_to_error::deserialize(value).map_err(|error| {
            anyhow::anyhow!(
                "{}: {}; docs/guides/import.md shows every key",
                error.path(),
                error.inner()
            )
        })?;
        mapping.check()?;
        Ok(mapping)
    }

    fn check(&self) -> Result<()> {
        if self.outputs.is_empty() {
            bail!("outputs: name at least one thing a row becomes");
        }
        zone(self.timezone.as_deref())?;
        for (index, output) in self.outputs.iter().enumerate() {
            output
                .check()
                .with_context(|| format!("outputs[{index}]"))?;
            for source in output.sources() {
                zone(source.timezone.as_deref()).with_context(|| format!("outputs[{index}]"))?;
                self.check_source(&source)
                    .with_context(|| format!("outputs[{index}]"))?;
            }
        }
        Ok(())
    }

    fn check_source(&self, source: &FullSource) -> Result<()> {
        if source.column.is_some() == source.constant.is_some() {
            bail!("a value needs exactly one of `column` and `constant`");
        }
        match source.lookup.as_deref() {
            Some(name) if !self.lookups.contains_key(name) => {
                bail!(
                    "lookup `{name}` is not among `lookups`; known: {}",
                    self.lookups.keys().cloned().collect::<Vec<_>>().join(", ")
                )
            }
            _ => Ok(()),
        }
    }

    /// Every column of the source that the mapping names.
    pub fn columns(&self) -> Vec<String> {
        let sources = self
            .outputs
            .iter()
            .flat_map(Output::sources)
            .filter_map(|source| source.column);
        let tests = self
            .outputs
            .iter()
            .flat_map(|output| output.skip_if.iter().map(|test| test.column.clone()));
        let mut columns: Vec<String> = sources.chain(tests).chain(self.row_id.clone()).collect();
        columns.sort();
        columns.dedup();
        columns
    }
}

impl Output {
    fn check(&self) -> Result<()> {
        let wrong = match self.kind {
            Kind::Events if self.event.is_none() => {
                "events need `event`: a name, or `{ column: … }`"
            }
            Kind::Events if self.occurred_at.is_none() => "events need `occurred_at`",
            Kind::Events if !self.traits.is_empty() => "events have `properties`, not `traits`",
            Kind::Events
                if self.user_id.is_none() && self.email.is_none() && self.account_id.is_none() =>
            {
                "events need a `user_id`, an `email` or an `account_id`"
            }
            Kind::People if self.user_id.is_none() && self.email.is_none() => {
                "people need a `user_id` or an `email`"
            }
            Kind::Accounts if self.account_id.is_none() => "accounts need an `account_id`",
            Kind::Accounts if self.user_id.is_some() || self.email.is_some() => {
                "accounts have no `user_id` or `email`; add an output of kind `people`"
            }
            Kind::People | Kind::Accounts if self.event.is_some() => "only events have an `event`",
            Kind::People | Kind::Accounts if !self.properties.is_empty() => {
                "people and accounts have `traits`, not `properties`"
            }
            _ => return Ok(()),
        };
        bail!("{wrong}")
    }

    /// All value sources.
    fn sources(&self) -> Vec<FullSource> {
        let name = self.event.iter().filter_map(|event| match event {
            NameSource::Constant(_) => None,
            NameSource::Column(source) => Some(source.clone()),
        });
        let ids = [
            &self.user_id,
            &self.email,
            &self.account_id,
            &self.occurred_at,
        ]
        .into_iter()
        .flatten();
        let values = self.properties.values().chain(self.traits.values());
        name.chain(ids.chain(values).map(Source::full)).collect()
    }
}

/// The zone of this name; UTC without one.
pub(super) fn zone(name: Option<&str>) -> Result<TimeZone> {
    let Some(name) = name else {
        return Ok(TimeZone::UTC);
    };
    TimeZone::get(name).map_err(|_| {
        anyhow::anyhow!("unknown time zone `{name}`; write for example `Europe/Vienna` or `UTC`")
    })
}

fn to_json(node: &Yaml<'_>) -> Result<Value> {
    Ok(match node {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(flag)) => Value::from(*flag),
        Yaml::Value(Scalar::Integer(number)) => Value::from(*number),
        Yaml::Value(Scalar::FloatingPoint(number)) => Value::from(number.into_inner()),
        Yaml::Value(Scalar::String(text)) | Yaml::Representation(text, _, _) => {
            Value::from(text.as_ref())
        }
        Yaml::Sequence(items) => Value::Array(items.iter().map(to_json).collect::<Result<_>>()?),
        Yaml::Mapping(fields) => {
            let field = |(key, value): (&Yaml<'_>, &Yaml<'_>)| -> Result<(String, Value)> {
                let key = match to_json(key)? {
                    Value::String(text) => text,
                    other => other.to_string(),
                };
                Ok((key, to_json(value)?))
            };
            Value::Object(fields.iter().map(field).collect::<Result<_>>()?)
        }
        Yaml::Tagged(_, inner) => to_json(inner)?,
        Yaml::Alias(_) | Yaml::BadValue => bail!("aliases are not supported; write the value out"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_key_is_named_with_its_place() {
        let text = "import: x\noutputs:\n  - kind: events\n    evnt: signed_up\n";
        let error = format!("{:#}", Mapping::parse(text).unwrap_err());
        assert!(
            error.starts_with("outputs[0].evnt: unknown field `evnt`"),
            "{error}"
        );
    }

    #[test]
    fn what_an_output_lacks_is_said() {
        let text = "import: x\noutputs:\n  - { kind: events, event: signed_up, user_id: id }\n";
        let error = format!("{:#}", Mapping::parse(text).unwrap_err());
        assert_eq!(error, "outputs[0]: events need `occurred_at`");
        let text =
            "import: x\noutputs:\n  - { kind: accounts, account_id: { column: a, lookup: b } }\n";
        let error = format!("{:#}", Mapping::parse(text).unwrap_err());
        assert!(
            error.contains("lookup `b` is not among `lookups`"),
            "{error}"
        );
    }

    #[test]
    fn every_column_named_anywhere_is_known() {
        let text = "import: x\nrow_id: i\noutputs:\n  - kind: people\n    email: e\n    traits: { plan: { column: p }, s: { constant: 1 } }\n    skip_if: { column: t, is: 'True' }\n";
        assert_eq!(
            Mapping::parse(text).unwrap().columns(),
            ["e", "i", "p", "t"]
        );
    }
}
