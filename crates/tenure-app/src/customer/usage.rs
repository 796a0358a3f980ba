//! How much a customer does, read back from its timeline.

use tenure_core::id::{AccountId, PersonId, SubjectId};
use tenure_core::time::Timestamp;
use tenure_store::StoreError;

use crate::query::{ItemKind, Query};

/// How many entries of a timeline are read at once.
const PAGE_ROWS: usize = 1_000;
/// How many pages are read at most.
const PAGES_MAX: usize = 10;
/// Events that Tenure itself or a customer-success system put there: no use of the product.
const NOT_USE: [&str; 4] = ["message_", "signal:", "cs_", "recovery_"];

/// Something a customer's people did.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Use {
    /// When.
    pub(super) at: Timestamp,
    /// By whom, if a person did it.
    pub(super) person: Option<PersonId>,
}

/// What a customer did since an instant.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Usage {
    /// The latest first.
    pub(super) uses: Vec<Use>,
    /// Whether that is all since then.
    pub(super) complete: bool,
}

impl Usage {
    /// How many in `[from, until)`.
    pub(super) fn count(&self, from: Timestamp, until: Timestamp) -> u64 {
        let within = |one: &&Use| one.at >= from && one.at < until;
        self.uses.iter().filter(within).count() as u64
    }

    /// Distinct people active in `[from, until)`.
    pub(super) fn people(&self, from: Timestamp, until: Timestamp) -> u64 {
        let active = self
            .uses
            .iter()
            .filter(|one| one.at >= from && one.at < until);
        let people: std::collections::BTreeSet<PersonId> =
            active.filter_map(|one| one.person).collect();
        people.len() as u64
    }
}

impl Query<'_> {
    /// What an account and its people did since an instant, by when it was received.
    pub(super) fn usage(&self, account: AccountId, since: Timestamp) -> Result<Usage, StoreError> {
        let mut usage = Usage::default();
        let mut before = None;
        for _ in 0..PAGES_MAX {
            let listed = self.timeline(SubjectId::Account(account), before, PAGE_ROWS)?;
            let oldest = listed.rows.last().map(|item| item.received_at);
            before = listed.rows.last().map(|item| item.position);
            let done = listed.next.is_none() || oldest.is_none_or(|oldest| oldest < since);
            for item in listed.rows {
                if let ItemKind::Event { name, person, .. } = item.kind
                    && item.at >= since
                    && !NOT_USE.iter().any(|prefix| name.starts_with(prefix))
                {
                    usage.uses.push(Use {
                        at: item.at,
                        person,
                    });
                }
            }
            if done {
                usage.complete = true;
                break;
            }
        }
        Ok(usage)
    }
}
