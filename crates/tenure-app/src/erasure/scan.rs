//! What the log says about who a person is.

use std::collections::{BTreeMap, BTreeSet};

use tenure_core::id::{PersonId, SubjectId};
use tenure_core::log::{Body, Entry, IdentifierKind, Position, Profile};
use tenure_store::Store;

use crate::error::AppError;
use crate::log_scan::each_entry;

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
    let look = |entry: &Entry<'_>| {
        if let Body::Merge(merge) = &entry.body {
            merges.insert(merge.from, merge.into);
        }
        Ok(())
    };
    each_entry(store, end, look, &mut *progress)?;
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
    let look = |entry: &Entry<'_>| {
        if let Body::Profile(profile) = &entry.body
            && let SubjectId::Person(whose) = profile.subject
            && traces.persons.contains(&whose)
        {
            note(&mut traces.addresses, &mut traces.names, profile);
        }
        Ok(())
    };
    each_entry(store, end, look, progress)?;
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
