//! What accounts paid and how healthy they were at past moments.

use std::collections::BTreeMap;

use tenure_core::id::{AccountId, SubjectId};
use tenure_core::log::Body;
use tenure_core::time::Timestamp;
use tenure_store::query::instant_cursor;
use tenure_store::{Page, StoreError};

use super::unit::Units;
use crate::log_scan::entries_within;
use crate::query::Query;

/// The most of the log that is read, in bytes.
const LOG_BYTES_MAX: usize = 512 * 1024 * 1024;

/// What accounts paid a month, by the trait `mrr`.
#[derive(Debug, Default)]
pub(super) struct Revenue {
    told: BTreeMap<AccountId, Vec<(Timestamp, f64)>>,
}

impl Revenue {
    /// For these accounts, of which nothing is known yet.
    fn of(accounts: impl Iterator<Item = AccountId>) -> Self {
        Self {
            told: accounts.map(|account| (account, Vec::new())).collect(),
        }
    }

    /// Notes what was told. In order of time almost always; what comes late is put in its place.
    fn note(&mut self, account: AccountId, at: Timestamp, amount: f64) {
        if let Some(known) = self.told.get_mut(&account) {
            let place = known.partition_point(|(then, _)| *then <= at);
            known.insert(place, (at, amount));
        }
    }

    /// What an account paid at an instant; `None` if nothing was told by then.
    pub(super) fn at(&self, account: AccountId, at: Timestamp) -> Option<f64> {
        let known = self.told.get(&account)?;
        let after = known.partition_point(|(then, _)| *then <= at);
        Some(known[after.checked_sub(1)?].1)
    }
}

impl Query<'_> {
    /// What the accounts among `units` paid, and whether the whole log was read.
    pub(super) fn revenue(&self, units: &Units) -> Result<(Revenue, bool), StoreError> {
        let accounts = units.first.iter().filter_map(|unit| unit.subject.account());
        let mut revenue = Revenue::of(accounts);
        if revenue.told.is_empty() {
            return Ok((revenue, true));
        }
        let complete = entries_within(self.store(), None, LOG_BYTES_MAX, |entry| {
            let Body::Profile(profile) = &entry.body else {
                return;
            };
            let told = profile.traits.iter().find(|(name, _)| &**name == "mrr");
            let amount = told.and_then(|(_, value)| value.as_ref()?.as_number());
            if let (Some(account), Some(amount)) = (profile.subject.account(), amount) {
                revenue.note(account, profile.occurred_at, amount);
            }
        })?;
        Ok((revenue, complete))
    }

    /// The health of a subject at an instant; `None` without any.
    pub(super) fn score_at(
        &self,
        subject: SubjectId,
        at: Timestamp,
    ) -> Result<Option<f64>, StoreError> {
        let page = Page {
            after: Some(instant_cursor(at.plus_ms(1), 0)),
            limit: 1,
        };
        let found = self.store().health_history(subject, &page)?;
        Ok(found.first().and_then(|record| record.score))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_paid_is_known_from_the_moment_it_was_told() {
        let account = AccountId(1);
        let mut revenue = Revenue::of([account].into_iter());
        revenue.note(account, Timestamp(20), 200.0);
        revenue.note(account, Timestamp(10), 100.0);
        revenue.note(AccountId(2), Timestamp(10), 5.0);
        let at = |at| revenue.at(account, Timestamp(at));
        assert_eq!(
            (at(9), at(10), at(19), at(20)),
            (None, Some(100.0), Some(100.0), Some(200.0))
        );
        assert_eq!(revenue.at(AccountId(2), Timestamp(99)), None);
    }
}
