//! Planning memberships of lists, the same for every provider whose lists hold ids of records.

use std::collections::BTreeMap;

use serde_json::Map;

use super::fault::{Fault, refused};
use super::item::{Action, Item, Move, Planned, Write};
use super::mapping::text_of;
use super::plan::Found;

/// What the objects of list writes begin with.
pub(super) const LIST: &str = "lists/";

/// One item that is to enter or leave a list.
pub(super) struct Member<'a> {
    pub(super) index: usize,
    pub(super) item: &'a Item,
    pub(super) list: &'a str,
    pub(super) direction: Move,
    pub(super) key_field: String,
    pub(super) key: String,
}

/// What a list of the provider holds.
pub(super) struct Listed {
    /// The provider, as people write it.
    pub(super) provider: &'static str,
    /// What it calls a person.
    pub(super) record: &'static str,
    /// Field of the record that a list knows it by.
    pub(super) id_field: &'static str,
}

impl Listed {
    /// Members are written by the id of their record. `read` gives, for a key field and keys, the records that are there,
    /// by key in lower case.
    pub(super) fn plan(
        &self,
        members: &[Member<'_>],
        read: impl Fn(&str, &[&str]) -> Result<BTreeMap<String, Found>, Fault>,
    ) -> Vec<(usize, Planned)> {
        let mut by_field: BTreeMap<&str, Vec<&Member<'_>>> = BTreeMap::new();
        for member in members {
            by_field.entry(&member.key_field).or_default().push(member);
        }
        let mut planned = Vec::new();
        for (key_field, members) in by_field {
            let keys: Vec<&str> = members.iter().map(|member| member.key.as_str()).collect();
            let found = read(key_field, &keys);
            for member in members {
                let one = match &found {
                    Err(fault) => Planned::Settled(fault.attempt_unwritten()),
                    Ok(found) => self.plan_one(member, found.get(&member.key.to_lowercase())),
                };
                planned.push((member.index, one));
            }
        }
        planned
    }

    fn plan_one(&self, member: &Member<'_>, record: Option<&Found>) -> Planned {
        let Self {
            provider,
            record: noun,
            id_field,
        } = self;
        let id = record.and_then(|(fields, _)| text_of(fields.get(*id_field)?));
        match (id, member.direction) {
            (None, Move::Remove) => Planned::Skip {
                reason: format!("{provider} has no such {noun}, so it is in no list"),
            },
            (None, Move::Add) => Planned::Settled(refused(
                404,
                format!("{provider} has no such {noun}; push the person before its membership"),
            )),
            (Some(key), direction) => Planned::Write(Write {
                index: member.index,
                item_id: member.item.id.clone(),
                object: format!("{LIST}{}", member.list),
                action: match direction {
                    Move::Add => Action::Add,
                    Move::Remove => Action::Remove,
                },
                key_field: (*id_field).into(),
                key,
                fields: Map::new(),
            }),
        }
    }
}
