//! What is really going on with the accounts: the answers to check predictions against.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::DemoConfig;
use super::company::Account;
use super::rhythm::midnight_ms;
use super::story::{Cause, End, ExpansionCause};

/// The truth about all accounts at an instant. As JSON, instants are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroundTruth {
    /// The company it is about.
    pub config: DemoConfig,
    /// What comes later is left out, milliseconds since 1970.
    pub as_of_ms: i64,
    /// One item for each account that had signed up by then, by id.
    pub accounts: Vec<AccountTruth>,
}

/// The truth about one account. Instants are milliseconds since 1970, absent while in the future.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountTruth {
    /// `groupId` of its calls.
    pub account_id: String,
    /// Its name.
    pub name: String,
    /// Why it declines; none if it does not, or not yet.
    pub cause: Option<Cause>,
    /// When the decline began.
    pub decline_began_ms: Option<i64>,
    /// When it cancelled.
    pub churned_ms: Option<i64>,
    /// When it began to recover, if it did not cancel.
    pub recovered_ms: Option<i64>,
    /// Why it grows; none if it does not, or not yet.
    pub expansion_cause: Option<ExpansionCause>,
    /// When the growth began.
    pub growth_began_ms: Option<i64>,
    /// When it bought more.
    pub expanded_ms: Option<i64>,
}

impl GroundTruth {
    /// The accounts by id.
    pub fn by_account(&self) -> BTreeMap<&str, &AccountTruth> {
        let accounts = self.accounts.iter();
        accounts
            .map(|account| (account.account_id.as_str(), account))
            .collect()
    }
}

impl AccountTruth {
    pub(crate) fn of(account: &Account, as_of_ms: i64) -> Self {
        let story = account.story;
        let happened = |day: i32| Some(midnight_ms(day)).filter(|at| *at < as_of_ms);
        let decline = story.decline.filter(|it| happened(it.began_day).is_some());
        let growth = story.growth.filter(|it| happened(it.began_day).is_some());
        Self {
            account_id: account.id.clone(),
            name: account.name.clone(),
            cause: decline.map(|it| it.cause),
            decline_began_ms: decline.and_then(|it| happened(it.began_day)),
            churned_ms: account.cancelled_ms().filter(|at| *at < as_of_ms),
            recovered_ms: decline.and_then(|it| match it.end {
                End::Recovered(day) => happened(day),
                End::Churned(_) => None,
            }),
            expansion_cause: growth.map(|it| it.cause),
            growth_began_ms: growth.and_then(|it| happened(it.began_day)),
            expanded_ms: account.expanded_ms().filter(|at| *at < as_of_ms),
        }
    }
}
