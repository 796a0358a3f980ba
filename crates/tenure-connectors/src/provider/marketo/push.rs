//! Writing leads and members of static lists.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{BATCH_RECORDS, LEADS, Marketo, result};
use crate::provider::ask::{Ask, Method, encode};
use crate::provider::fault::{Fault, accepted, refused};
use crate::provider::item::{Action, Change, Item, Planned, Who, Write};
use crate::provider::mapping::text_of;
use crate::provider::members::{LIST, Listed, Member};
use crate::provider::plan::{
    Found, Target, batches, in_order, nameless, plan_upserts, unsupported,
};
use crate::provider::time::parse_ms;
use crate::webhook::Attempt;

/// Most keys of one look-up, whose address must stay short.
const LOOKUP_KEYS: usize = 50;
/// What lists hold.
const LISTED: Listed = Listed {
    provider: "Marketo",
    record: "lead",
    id_field: "id",
};

pub(super) fn plan(marketo: &Marketo, items: &[Item], now_ms: i64) -> Vec<Planned> {
    let (mut planned, mut people, mut members) = (Vec::new(), Vec::new(), Vec::new());
    for (index, item) in items.iter().enumerate() {
        let (Change::Person { who, .. } | Change::Member { who, .. }) = &item.change else {
            planned.push((index, unsupported("Marketo", item)));
            continue;
        };
        let Some((key_field, key)) = key_of(marketo, who) else {
            planned.push((index, nameless("mapped id or address")));
            continue;
        };
        // A comma would make two keys of one in a look-up.
        if key.contains(',') {
            planned.push((index, nameless("id or address without a comma")));
            continue;
        }
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
            _ => {}
        }
    }
    if let Some(mapping) = marketo.mapping.stream(LEADS) {
        let wanted = mapping.wanted();
        planned.extend(plan_upserts(LEADS, mapping, &people, |key_field, keys| {
            find(marketo, key_field, keys, &wanted, now_ms)
        }));
    }
    planned.extend(LISTED.plan(&members, |key_field, keys| {
        find(marketo, key_field, keys, &[], now_ms)
    }));
    in_order(items.len(), planned)
}

fn key_of(marketo: &Marketo, who: &Who) -> Option<(String, String)> {
    let key = &marketo.mapping.stream(LEADS)?.key;
    [(&key.user_id, &who.user_id), (&key.email, &who.email)]
        .into_iter()
        .find_map(|(field, value)| Some((field.clone()?, value.clone()?)))
}

/// Leads that are there, by key in lower case; their id is among the fields.
fn find(
    marketo: &Marketo,
    key_field: &str,
    keys: &[&str],
    wanted: &[&str],
    now_ms: i64,
) -> Result<BTreeMap<String, Found>, Fault> {
    let mut fields = wanted.to_vec();
    fields.extend([key_field, "id", "updatedAt"]);
    fields.sort_unstable();
    fields.dedup();
    let mut found = BTreeMap::new();
    for keys in keys.chunks(LOOKUP_KEYS) {
        let ask = Ask::get("/rest/v1/leads.json").query(&[
            ("filterType", key_field),
            ("filterValues", &keys.join(",")),
            ("fields", &fields.join(",")),
        ]);
        for lead in result(&marketo.link.call(&ask, now_ms)?)? {
            let fields = lead.as_object().cloned().unwrap_or_default();
            let changed = lead["updatedAt"].as_str().and_then(parse_ms);
            if let Some(key) = text_of(&lead[key_field]) {
                found.insert(key.to_lowercase(), (fields, changed.unwrap_or(0)));
            }
        }
    }
    Ok(found)
}

pub(super) fn write(marketo: &Marketo, writes: &[Write], now_ms: i64) -> Vec<Attempt> {
    let belong = |first: &Write, next: &Write| {
        first.object == next.object
            && first.action == next.action
            && first.key_field == next.key_field
    };
    batches(writes, BATCH_RECORDS, belong)
        .into_iter()
        .flat_map(|run| {
            let ask = match run[0].object.strip_prefix(LIST) {
                Some(list) => move_members(list, run),
                None => upsert(run),
            };
            outcomes(marketo, &ask, run.len(), now_ms)
        })
        .collect()
}

fn upsert(run: &[Write]) -> Ask {
    let input: Vec<Value> = run
        .iter()
        .map(|write| {
            let mut lead = write.fields.clone();
            lead.insert(write.key_field.clone(), Value::from(write.key.as_str()));
            Value::Object(lead)
        })
        .collect();
    let body = json!({
        "action": "createOrUpdate", "lookupField": run[0].key_field, "input": input,
    });
    Ask::post("/rest/v1/leads.json", body)
}

fn move_members(list: &str, run: &[Write]) -> Ask {
    let input: Vec<Value> = run
        .iter()
        .map(|write| json!({ "id": write.key.parse::<u64>().unwrap_or_default() }))
        .collect();
    let method = if run[0].action == Action::Remove {
        Method::Delete
    } else {
        Method::Post
    };
    let path = format!("/rest/v1/lists/{}/leads.json", encode(list));
    Ask::new(method, path).json(json!({ "input": input }))
}

/// The results of a batch come in the order of its records.
fn outcomes(marketo: &Marketo, ask: &Ask, count: usize, now_ms: i64) -> Vec<Attempt> {
    let body = match marketo.link.call(ask, now_ms) {
        Ok(body) => body,
        Err(fault) => return vec![fault.attempt(); count],
    };
    match result(&body) {
        Ok(results) if results.len() == count => results
            .iter()
            .map(|result| outcome(marketo, result))
            .collect(),
        Ok(_) => vec![Fault::lacks("one result per record").attempt(); count],
        Err(fault) => vec![fault.attempt(); count],
    }
}

fn outcome(marketo: &Marketo, result: &Value) -> Attempt {
    match result["status"].as_str() {
        Some("created" | "updated" | "added" | "removed" | "memberof" | "notmemberof") => {
            accepted(text_of(&result["id"]).as_deref())
        }
        Some("skipped") => {
            let reason = &result["reasons"][0];
            let code = reason["code"].as_str().unwrap_or_default();
            let words = reason["message"].as_str().unwrap_or("no reason given");
            let words = marketo.link.scrub(&format!("{code}: {words}"));
            refused(code.parse().unwrap_or_default(), words)
        }
        _ => Fault::lacks("status").attempt(),
    }
}
