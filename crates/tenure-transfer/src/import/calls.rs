//! From a row to the calls that tell what it says.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::mapping::{
    FullSource, Kind, Mapping, NameSource, Output, Source, Test, ValueType, zone,
};
use super::source::{Cells, Row, Rows};
use super::value;

/// Turns rows into calls.
#[derive(Debug)]
pub struct Mapper {
    mapping: Mapping,
    zone: TimeZone,
    lookups: HashMap<String, HashMap<String, Value>>,
    file_id: String,
}

impl Mapper {
    /// A mapper for one source. Reads the files of its lookups, which stand beside it.
    pub fn new(mapping: Mapping, source: &Path, file_id: &str) -> Result<Self> {
        let folder = source.parent().unwrap_or(Path::new(""));
        let mut lookups = HashMap::new();
        for (name, lookup) in &mapping.lookups {
            let path = folder.join(&lookup.file);
            let found = read_lookup(&path, &lookup.key, &lookup.value)
                .with_context(|| format!("lookup `{name}`"))?;
            lookups.insert(name.clone(), found);
        }
        let zone = zone(mapping.timezone.as_deref())?;
        Ok(Self {
            mapping,
            zone,
            lookups,
            file_id: file_id.to_owned(),
        })
    }

    /// The calls of a row, in the shape of the Segment HTTP API, or why it is rejected as a whole.
    pub fn calls(&self, row: &Row) -> Result<Vec<Value>, String> {
        let cells = row.cells.as_ref().map_err(Clone::clone)?;
        let row_id = match &self.mapping.row_id {
            Some(column) => {
                let id = cells
                    .get(column)
                    .ok_or_else(|| format!("`row_id`: column `{column}` is empty"))?;
                plain_text(&id)
            }
            None => format!("{}:{}", self.file_id, row.number),
        };
        let mut calls = Vec::new();
        for (index, output) in self.mapping.outputs.iter().enumerate() {
            if !output.skip_if.iter().any(|test| holds(test, cells)) {
                let message_id = format!("import:{}:{row_id}:{index}", self.mapping.import);
                self.output(output, cells, &message_id, &mut calls)?;
            }
        }
        Ok(calls)
    }

    fn output(
        &self,
        output: &Output,
        cells: &Cells,
        message_id: &str,
        calls: &mut Vec<Value>,
    ) -> Result<(), String> {
        let ids = self.ids(output, cells)?;
        let mut call = Map::new();
        call.insert("messageId".into(), message_id.into());
        if let Some(at) = &output.occurred_at {
            let source = at.full();
            let raw = self
                .raw(&source, cells)?
                .ok_or_else(|| empty("occurred_at", &source))?;
            let zone = self.zone_of(&source)?;
            let at = value::instant(&raw, source.format.as_deref(), &zone)
                .map_err(|why| named("occurred_at", &source, &why))?;
            call.insert("timestamp".into(), at.to_string().into());
        }
        match output.kind {
            Kind::Events => calls.push(self.event(output, cells, &ids, call)?),
            Kind::People => self.person(output, cells, &ids, call, calls)?,
            Kind::Accounts => {
                call.insert("type".into(), "group".into());
                call.insert("groupId".into(), ids.account.clone().into());
                call.insert("traits".into(), self.values(&output.traits, cells)?.into());
                calls.push(call.into());
            }
        }
        Ok(())
    }

    fn event(
        &self,
        output: &Output,
        cells: &Cells,
        ids: &Ids,
        mut call: Map<String, Value>,
    ) -> Result<Value, String> {
        let name = match &output.event {
            Some(NameSource::Constant(name)) => name.clone(),
            Some(NameSource::Column(source)) => self
                .text("event", source, cells)?
                .ok_or_else(|| empty("event", source))?,
            None => return Err("`event` is missing".to_owned()),
        };
        let mut context = Map::new();
        if let Some(account) = &ids.account {
            context.insert("groupId".into(), account.clone().into());
        }
        if let Some(email) = &ids.email {
            context.insert("traits".into(), json!({ "email": email }));
        }
        call.insert("type".into(), "track".into());
        call.insert("event".into(), name.into());
        call.insert(
            "properties".into(),
            self.values(&output.properties, cells)?.into(),
        );
        if let Some(user) = &ids.user {
            call.insert("userId".into(), user.clone().into());
        }
        if !context.is_empty() {
            call.insert("context".into(), context.into());
        }
        Ok(call.into())
    }

    fn person(
        &self,
        output: &Output,
        cells: &Cells,
        ids: &Ids,
        mut call: Map<String, Value>,
        calls: &mut Vec<Value>,
    ) -> Result<(), String> {
        let mut traits = self.values(&output.traits, cells)?;
        if let Some(email) = &ids.email {
            traits.insert("email".into(), email.clone().into());
        }
        if let Some(user) = &ids.user {
            call.insert("userId".into(), user.clone().into());
        }
        let mut group = call.clone();
        call.insert("type".into(), "identify".into());
        call.insert("traits".into(), traits.into());
        calls.push(call.into());
        if let Some(account) = &ids.account {
            let id = group
                .get("messageId")
                .and_then(Value::as_str)
                .unwrap_or_default();
            group.insert("messageId".into(), format!("{id}:group").into());
            group.insert("type".into(), "group".into());
            group.insert("groupId".into(), account.clone().into());
            if let (None, Some(email)) = (&ids.user, &ids.email) {
                group.insert("context".into(), json!({ "traits": { "email": email } }));
            }
            calls.push(group.into());
        }
        Ok(())
    }

    fn ids(&self, output: &Output, cells: &Cells) -> Result<Ids, String> {
        let id = |name: &str, source: &Option<Source>| match source {
            Some(source) => self.text(name, &source.full(), cells),
            None => Ok(None),
        };
        let ids = Ids {
            user: id("user_id", &output.user_id)?,
            email: id("email", &output.email)?,
            account: id("account_id", &output.account_id)?,
        };
        let has_person = ids.user.is_some() || ids.email.is_some();
        match output.kind {
            Kind::Events if !has_person && ids.account.is_none() => Err(
                "names nobody: the columns of `user_id`, `email` and `account_id` are empty"
                    .to_owned(),
            ),
            Kind::People if !has_person => {
                Err("names nobody: the columns of `user_id` and `email` are empty".to_owned())
            }
            Kind::Accounts if ids.account.is_none() => {
                Err("names no account: the column of `account_id` is empty".to_owned())
            }
            _ => Ok(ids),
        }
    }

    fn values(
        &self,
        sources: &std::collections::BTreeMap<String, Source>,
        cells: &Cells,
    ) -> Result<Map<String, Value>, String> {
        let mut values = Map::new();
        for (name, source) in sources {
            let source = source.full();
            let Some(raw) = self.raw(&source, cells)? else {
                continue;
            };
            // What stands in the mapping (a constant, a default, a replacement) has its type already.
            let value = if source.kind == ValueType::Text && !raw.is_string() {
                raw
            } else {
                let zone = self.zone_of(&source)?;
                value::read(&raw, source.kind, source.format.as_deref(), &zone)
                    .map_err(|why| named(name, &source, &why))?
            };
            values.insert(name.clone(), value);
        }
        Ok(values)
    }

    fn text(
        &self,
        name: &str,
        source: &FullSource,
        cells: &Cells,
    ) -> Result<Option<String>, String> {
        let Some(raw) = self.raw(source, cells)? else {
            return Ok(None);
        };
        match raw {
            Value::Array(_) | Value::Object(_) => {
                Err(named(name, source, "is not a text or number"))
            }
            other => Ok(Some(plain_text(&other)).filter(|text| !text.is_empty())),
        }
    }

    fn raw(&self, source: &FullSource, cells: &Cells) -> Result<Option<Value>, String> {
        if let Some(constant) = &source.constant {
            return Ok(Some(constant.clone()));
        }
        let found = source
            .column
            .as_deref()
            .and_then(|column| cells.get(column));
        let found = match (&source.lookup, found) {
            (Some(lookup), Some(key)) => {
                let key = plain_text(&key);
                let found = self
                    .lookups
                    .get(lookup)
                    .and_then(|entries| entries.get(&key));
                Some(
                    found
                        .cloned()
                        .ok_or_else(|| format!("lookup `{lookup}` has no `{key}`"))?,
                )
            }
            (_, found) => found,
        };
        let replaced = found.map(|found| {
            source
                .map
                .get(&plain_text(&found))
                .cloned()
                .unwrap_or(found)
        });
        Ok(replaced.or_else(|| source.default.clone()))
    }

    fn zone_of(&self, source: &FullSource) -> Result<TimeZone, String> {
        match &source.timezone {
            Some(name) => zone(Some(name)).map_err(|error| error.to_string()),
            None => Ok(self.zone.clone()),
        }
    }
}

struct Ids {
    user: Option<String>,
    email: Option<String>,
    account: Option<String>,
}

fn named(name: &str, source: &FullSource, why: &str) -> String {
    match &source.column {
        Some(column) => format!("`{name}`: column `{column}` {why}"),
        None => format!("`{name}` {why}"),
    }
}

fn empty(name: &str, source: &FullSource) -> String {
    named(name, source, "is empty")
}

fn plain_text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn holds(test: &Test, cells: &Cells) -> bool {
    let found = cells.get(&test.column);
    let is_among = |wanted: &[Value]| {
        let found = found.as_ref().map(plain_text).unwrap_or_default();
        wanted
            .iter()
            .any(|wanted| plain_text(wanted).eq_ignore_ascii_case(&found))
    };
    test.empty.is_none_or(|empty| empty == found.is_none())
        && (test.is.is_empty() || is_among(&test.is))
        && (test.is_not.is_empty() || !is_among(&test.is_not))
}

fn read_lookup(path: &Path, key: &str, value: &str) -> Result<HashMap<String, Value>> {
    let mut found = HashMap::new();
    for row in Rows::open_any(path, None, None)? {
        let row = row?;
        let Ok(cells) = row.cells else { continue };
        if let (Some(key), Some(value)) = (cells.get(key), cells.get(value)) {
            found.insert(plain_text(&key), value);
        }
    }
    if found.is_empty() {
        bail!(
            "{} has no row with both `{key}` and `{value}`",
            path.display()
        );
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
