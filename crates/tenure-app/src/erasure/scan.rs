//! What the log says about who a person is.

use std::collections::{BTreeMap, BTreeSet};

use tenure_core::id::{PersonId, SubjectId};
use tenure_core::log::{Body, IdentifierKind, Position, Profile, decode};
use tenure_store::{Store, StoreError};

use crate::error::AppError;

/// How much of the log is read at once, in bytes.
const READ_BYTES: usize = 8 * 1024 * 1024;

/// A person with all they were known as.
#[derive(Debug, Default)]
pub(super) struct Traces {
    /// The person, and all that were merged into them.
    pub(super) persons: BTreeSet<PersonId>,
    /// Their e-mail addresses.
    pub(super) addresses: BTreeSet<String>,
    /// Every name they were known by, addresses among them.
    pub(super) names: BTreeSet<String>,
}

/// Reads the log up to `end` twice: for merges, then for names.
pub(super) fn scan(
    store: &dyn Store,
    person: PersonId,
    end: Position,
    progress: &mut dyn FnMut(Position) -> Result<(), AppError>,
) -> Result<Traces, AppError> {
    let mut merges = BTreeMap::new();
    each(
        store,
        end,
        |body| {
            if let Body::Merge(merge) = body {
                merges.insert(merge.from, merge.into);
            }
        },
        progress,
    )?;
    let mut traces = Traces {
        persons: BTreeSet::from([person]),
        ..Traces::default()
    };
    // A person is merged once, so each chain ends; whoever's chain comes by the person is one.
    while let Some(more) = merges
        .iter()
        .find(|(from, into)| traces.persons.contains(into) && !traces.persons.contains(from))
        .map(|(from, _)| *from)
    {
        traces.persons.insert(more);
    }
    each(
        store,
        end,
        |body| {
            if let Body::Profile(profile) = body
                && let SubjectId::Person(whose) = profile.subject
                && traces.persons.contains(&whose)
            {
                note(&mut traces.addresses, &mut traces.names, profile);
            }
        },
        progress,
    )?;
    Ok(traces)
}

fn note(addresses: &mut BTreeSet<String>, names: &mut BTreeSet<String>, profile: &Profile) {
    for known in &profile.identifiers {
        if known.kind == IdentifierKind::Email {
            addresses.insert(known.value.to_string());
        }
        names.insert(known.value.to_string());
    }
    let told = profile.traits.iter().filter(|(name, _)| &**name == "email");
    for address in told.filter_map(|(_, value)| value.as_ref()?.as_text()) {
        addresses.insert(address.to_owned());
        names.insert(address.to_owned());
    }
}

fn each(
    store: &dyn Store,
    end: Position,
    mut look: impl FnMut(&Body<'_>),
    progress: &mut dyn FnMut(Position) -> Result<(), AppError>,
) -> Result<(), AppError> {
    let mut from = 1;
    while from <= end {
        let chunks = store.read_log(from, READ_BYTES, None)?;
        let Some(last) = chunks.last() else { break };
        from = last.last() + 1;
        for chunk in &chunks {
            for entry in decode(chunk.first, &chunk.bytes) {
                let entry = entry.map_err(|error| StoreError::Damaged(error.to_string()))?;
                look(&entry.body);
            }
        }
        progress(from - 1)?;
    }
    Ok(())
}
