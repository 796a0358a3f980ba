//! Writing contacts, companies and members of lists.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{COMPANIES, CONTACTS, HubSpot, changed_field, results};
use crate::provider::ask::{Ask, Method, encode};
use crate::provider::fault::{Fault, accepted, refused};
use crate::provider::item::Who;
use crate::provider::item::{Action, Change, Item, Planned, Write};
use crate::provider::mapping::{Key, text_of};
use crate::provider::members::{LIST, Listed, Member};
use crate::provider::plan::{
    Found, Target, batches, in_order, nameless, plan_upserts, unsupported,
};
use crate::provider::time::parse_ms;
use crate::webhook::Attempt;

/// Most records of one batch request.
const BATCH_RECORDS: usize = 100;
/// What lists hold.
const LISTED: Listed = Listed {
    provider: "HubSpot",
    record: "contact",
    id_field: "hs_object_id",
};

pub(super) fn plan(hubspot: &HubSpot, items: &[Item], now_ms: i64) -> Vec<Planned> {
    let mut planned = Vec::new();
    let (mut people, mut accounts, mut members) = (Vec::new(), Vec::new(), Vec::new());
    for (index, item) in items.iter().enumerate() {
        match &item.change {
            Change::Person { who, traits } => match key_of(hubspot, CONTACTS, who) {
                Some((key_field, key)) => people.push(Target {
                    index,
                    item,
                    key_field,
                    key,
                    traits,
                }),
                None => planned.push((index, nameless("mapped id or address"))),
            },
            Change::Account { account_id, traits } => {
                let who = Who {
                    account_id: Some(account_id.clone()),
                    ..Who::default()
                };
                match key_of(hubspot, COMPANIES, &who) {
                    Some((key_field, key)) => accounts.push(Target {
                        index,
                        item,
                        key_field,
                        key,
                        traits,
                    }),
                    None => planned.push((index, nameless("mapped account id"))),
                }
            }
            Change::Member {
                who,
                list,
                direction,
            } => match key_of(hubspot, CONTACTS, who) {
                Some((key_field, key)) => members.push(Member {
                    index,
                    item,
                    list,
                    direction: *direction,
                    key_field,
                    key,
                }),
                None => planned.push((index, nameless("mapped id or address"))),
            },
            _ => planned.push((index, unsupported("HubSpot", item))),
        }
    }
    for (object, targets) in [(CONTACTS, people), (COMPANIES, accounts)] {
        if let Some(mapping) = hubspot.mapping.stream(object) {
            let wanted = mapping.wanted();
            planned.extend(plan_upserts(
                object,
                mapping,
                &targets,
                |key_field, keys| read_back(hubspot, object, key_field, keys, &wanted, now_ms),
            ));
        }
    }
    planned.extend(LISTED.plan(&members, |key_field, keys| {
        read_back(hubspot, CONTACTS, key_field, keys, &[], now_ms)
    }));
    in_order(items.len(), planned)
}

/// The property that identifies a record, and its value.
fn key_of(hubspot: &HubSpot, object: &str, who: &Who) -> Option<(String, String)> {
    let Key {
        user_id,
        email,
        account_id,
        ..
    } = &hubspot.mapping.stream(object)?.key;
    let pairs = if object == COMPANIES {
        [(account_id, &who.account_id), (&None, &None)]
    } else {
        [(user_id, &who.user_id), (email, &who.email)]
    };
    pairs
        .into_iter()
        .find_map(|(field, value)| Some((field.clone()?, value.clone()?)))
}

/// Records that are there, by key in lower case.
fn read_back(
    hubspot: &HubSpot,
    object: &str,
    key_field: &str,
    keys: &[&str],
    properties: &[&str],
    now_ms: i64,
) -> Result<BTreeMap<String, Found>, Fault> {
    let mut found = BTreeMap::new();
    let changed = changed_field(object);
    let mut properties = properties.to_vec();
    properties.extend([key_field, changed]);
    for keys in keys.chunks(BATCH_RECORDS) {
        let inputs: Vec<Value> = keys.iter().map(|key| json!({ "id": key })).collect();
        let ask = Ask::post(
            format!("/crm/v3/objects/{object}/batch/read"),
            json!({
                "idProperty": key_field, "inputs": inputs, "properties": properties,
                "propertiesWithHistory": [],
            }),
        );
        for result in results(&hubspot.link.call(&ask, now_ms)?)? {
            let mut fields = result["properties"]
                .as_object()
                .cloned()
                .unwrap_or_default();
            fields.insert("hs_object_id".into(), result["id"].clone());
            let changed_at_ms = fields.get(changed).and_then(|at| parse_ms(at.as_str()?));
            if let Some(key) = fields.get(key_field).and_then(text_of) {
                found.insert(key.to_lowercase(), (fields, changed_at_ms.unwrap_or(0)));
            }
        }
    }
    Ok(found)
}

pub(super) fn write(hubspot: &HubSpot, writes: &[Write], now_ms: i64) -> Vec<Attempt> {
    let belong = |first: &Write, next: &Write| {
        first.object == next.object && first.key_field == next.key_field
    };
    batches(writes, BATCH_RECORDS, belong)
        .into_iter()
        .flat_map(|run| match run[0].object.strip_prefix(LIST) {
            Some(list) => write_members(hubspot, list, run, now_ms),
            None => upsert(hubspot, run, now_ms),
        })
        .collect()
}

/// A batch that is refused as a whole is cut in half, until the record that is at fault stands alone.
fn upsert(hubspot: &HubSpot, run: &[Write], now_ms: i64) -> Vec<Attempt> {
    let inputs: Vec<Value> = run
        .iter()
        .map(|write| {
            let properties: Map<String, Value> = write
                .fields
                .iter()
                .map(|(name, value)| (name.clone(), Value::from(property_text(value))))
                .collect();
            json!({ "id": write.key, "idProperty": write.key_field, "properties": properties })
        })
        .collect();
    let ask = Ask::post(
        format!("/crm/v3/objects/{}/batch/upsert", run[0].object),
        json!({ "inputs": inputs }),
    );
    match hubspot.link.call(&ask, now_ms) {
        Ok(body) => run
            .iter()
            .map(|write| outcome_in(hubspot, write, &body))
            .collect(),
        Err(Fault::Refused { .. }) if run.len() > 1 => {
            let (left, right) = run.split_at(run.len() / 2);
            let mut attempts = upsert(hubspot, left, now_ms);
            attempts.extend(upsert(hubspot, right, now_ms));
            attempts
        }
        Err(fault) => vec![fault.attempt(); run.len()],
    }
}

/// What a batch's answer says about one record. One that it does not name is not known to be written.
fn outcome_in(hubspot: &HubSpot, write: &Write, body: &Value) -> Attempt {
    let names_it =
        |value: &Value| text_of(value).is_some_and(|text| text.eq_ignore_ascii_case(&write.key));
    let written = body["results"].as_array().into_iter().flatten();
    for result in written {
        if names_it(&result["properties"][&write.key_field]) {
            return accepted(result["id"].as_str());
        }
    }
    for error in body["errors"].as_array().into_iter().flatten() {
        let named = error["context"].as_object().into_iter().flatten();
        let mut named = named.flat_map(|(_, values)| values.as_array().into_iter().flatten());
        if named.any(names_it) {
            let words = error["message"].as_str().unwrap_or("no reason given");
            return refused(400, hubspot.link.scrub(words));
        }
    }
    Fault::lacks("this record in `results` or `errors`").attempt()
}

fn write_members(hubspot: &HubSpot, list: &str, run: &[Write], now_ms: i64) -> Vec<Attempt> {
    let ids = |action: Action| -> Vec<&str> {
        run.iter()
            .filter(|write| write.action == action)
            .map(|write| write.key.as_str())
            .collect()
    };
    let path = format!("/crm/v3/lists/{}/memberships/add-and-remove", encode(list));
    let ask = Ask::new(Method::Put, path).json(json!({
        "recordIdsToAdd": ids(Action::Add), "recordIdsToRemove": ids(Action::Remove),
    }));
    match hubspot.link.call(&ask, now_ms) {
        Err(fault) => vec![fault.attempt(); run.len()],
        Ok(body) => {
            let Some(missing) = body["recordIdsMissing"].as_array() else {
                return vec![Fault::lacks("recordIdsMissing").attempt(); run.len()];
            };
            run.iter()
                .map(|write| {
                    if missing.iter().any(|id| *id == write.key) {
                        refused(404, "HubSpot no longer has this contact")
                    } else {
                        accepted(None)
                    }
                })
                .collect()
        }
    }
}

/// HubSpot takes all values as text; several choices are separated by `;`.
fn property_text(value: &Value) -> String {
    match value {
        Value::Array(values) => values
            .iter()
            .filter_map(text_of)
            .collect::<Vec<_>>()
            .join(";"),
        Value::Object(_) => value.to_string(),
        _ => text_of(value).unwrap_or_default(),
    }
}
