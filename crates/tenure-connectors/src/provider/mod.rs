//! Connectors to the systems that customers already use: CRM, marketing, support, chat.
//!
//! A [`Connector`] translates. It pulls a provider's records as calls like those of the ingest API, and brings items
//! (people, accounts, events, tasks, members of lists, messages) to it. Everything else belongs to the platform: when,
//! how often, retries, the circuit breaker, where a cursor is kept. All of it is blocking; time is an argument.
//!
//! Writing has two halves: [`Connector::plan`] may read and never writes, [`Connector::write`] writes what was planned.
//! A dry run is the first half alone.

mod ask;
mod call;
mod fault;
mod item;
mod limit;
mod link;
mod mapping;
mod members;
mod plan;
mod registry;
mod secret;
mod settings;
mod support;
mod time;
mod watermark;

mod hubspot;
mod intercom;
mod klaviyo;
mod marketo;
mod salesforce;
mod segment;
mod signed_webhook;
mod slack;
pub mod twilio;
mod zendesk;

pub use call::{CallKind, Page, PulledCall, message_id};
pub use fault::Fault;
pub use item::{Action, Change, Item, Move, Planned, Pushed, Told, Who, Write};
pub use limit::{Limit, Limiter};
pub use link::Network;
pub use mapping::{Conflict, Direction, FieldRule, Key, Mapping, MappingError, StreamMapping};
pub use registry::{Setup, describe, kinds, open};
pub use secret::Secret;
pub use settings::{Need, Setting, Settings, SetupError};

use crate::webhook::Attempt;

/// What a kind of connector is and can do.
#[derive(Debug, Clone, Copy)]
pub struct Description {
    /// Its name in settings.
    pub kind: &'static str,
    /// The provider's name.
    pub title: &'static str,
    /// What it is told.
    pub settings: &'static [Setting],
    /// What can be pulled.
    pub streams: &'static [&'static str],
    /// What can be pushed: nouns of [`Change`].
    pub pushes: &'static [&'static str],
    /// The channel of programs that it carries.
    pub channel: Option<&'static str>,
    /// The rate it keeps to.
    pub limits: &'static [Limit],
    /// The mapping it has when none is given; empty where nothing is mapped.
    pub mapping: &'static str,
}

/// A provider's side of things. Shared by many threads.
pub trait Connector: Send + Sync {
    /// What it is and can do.
    fn description(&self) -> &'static Description;

    /// Asks the provider for something harmless with the credentials, and checks that mapped fields exist where it can
    /// tell. Gives a sentence about what was reached.
    fn test(&self, now_ms: i64) -> Result<String, Fault>;

    /// One page of `stream` from `cursor` on (from the beginning without one). Pulling the same page twice gives calls
    /// with the same ids. An error leaves the caller's cursor where it is.
    fn pull(&self, stream: &str, cursor: Option<&str>, now_ms: i64) -> Result<Page, Fault> {
        let _ = (cursor, now_ms);
        Err(Fault::Unsupported {
            reason: format!(
                "{} has no stream `{stream}` to pull",
                self.description().title
            ),
        })
    }

    /// What writing these items would do, one answer per item in their order. May read, never writes.
    fn plan(&self, items: &[Item], now_ms: i64) -> Vec<Planned>;

    /// Writes what was planned, one attempt per write in their order.
    fn write(&self, writes: &[Write], now_ms: i64) -> Vec<Attempt>;
}

/// Whether to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Write.
    Write,
    /// Only say what would be written.
    DryRun,
}

/// Brings items to a provider, or says what would be brought. One result per item, in their order.
pub fn push(connector: &dyn Connector, items: &[Item], mode: Mode, now_ms: i64) -> Vec<Pushed> {
    let planned = connector.plan(items, now_ms);
    let writes: Vec<Write> = planned
        .iter()
        .filter_map(|planned| match planned {
            Planned::Write(write) => Some(write.clone()),
            _ => None,
        })
        .collect();
    let mut attempts = match mode {
        Mode::DryRun => Vec::new(),
        Mode::Write => connector.write(&writes, now_ms),
    }
    .into_iter();
    planned
        .into_iter()
        .map(|planned| match planned {
            Planned::Skip { reason } => Pushed::Skipped { reason },
            Planned::Settled(attempt) => Pushed::Attempted { attempt },
            Planned::Write(write) if mode == Mode::DryRun => Pushed::WouldWrite { write },
            Planned::Write(_) => Pushed::Attempted {
                attempt: attempts.next().unwrap_or_else(|| {
                    Fault::Unknown {
                        reason: "the connector gave no outcome for this item".into(),
                    }
                    .attempt()
                }),
            },
        })
        .collect()
}
