//! Writing profiles, events and members of lists.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{EVENTS, FILTER_KEYS, Klaviyo, PROFILES, data, flat};
use crate::provider::ask::{Ask, Method, encode};
use crate::provider::fault::{Fault, accepted};
use crate::provider::item::{Action, Change, Item, Planned, Who, Write};
use crate::provider::mapping::text_of;
use crate::provider::members::{LIST, Listed, Member};
use crate::provider::plan::{
    Found, Target, batches, in_order, nameless, plan_upserts, unsupported,
};
use crate::provider::time::{format_ms, parse_ms};
use crate::webhook::Attempt;

/// Most members of one request.
const BATCH_MEMBERS: usize = 1_000;
/// What lists hold.
const LISTED: Listed = Listed {
    provider: "Klaviyo",
    record: "profile",
    id_field: "id",
};

pub(super) fn plan(klaviyo: &Klaviyo, items: &[Item], now_ms: i64) -> Vec<Planned> {
    let (mut planned, mut people, mut members) = (Vec::new(), Vec::new(), Vec::new());
    for (index, item) in items.iter().enumerate() {
        let (Change::Person { who, .. } | Change::Event { who, .. } | Change::Member { who, .. }) =
            &item.change
        else {
            planned.push((index, unsupported("Klaviyo", item)));
            continue;
        };
        let Some((key_field, key)) = key_of(klaviyo, who) else {
            planned.push((index, nameless("mapped id, address or number")));
            continue;
        };
        match &item.change {
            Change::Person { traits, .. } => people.push(Target {
                index,
                item,
                key_field,
                key,
                traits,
            }),
            Change::Member {
                list, direction, ..
            } => {
                members.push(Member {
                    index,
                    item,
                    list,
                    direction: *direction,
                    key_field,
                    key,
                });
            }
            _ => planned.push((index, plan_event(index, item, key_field, key))),
        }
    }
    if let Some(mapping) = klaviyo.mapping.stream(PROFILES) {
        planned.extend(plan_upserts(
            PROFILES,
            mapping,
            &people,
            |key_field, keys| find(klaviyo, key_field, keys, now_ms),
        ));
    }
    planned.extend(LISTED.plan(&members, |key_field, keys| {
        find(klaviyo, key_field, keys, now_ms)
    }));
    in_order(items.len(), planned)
}

fn key_of(klaviyo: &Klaviyo, who: &Who) -> Option<(String, String)> {
    let key = &klaviyo.mapping.stream(PROFILES)?.key;
    [
        (&key.email, &who.email),
        (&key.user_id, &who.user_id),
        (&key.phone, &who.phone),
    ]
    .into_iter()
    .find_map(|(field, value)| Some((field.clone()?, value.clone()?)))
}

fn plan_event(index: usize, item: &Item, key_field: String, key: String) -> Planned {
    let Change::Event {
        name,
        occurred_at_ms,
        properties,
        ..
    } = &item.change
    else {
        return unsupported("Klaviyo", item);
    };
    let mut fields = Map::new();
    fields.insert("metric".into(), Value::from(name.as_str()));
    fields.insert("time".into(), Value::from(format_ms(*occurred_at_ms)));
    fields.insert("properties".into(), Value::Object(properties.clone()));
    Planned::Write(Write {
        index,
        item_id: item.id.clone(),
        object: EVENTS.into(),
        action: Action::Create,
        key_field,
        key,
        fields,
    })
}

/// Profiles that are there, by key in lower case; their id is among the fields.
fn find(
    klaviyo: &Klaviyo,
    key_field: &str,
    keys: &[&str],
    now_ms: i64,
) -> Result<BTreeMap<String, Found>, Fault> {
    let mut found = BTreeMap::new();
    for keys in keys.chunks(FILTER_KEYS) {
        let list: Vec<String> = keys.iter().map(|key| super::quoted(key)).collect();
        let filter = format!("any({key_field},[{}])", list.join(","));
        let ask = Ask::get("/api/profiles").query(&[("filter", &filter), ("page[size]", "100")]);
        for profile in data(&klaviyo.link.call(&ask, now_ms)?)? {
            let mut fields = flat(&profile["attributes"]);
            fields.insert("id".into(), profile["id"].clone());
            let changed = fields.get("updated").and_then(|at| parse_ms(at.as_str()?));
            if let Some(key) = fields.get(key_field).and_then(text_of) {
                found.insert(key.to_lowercase(), (fields, changed.unwrap_or(0)));
            }
        }
    }
    Ok(found)
}

pub(super) fn write(klaviyo: &Klaviyo, writes: &[Write], now_ms: i64) -> Vec<Attempt> {
    let belong = |first: &Write, next: &Write| {
        first.object == next.object && first.action == next.action && first.object.starts_with(LIST)
    };
    batches(writes, BATCH_MEMBERS, belong)
        .into_iter()
        .flat_map(|run| match run[0].object.strip_prefix(LIST) {
            Some(list) => write_members(klaviyo, list, run, now_ms),
            None => {
                vec![write_one(klaviyo, &run[0], now_ms).unwrap_or_else(|fault| fault.attempt())]
            }
        })
        .collect()
}

fn write_members(klaviyo: &Klaviyo, list: &str, run: &[Write], now_ms: i64) -> Vec<Attempt> {
    let profiles: Vec<Value> = run
        .iter()
        .map(|write| json!({ "type": "profile", "id": write.key }))
        .collect();
    let method = if run[0].action == Action::Remove {
        Method::Delete
    } else {
        Method::Post
    };
    let path = format!("/api/lists/{}/relationships/profiles", encode(list));
    let ask = Ask::new(method, path).json(json!({ "data": profiles }));
    let attempt = match klaviyo.lists.call(&ask, now_ms) {
        Ok(Value::Null) => accepted(None),
        Ok(_) => Fault::lacks("an empty answer").attempt(),
        Err(fault) => fault.attempt(),
    };
    vec![attempt; run.len()]
}

fn write_one(klaviyo: &Klaviyo, write: &Write, now_ms: i64) -> Result<Attempt, Fault> {
    if write.object == EVENTS {
        let body = klaviyo
            .link
            .call(&Ask::post("/api/events", event_body(write)), now_ms)?;
        return if body.is_null() {
            Ok(accepted(None))
        } else {
            Err(Fault::lacks("an empty answer"))
        };
    }
    let mut attributes = Map::new();
    attributes.insert(write.key_field.clone(), Value::from(write.key.as_str()));
    for (name, value) in &write.fields {
        match name.split_once('.') {
            None => drop(attributes.insert(name.clone(), value.clone())),
            Some((outer, inner)) => {
                let outer = attributes.entry(outer).or_insert_with(|| json!({}));
                outer[inner] = value.clone();
            }
        }
    }
    let body = json!({ "data": { "type": "profile", "attributes": attributes } });
    let body = klaviyo
        .link
        .call(&Ask::post("/api/profile-import", body), now_ms)?;
    match body["data"]["id"].as_str() {
        Some(id) => Ok(accepted(Some(id))),
        None => Err(Fault::lacks("data.id")),
    }
}

fn event_body(write: &Write) -> Value {
    let mut profile = Map::new();
    profile.insert(write.key_field.clone(), Value::from(write.key.as_str()));
    json!({ "data": { "type": "event", "attributes": {
        "properties": write.fields["properties"],
        "time": write.fields["time"],
        "unique_id": write.item_id,
        "metric": { "data": { "type": "metric", "attributes": { "name": write.fields["metric"] } } },
        "profile": { "data": { "type": "profile", "attributes": profile } },
    } } })
}
