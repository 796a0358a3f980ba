//! Which field of a provider is which trait of ours, in which direction, and whose value counts: a TOML file.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use super::call::{CallKind, PulledCall, message_id};
use super::item::{Told, Who};

/// Largest mapping file, in bytes.
const MAPPING_MAX_BYTES: usize = 256 * 1024;
/// Most fields one stream may map.
const FIELDS_MAX: usize = 500;
/// Longest name of a field or trait, in bytes.
const NAME_MAX_BYTES: usize = 200;

/// The mapping file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("mapping: {0}")]
pub struct MappingError(String);

/// In which direction a field goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From the provider to us.
    #[default]
    Pull,
    /// From us to the provider.
    Push,
    /// Both; then a conflict rule says whose value counts.
    Both,
}

/// Whose value counts when both sides have one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Conflict {
    /// Ours.
    Ours,
    /// The provider's.
    Theirs,
    /// The one that was told later.
    #[default]
    Newest,
}

/// How a provider's value is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reading {
    /// As it is.
    #[default]
    Plain,
    /// A number, also where it is written as text.
    Number,
    /// True or false, also where it is written as text.
    Flag,
    /// Text, also where it is written as a number.
    Text,
}

/// One field of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldRule {
    /// The provider's name of it.
    pub field: String,
    /// Our trait.
    pub trait_name: String,
    /// Which way.
    pub direction: Direction,
    /// Whose value counts.
    pub conflict: Conflict,
    /// How its value is read.
    pub reading: Reading,
}

/// Fields by which a record is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Key {
    /// Holds the sender's id of the person.
    pub user_id: Option<String>,
    /// Holds the e-mail address.
    pub email: Option<String>,
    /// Holds the telephone number.
    pub phone: Option<String>,
    /// Holds the sender's id of the account.
    pub account_id: Option<String>,
}

/// The mapping of one stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamMapping {
    /// How records are identified.
    pub key: Key,
    /// What is mapped, by the provider's name of the field.
    pub fields: Vec<FieldRule>,
}

/// A whole mapping file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping {
    streams: BTreeMap<String, StreamMapping>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireStream {
    #[serde(default)]
    key: Key,
    #[serde(default)]
    fields: BTreeMap<String, WireField>,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a trait's name, or { trait = …, direction = …, conflict = …, as = … }"
)]
enum WireField {
    Short(String),
    Full(WireFull),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireFull {
    #[serde(rename = "trait")]
    trait_name: String,
    #[serde(default)]
    direction: Direction,
    conflict: Option<Conflict>,
    #[serde(default, rename = "as")]
    reading: Reading,
}

impl Mapping {
    /// Reads a mapping file and checks every name in it; `streams` are the ones that the connector knows.
    pub fn parse(text: &str, streams: &[&str]) -> Result<Self, MappingError> {
        if text.len() > MAPPING_MAX_BYTES {
            return Err(MappingError(format!(
                "the file is larger than {MAPPING_MAX_BYTES} bytes"
            )));
        }
        let wire: BTreeMap<String, WireStream> =
            toml::from_str(text).map_err(|error| MappingError(error.to_string()))?;
        let mut mapping = Self::default();
        for (name, stream) in wire {
            if !streams.contains(&name.as_str()) {
                return Err(MappingError(format!(
                    "[{name}]: this connector has no stream of that name; it has {}",
                    streams.join(", ")
                )));
            }
            let checked = stream
                .check()
                .map_err(|what| MappingError(format!("[{name}]: {what}")))?;
            mapping.streams.insert(name, checked);
        }
        Ok(mapping)
    }

    /// The mapping of a stream, where it has one.
    pub fn stream(&self, name: &str) -> Option<&StreamMapping> {
        self.streams.get(name)
    }

    /// All streams that are mapped, with their fields.
    pub fn streams(&self) -> impl Iterator<Item = (&str, &StreamMapping)> {
        self.streams
            .iter()
            .map(|(name, stream)| (name.as_str(), stream))
    }
}

impl WireStream {
    fn check(self) -> Result<StreamMapping, String> {
        if self.fields.len() > FIELDS_MAX {
            return Err(format!("more than {FIELDS_MAX} fields"));
        }
        let mut seen = BTreeSet::new();
        let mut fields = Vec::new();
        for (field, wire) in self.fields {
            let rule = wire
                .rule(field.clone())
                .map_err(|what| format!("fields.{field}: {what}"))?;
            if !seen.insert(rule.trait_name.clone()) {
                return Err(format!(
                    "fields.{field}: the trait `{}` is mapped twice",
                    rule.trait_name
                ));
            }
            fields.push(rule);
        }
        for field in self.key.fields() {
            check_field(field).map_err(|what| format!("key: {what}"))?;
        }
        Ok(StreamMapping {
            key: self.key,
            fields,
        })
    }
}

impl WireField {
    fn rule(self, field: String) -> Result<FieldRule, String> {
        let full = match self {
            Self::Full(full) => full,
            Self::Short(trait_name) => WireFull {
                trait_name,
                direction: Direction::Pull,
                conflict: None,
                reading: Reading::Plain,
            },
        };
        check_field(&field)?;
        check_trait(&full.trait_name)?;
        if full.conflict.is_some() && full.direction != Direction::Both {
            return Err("`conflict` needs `direction = \"both\"`".into());
        }
        Ok(FieldRule {
            field,
            trait_name: full.trait_name,
            direction: full.direction,
            conflict: full.conflict.unwrap_or_default(),
            reading: full.reading,
        })
    }
}

/// Providers' names end up in queries, so they may hold nothing that has a meaning there.
fn check_field(name: &str) -> Result<(), String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_.-$".contains(c);
    if name.is_empty() || name.len() > NAME_MAX_BYTES || !name.chars().all(is_plain) {
        return Err(format!(
            "`{name}` is not a field's name: letters, digits, `_`, `.`, `-` and `$`, at most {NAME_MAX_BYTES}"
        ));
    }
    Ok(())
}

fn check_trait(name: &str) -> Result<(), String> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase());
    if !starts || name.len() > NAME_MAX_BYTES || !name.chars().all(is_plain) {
        return Err(format!(
            "`{name}` is not a trait's name: a small letter, then small letters, digits and `_`"
        ));
    }
    Ok(())
}

impl Key {
    /// The fields it names.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        [&self.user_id, &self.email, &self.phone, &self.account_id]
            .into_iter()
            .filter_map(|field| field.as_deref())
    }
}

/// A provider's record, before it is mapped.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    /// The connector's name in the workspace.
    pub connector: &'a str,
    /// Which stream it is from.
    pub stream: &'a str,
    /// Its id at the provider.
    pub id: &'a str,
    /// When it was changed last, in milliseconds since 1970.
    pub changed_at_ms: i64,
    /// Its fields.
    pub fields: &'a Map<String, Value>,
}

impl StreamMapping {
    /// The provider's fields that must be asked for.
    pub fn wanted(&self) -> Vec<&str> {
        let mapped = self.fields.iter().map(|rule| rule.field.as_str());
        let mut names: Vec<&str> = self.key.fields().chain(mapped).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Who a record is about.
    pub fn who(&self, fields: &Map<String, Value>) -> Who {
        let text =
            |name: &Option<String>| name.as_deref().and_then(|name| text_of(fields.get(name)?));
        Who {
            user_id: text(&self.key.user_id),
            email: text(&self.key.email),
            phone: text(&self.key.phone),
            account_id: text(&self.key.account_id),
        }
    }

    /// The calls a record becomes: one per conflict rule, since each has its own way of giving way to what is known.
    /// None for a record without any of the names it could be known by.
    pub fn calls(&self, record: Record<'_>, kind: CallKind) -> Vec<PulledCall> {
        let who = self.who(record.fields);
        let is_known = match kind {
            CallKind::Group => who.account_id.is_some(),
            _ => who.user_id.is_some() || who.email.is_some(),
        };
        if !is_known {
            return Vec::new();
        }
        let version = record.changed_at_ms.to_string();
        let call = |part: &str, occurred_at_ms, fields, only_if_missing| PulledCall {
            message_id: message_id(record.connector, record.stream, record.id, &version, part),
            kind,
            who: who.clone(),
            event: String::new(),
            occurred_at_ms,
            fields,
            only_if_missing,
        };
        let newest = self.pulled(record.fields, Conflict::Newest);
        let theirs = self.pulled(record.fields, Conflict::Theirs);
        let ours = self.pulled(record.fields, Conflict::Ours);
        let mut calls = vec![call("newest", Some(record.changed_at_ms), newest, false)];
        if !theirs.is_empty() {
            calls.push(call("theirs", None, theirs, false));
        }
        if !ours.is_empty() {
            calls.push(call("ours", Some(record.changed_at_ms), ours, true));
        }
        calls
    }

    fn pulled(&self, fields: &Map<String, Value>, conflict: Conflict) -> Map<String, Value> {
        self.fields
            .iter()
            .filter(|rule| rule.direction != Direction::Push && rule.conflict == conflict)
            .filter_map(|rule| {
                let value = rule.reading.read(fields.get(&rule.field)?);
                Some((rule.trait_name.clone(), value))
            })
            .collect()
    }

    /// Whether writing needs to know what the provider has.
    pub fn needs_reading_back(&self) -> bool {
        self.fields
            .iter()
            .any(|rule| rule.direction == Direction::Both && rule.conflict != Conflict::Ours)
    }

    /// The fields to write of these traits, given what the provider has (`None`: no such record).
    pub fn pushed(
        &self,
        traits: &BTreeMap<String, Told>,
        theirs: Option<(&Map<String, Value>, i64)>,
    ) -> Map<String, Value> {
        self.fields
            .iter()
            .filter(|rule| rule.direction != Direction::Pull)
            .filter_map(|rule| {
                let ours = traits.get(&rule.trait_name)?;
                let there = theirs.and_then(|(fields, at)| {
                    let value = fields.get(&rule.field).filter(|value| !is_empty(value))?;
                    Some((value, at))
                });
                rule.is_written(ours, there)
                    .then(|| (rule.field.clone(), ours.value.clone()))
            })
            .collect()
    }
}

impl FieldRule {
    fn is_written(&self, ours: &Told, there: Option<(&Value, i64)>) -> bool {
        let Some((value, changed_at_ms)) = there else {
            return !ours.value.is_null();
        };
        if same(value, &ours.value) {
            return false;
        }
        match (self.direction, self.conflict) {
            (Direction::Both, Conflict::Theirs) => false,
            (Direction::Both, Conflict::Newest) => ours.told_at_ms > changed_at_ms,
            _ => true,
        }
    }
}

impl Reading {
    fn read(self, value: &Value) -> Value {
        let text = text_of(value).unwrap_or_default();
        match self {
            Self::Plain => value.clone(),
            Self::Text if value.is_null() => Value::Null,
            Self::Text => Value::from(text),
            Self::Number if value.is_number() => value.clone(),
            Self::Number => text
                .trim()
                .parse::<i64>()
                .map(Value::from)
                .or_else(|_| text.trim().parse::<f64>().map(Value::from))
                .unwrap_or(Value::Null),
            Self::Flag => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "yes" | "1" => Value::Bool(true),
                "false" | "no" | "0" => Value::Bool(false),
                _ => Value::Null,
            },
        }
    }
}

/// Whether two values are the same for a provider that writes numbers and flags as text.
fn same(theirs: &Value, ours: &Value) -> bool {
    theirs == ours || (is_empty(theirs) && is_empty(ours)) || text_of(theirs) == text_of(ours)
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some("")
}

/// A value as text; nothing for null, an empty text, lists and objects.
pub(super) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const FILE: &str = r#"
        [contacts.key]
        email = "email"
        [contacts.fields]
        stage = "stage"
        score = { trait = "score", as = "number" }
        health = { trait = "health", direction = "push" }
        plan = { trait = "plan", direction = "both", conflict = "ours" }
        owner = { trait = "owner", direction = "both", conflict = "theirs" }
        city = { trait = "city", direction = "both" }
    "#;

    fn mapping() -> StreamMapping {
        let mapping = Mapping::parse(FILE, &["contacts"]).unwrap();
        mapping.stream("contacts").unwrap().clone()
    }

    fn object(value: impl std::borrow::Borrow<Value>) -> Map<String, Value> {
        value.borrow().as_object().unwrap().clone()
    }

    #[test]
    fn a_mistake_in_a_mapping_is_named_with_its_place() {
        for (text, words) in [
            (
                "[contact]\n",
                "[contact]: this connector has no stream of that name; it has contacts",
            ),
            ("[contacts.keys]\n", "unknown field `keys`"),
            (
                "[contacts.fields]\na = \"Bad Name\"\n",
                "[contacts]: fields.a: `Bad Name` is not a trait's name",
            ),
            (
                "[contacts.fields]\n\"a'b\" = \"x\"\n",
                "`a'b` is not a field's name",
            ),
            (
                "[contacts.fields]\na = \"x\"\nb = \"x\"\n",
                "fields.b: the trait `x` is mapped twice",
            ),
            (
                "[contacts.fields]\na = { trait = \"x\", conflict = \"ours\" }\n",
                "`conflict` needs `direction = \"both\"`",
            ),
            (
                "[contacts.fields]\na = { trait = \"x\", direction = \"up\" }\n",
                "a trait's name, or { trait",
            ),
            ("[contacts\n", "mapping: TOML parse error at line 1"),
        ] {
            let error = Mapping::parse(text, &["contacts"]).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_record_becomes_one_call_for_each_way_of_giving_way() {
        let fields = object(json!({
            "email": "a@example.com", "stage": "lead", "score": "7.5", "health": "80",
            "plan": "pro", "owner": "dana", "city": "Graz"
        }));
        let record = Record {
            connector: "crm",
            stream: "contacts",
            id: "1",
            changed_at_ms: 50,
            fields: &fields,
        };
        let calls = mapping().calls(record, CallKind::Identify);
        let [newest, theirs, ours] = calls.as_slice() else {
            panic!("{calls:?}");
        };
        assert_eq!(
            newest.fields,
            object(json!({"stage": "lead", "score": 7.5, "city": "Graz"}))
        );
        assert_eq!(newest.occurred_at_ms, Some(50));
        assert_eq!(theirs.fields, object(json!({"owner": "dana"})));
        assert_eq!(theirs.occurred_at_ms, None);
        assert_eq!(ours.fields, object(json!({"plan": "pro"})));
        assert!(ours.only_if_missing);
        let nameless = object(json!({"stage": "lead"}));
        let record = Record {
            fields: &nameless,
            ..record
        };
        assert!(mapping().calls(record, CallKind::Identify).is_empty());
    }

    #[test]
    fn what_is_written_follows_the_conflict_rule_and_leaves_alone_what_is_the_same() {
        let told = |value: Value| Told {
            value,
            told_at_ms: 100,
        };
        let traits: BTreeMap<String, Told> = [
            ("stage", told(json!("customer"))),
            ("health", told(json!(80))),
            ("plan", told(json!("pro"))),
            ("owner", told(json!("dana"))),
            ("city", told(json!("Graz"))),
        ]
        .map(|(name, told)| (name.to_owned(), told))
        .into();
        let write = |there: Option<Value>, at| {
            let there = there.map(object);
            mapping().pushed(&traits, there.as_ref().map(|there| (there, at)))
        };
        let all = json!({"health": 80, "plan": "pro", "owner": "dana", "city": "Graz"});
        assert_eq!(write(None, 0), object(all));
        let theirs = json!({"health": "80", "plan": "free", "owner": "eve", "city": "Wien"});
        let older = write(Some(theirs.clone()), 99);
        assert_eq!(older, object(json!({"plan": "pro", "city": "Graz"})));
        assert_eq!(write(Some(theirs), 101), object(json!({"plan": "pro"})));
        let empty = json!({"health": "", "owner": null});
        let filled = write(Some(empty), 101);
        assert_eq!(filled["owner"], "dana");
    }
}
