//! Writing accounts, contacts and tasks by their external ids.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{ACCOUNTS, CONTACTS, Salesforce, TASKS, path, quoted, records};
use crate::provider::ask::{Ask, Method, encode};
use crate::provider::fault::{Fault, accepted, refused};
use crate::provider::item::{Action, Change, Item, Planned, Who, Write};
use crate::provider::mapping::text_of;
use crate::provider::plan::{
    Found, Target, batches, in_order, nameless, plan_upserts, unsupported,
};
use crate::provider::time::{format_ms, parse_ms};
use crate::webhook::Attempt;

/// Most records of one request.
const BATCH_RECORDS: usize = 200;
/// Most keys of one query, whose address must stay short.
const QUERY_KEYS: usize = 50;
/// Longest subject of a task, in characters.
const SUBJECT_MAX_CHARS: usize = 255;

pub(super) fn plan(salesforce: &Salesforce, items: &[Item], now_ms: i64) -> Vec<Planned> {
    let mut planned = Vec::new();
    let (mut people, mut accounts) = (Vec::new(), Vec::new());
    for (index, item) in items.iter().enumerate() {
        let (list, key, traits) = match &item.change {
            Change::Person { who, traits } => (&mut people, person_key(salesforce, who), traits),
            Change::Account { account_id, traits } => {
                (&mut accounts, account_key(salesforce, account_id), traits)
            }
            Change::Task {
                who,
                title,
                body,
                due_at_ms,
            } => {
                let task = plan_task(salesforce, who, (title, body), *due_at_ms);
                planned.push((index, task_write(salesforce, index, item, task)));
                continue;
            }
            _ => {
                planned.push((index, unsupported("Salesforce", item)));
                continue;
            }
        };
        match key {
            Some((key_field, key)) => list.push(Target {
                index,
                item,
                key_field,
                key,
                traits,
            }),
            None => planned.push((index, nameless("mapped id or address"))),
        }
    }
    for (object, targets) in [(CONTACTS, people), (ACCOUNTS, accounts)] {
        if let Some(mapping) = salesforce.mapping.stream(object) {
            let wanted = mapping.wanted();
            planned.extend(plan_upserts(
                object,
                mapping,
                &targets,
                |key_field, keys| read_back(salesforce, object, key_field, keys, &wanted, now_ms),
            ));
        }
    }
    in_order(items.len(), planned)
}

fn person_key(salesforce: &Salesforce, who: &Who) -> Option<(String, String)> {
    let key = &salesforce.mapping.stream(CONTACTS)?.key;
    [(&key.user_id, &who.user_id), (&key.email, &who.email)]
        .into_iter()
        .find_map(|(field, value)| Some((field.clone()?, value.clone()?)))
}

fn account_key(salesforce: &Salesforce, account_id: &str) -> Option<(String, String)> {
    let key = &salesforce.mapping.stream(ACCOUNTS)?.key;
    Some((key.account_id.clone()?, account_id.to_owned()))
}

/// A task's fields. What it is about is named by external id, too.
fn plan_task(
    salesforce: &Salesforce,
    who: &Who,
    (title, body): (&str, &str),
    due_at_ms: Option<i64>,
) -> Map<String, Value> {
    let mut fields = Map::new();
    let subject: String = title.chars().take(SUBJECT_MAX_CHARS).collect();
    fields.insert("Subject".into(), Value::from(subject));
    fields.insert("Description".into(), Value::from(body));
    fields.insert("Status".into(), Value::from("Not Started"));
    if let Some(at_ms) = due_at_ms {
        let day = format_ms(at_ms).chars().take(10).collect::<String>();
        fields.insert("ActivityDate".into(), Value::from(day));
    }
    if let Some((field, key)) = person_key(salesforce, who) {
        fields.insert("Who".into(), reference(CONTACTS, &field, &key));
    }
    let account = who.account_id.as_deref();
    if let Some((field, key)) = account.and_then(|id| account_key(salesforce, id)) {
        fields.insert("What".into(), reference(ACCOUNTS, &field, &key));
    }
    fields
}

fn reference(object: &str, field: &str, key: &str) -> Value {
    let mut reference = Map::new();
    reference.insert("attributes".into(), json!({ "type": object }));
    reference.insert(field.into(), Value::from(key));
    Value::Object(reference)
}

fn task_write(
    salesforce: &Salesforce,
    index: usize,
    item: &Item,
    fields: Map<String, Value>,
) -> Planned {
    Planned::Write(Write {
        index,
        item_id: item.id.clone(),
        object: TASKS.into(),
        action: Action::Upsert,
        key_field: salesforce.task_key.clone(),
        key: item.id.clone(),
        fields,
    })
}

fn read_back(
    salesforce: &Salesforce,
    object: &str,
    key_field: &str,
    keys: &[&str],
    wanted: &[&str],
    now_ms: i64,
) -> Result<BTreeMap<String, Found>, Fault> {
    let mut fields = wanted.to_vec();
    fields.extend([key_field, "SystemModstamp"]);
    fields.sort_unstable();
    fields.dedup();
    let mut found = BTreeMap::new();
    for keys in keys.chunks(QUERY_KEYS) {
        let list: Vec<String> = keys.iter().map(|key| quoted(key)).collect();
        let query = format!(
            "SELECT {} FROM {object} WHERE {key_field} IN ({})",
            fields.join(", "),
            list.join(", ")
        );
        let ask = Ask::get(path("query")).query(&[("q", &query)]);
        for record in records(&salesforce.link.call(&ask, now_ms)?)? {
            let fields = record.as_object().cloned().unwrap_or_default();
            let changed = record["SystemModstamp"].as_str().and_then(parse_ms);
            if let Some(key) = fields.get(key_field).and_then(text_of) {
                found.insert(key.to_lowercase(), (fields, changed.unwrap_or(0)));
            }
        }
    }
    Ok(found)
}

pub(super) fn write(salesforce: &Salesforce, writes: &[Write], now_ms: i64) -> Vec<Attempt> {
    let belong = |first: &Write, next: &Write| {
        first.object == next.object && first.key_field == next.key_field
    };
    batches(writes, BATCH_RECORDS, belong)
        .into_iter()
        .flat_map(|run| upsert(salesforce, run, now_ms))
        .collect()
}

fn upsert(salesforce: &Salesforce, run: &[Write], now_ms: i64) -> Vec<Attempt> {
    let (object, key_field) = (&run[0].object, &run[0].key_field);
    let records: Vec<Value> = run
        .iter()
        .map(|write| {
            let mut record = write.fields.clone();
            record.insert("attributes".into(), json!({ "type": object }));
            record.insert(key_field.clone(), Value::from(write.key.as_str()));
            Value::Object(record)
        })
        .collect();
    let path = path(&format!(
        "composite/sobjects/{object}/{}",
        encode(key_field)
    ));
    let ask = Ask::new(Method::Patch, path).json(json!({ "allOrNone": false, "records": records }));
    let body = match salesforce.link.call(&ask, now_ms) {
        Ok(body) => body,
        Err(fault) => return vec![fault.attempt(); run.len()],
    };
    match body.as_array() {
        Some(results) if results.len() == run.len() => results
            .iter()
            .map(|result| outcome(salesforce, result))
            .collect(),
        _ => vec![Fault::lacks("one result per record").attempt(); run.len()],
    }
}

fn outcome(salesforce: &Salesforce, result: &Value) -> Attempt {
    match result["success"].as_bool() {
        Some(true) => accepted(result["id"].as_str()),
        Some(false) => {
            let error = &result["errors"][0];
            let code = error["statusCode"].as_str().unwrap_or("ERROR");
            let words = error["message"].as_str().unwrap_or("no reason given");
            let reason = salesforce.link.scrub(&format!("{code}: {words}"));
            if code == "UNABLE_TO_LOCK_ROW" {
                return Fault::Broken { code: 409, reason }.attempt();
            }
            refused(400, reason)
        }
        None => Fault::lacks("success").attempt(),
    }
}
