//! A believable demo company: the customers of the invented vendor *Northbeam Boards*, a planning
//! tool for teams, and everything they do.
//!
//! Everything is a function of a [`DemoConfig`] (seed, number of accounts, first and last instant
//! of the history). No clock is read. The same configuration gives the same calls, byte for byte,
//! and any interval can be asked for alone: two neighbouring intervals together give the same
//! calls as the whole. So the only thing a running demo must keep is its configuration and the
//! instant up to which it has played.
//!
//! ```
//! use tenure_sim::demo::{Company, DemoConfig};
//!
//! let config = DemoConfig { account_count: 10, ..DemoConfig::ending_at(7, 1_767_225_600_000) };
//! let company = Company::new(config);
//! let first = company.history().next().unwrap();
//! assert!(first.timestamp_ms >= config.start_ms);
//!
//! // Time goes on after the history; the caller decides how fast.
//! let mut live = company.live(config.end_ms);
//! let first_hour = live.take_until(config.end_ms + 3_600_000);
//! assert!(first_hour.iter().all(|call| call.timestamp_ms >= config.end_ms));
//!
//! // Why accounts churned or expanded, to check scores and programs against.
//! let truth = company.ground_truth(config.end_ms);
//! assert_eq!(truth.accounts.len(), 10);
//! ```
//!
//! # How it is made
//! - `company` draws each account: trade, place, plan, seats, people.
//! - `story` draws why and when an account declines (a latent driver with a daily hazard) or
//!   grows, and turns that into engagement and satisfaction per day.
//! - `facts` plans the sparse part of a life up front: people coming and going, invoices,
//!   tickets, surveys, milestones, renewals, upgrades, the cancellation.
//! - `activity` draws the dense part (sessions and what happens in them) day by day, with daily
//!   and weekly rhythm in each person's local time.
//! - `stream` merges all of it into one order of time, holding a few days in memory.
//!
//! # What the calls look like
//! They have the shape of the Segment HTTP API, see [`DemoCall`]. An account is introduced by a
//! `group` call with its traits, a person by `identify` and a `group` call that links them; only
//! then are they referred to. Facts about the account as a whole (billing, tickets, limits) are
//! `track` calls without `userId`, with `context.groupId`. Traits of groups have flat names, some
//! dotted (`milestones.reached`).

mod activity;
mod call;
mod catalog;
mod chance;
mod company;
mod entries;
mod facts;
mod people;
mod render;
mod rhythm;
mod story;
mod stream;
mod truth;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use tenure_core::time::DAY_MS;

pub use call::{CallContext, CallKind, DemoCall};
pub use catalog::{CsManager, FEATURES, MANAGERS, MILESTONES, VENDOR_NAME};
pub use company::Company;
pub use entries::Entries;
pub use story::{Cause, ExpansionCause};
pub use stream::Calls;
pub use truth::{AccountTruth, GroundTruth};

/// How many accounts exist at the end of the history unless the caller says otherwise.
pub const DEFAULT_ACCOUNT_COUNT: u32 = 300;
/// Length of the history unless the caller says otherwise, in days.
pub const DEFAULT_HISTORY_DAYS: i64 = 365;
/// For how many days after the end of the history the live calls go on.
pub const LIVE_DAYS: i64 = 365;

/// Everything the demo company is a function of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DemoConfig {
    /// Any number; another seed is another company.
    pub seed: u64,
    /// How many accounts have signed up by `end_ms`. More follow in the live part.
    pub account_count: u32,
    /// First instant of the history, milliseconds since 1970.
    pub start_ms: i64,
    /// End of the history (exclusive), milliseconds since 1970; the live part begins here.
    pub end_ms: i64,
}

impl DemoConfig {
    /// Twelve months of [`DEFAULT_ACCOUNT_COUNT`] accounts, ending at `end_ms`.
    pub fn ending_at(seed: u64, end_ms: i64) -> Self {
        Self {
            seed,
            account_count: DEFAULT_ACCOUNT_COUNT,
            start_ms: end_ms - DEFAULT_HISTORY_DAYS * DAY_MS,
            end_ms,
        }
    }

    /// After this instant no more calls are made, milliseconds since 1970.
    pub fn horizon_ms(&self) -> i64 {
        self.end_ms + LIVE_DAYS * DAY_MS
    }
}
