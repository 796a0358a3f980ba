//! Planning upserts with a mapping, the same for every provider that has one.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::fault::{Fault, refused};
use super::item::{Action, Item, Planned, Told, Write};
use super::mapping::StreamMapping;

/// A record as a provider has it, and when it was changed last (milliseconds since 1970).
pub(super) type Found = (Map<String, Value>, i64);

/// One item that is to become a record.
pub(super) struct Target<'a> {
    pub(super) index: usize,
    pub(super) item: &'a Item,
    pub(super) key_field: String,
    pub(super) key: String,
    pub(super) traits: &'a BTreeMap<String, Told>,
}

/// Plans upserts of `object`. `read` gives, for a key field and keys, the records that are there, by key in lower case;
/// it is asked only where a conflict rule needs it.
pub(super) fn plan_upserts(
    object: &str,
    mapping: &StreamMapping,
    targets: &[Target<'_>],
    read: impl Fn(&str, &[&str]) -> Result<BTreeMap<String, Found>, Fault>,
) -> Vec<(usize, Planned)> {
    let mut by_field: BTreeMap<&str, Vec<&Target<'_>>> = BTreeMap::new();
    for target in targets {
        by_field.entry(&target.key_field).or_default().push(target);
    }
    let mut planned = Vec::new();
    for (key_field, targets) in by_field {
        let keys: Vec<&str> = targets.iter().map(|target| target.key.as_str()).collect();
        let found = if mapping.needs_reading_back() {
            read(key_field, &keys)
        } else {
            Ok(BTreeMap::new())
        };
        for target in targets {
            let one = match &found {
                Ok(found) => plan_one(object, mapping, target, found),
                Err(fault) => Planned::Settled(fault.attempt_unwritten()),
            };
            planned.push((target.index, one));
        }
    }
    planned
}

fn plan_one(
    object: &str,
    mapping: &StreamMapping,
    target: &Target<'_>,
    found: &BTreeMap<String, Found>,
) -> Planned {
    let theirs = found.get(&target.key.to_lowercase());
    let theirs_now = theirs.map(|(fields, at)| (fields, *at));
    let mut fields = mapping.pushed(target.traits, theirs_now);
    fields.remove(&target.key_field);
    if fields.is_empty() && theirs.is_some() {
        return Planned::Skip {
            reason: "the provider has these values already, or its own count".into(),
        };
    }
    Planned::Write(Write {
        index: target.index,
        item_id: target.item.id.clone(),
        object: object.to_owned(),
        action: Action::Upsert,
        key_field: target.key_field.clone(),
        key: target.key.clone(),
        fields,
    })
}

/// An item that this connector does not carry.
pub(super) fn unsupported(title: &str, item: &Item) -> Planned {
    Planned::Settled(refused(
        0,
        format!("{title} takes no item of kind `{}`", item.change.noun()),
    ))
}

/// An item without a name by which the provider could know it.
pub(super) fn nameless(what: &str) -> Planned {
    Planned::Settled(refused(
        0,
        format!("the item has no {what}, by which the provider knows it"),
    ))
}

/// Answers in the order of the items, whatever the order in which they were found.
pub(super) fn in_order(count: usize, planned: Vec<(usize, Planned)>) -> Vec<Planned> {
    let mut by_index: BTreeMap<usize, Planned> = planned.into_iter().collect();
    (0..count)
        .map(|index| by_index.remove(&index).unwrap_or_else(|| nameless("name")))
        .collect()
}

/// Cuts writes into runs that one request may carry: neighbours that `belong` together, at most `most`, no key twice
/// (providers refuse that, and its order would be lost).
pub(super) fn batches(
    writes: &[Write],
    most: usize,
    belong: impl Fn(&Write, &Write) -> bool,
) -> Vec<&[Write]> {
    let mut runs = Vec::new();
    let mut start = 0;
    let mut keys = BTreeSet::new();
    for (index, write) in writes.iter().enumerate() {
        let is_new = index > start
            && (index - start >= most
                || keys.contains(&write.key.to_lowercase())
                || !belong(&writes[start], write));
        if is_new {
            runs.push(&writes[start..index]);
            start = index;
            keys.clear();
        }
        keys.insert(write.key.to_lowercase());
    }
    if start < writes.len() {
        runs.push(&writes[start..]);
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(object: &str, key: &str) -> Write {
        Write {
            index: 0,
            item_id: String::new(),
            object: object.into(),
            action: Action::Upsert,
            key_field: "email".into(),
            key: key.into(),
            fields: Map::new(),
        }
    }

    #[test]
    fn a_run_ends_at_its_size_at_another_object_and_at_a_repeated_key() {
        let writes = [
            write("a", "1"),
            write("a", "2"),
            write("a", "2"),
            write("b", "3"),
            write("b", "4"),
            write("b", "5"),
            write("b", "6"),
        ];
        let runs = batches(&writes, 3, |first, next| first.object == next.object);
        let lengths: Vec<usize> = runs.iter().map(|run| run.len()).collect();
        assert_eq!(lengths, [2, 1, 3, 1]);
    }
}
