//! The circuit breaker of a connector: a provider that does not answer is left alone for a while, also by who asks by
//! hand. What it answers, were it a refusal, closes the breaker.

use std::sync::Arc;

use tenure_connectors::provider::{Fault, Pushed};

use super::{Connectors, lists, pull};
use crate::breakers::{Breakers, Sign};
use crate::error::AppError;

/// What the breakers of connectors are named by, before the connector's name.
pub(crate) const BREAKER_PREFIX: &str = "connector:";

impl Connectors {
    /// The breakers that connectors, webhooks and text channels share.
    pub(crate) fn breakers(&self) -> &Arc<Breakers> {
        &self.breakers
    }

    /// Whether the provider may be asked now; why not otherwise, and for how long not, in milliseconds.
    pub(super) fn enter(&self, name: &str) -> Result<(), (String, i64)> {
        let now = self.clock.now();
        let entered = self.breakers.enter(&breaker(name), now);
        entered.map_err(|until| {
            let told = format!(
                "the provider does not answer, and is left alone until {until}; `tenure breakers reset {}` tries it at once",
                breaker(name)
            );
            (told, until.0 - now.0)
        })
    }

    /// Notes whether the provider answered a request.
    pub(super) fn note_asked<T>(&self, name: &str, asked: &Result<T, Fault>) {
        self.note(
            name,
            match asked {
                Ok(_) => Some(Sign::Answered),
                Err(fault) => Sign::of(&fault.attempt()),
            },
        );
    }

    /// Notes whether the provider answered while it was written to.
    pub(super) fn note_pushed(&self, name: &str, pushed: &[Pushed]) {
        let signs = pushed.iter().filter_map(|pushed| match pushed {
            Pushed::Attempted { attempt } => Sign::of(attempt),
            _ => None,
        });
        // One request that was lost counts for more than others that were answered before it.
        self.note(name, signs.max_by_key(|sign| *sign == Sign::Away));
    }

    fn note(&self, name: &str, sign: Option<Sign>) {
        self.breakers.note(&breaker(name), sign, self.clock.now());
    }

    /// Lets what waits after failures of a connector be tried at once.
    pub(crate) fn hurry(&self, name: &str) -> Result<(), AppError> {
        let Ok(config) = self.config(name) else {
            return Ok(());
        };
        let mut records = Vec::new();
        for stream in config.streams() {
            let mut progress = self.progress(name, stream)?;
            if progress.failure.is_some() {
                progress.due_at = None;
                records.push(self.record(pull::PROGRESS, &format!("{name}/{stream}"), &progress));
            }
        }
        let mut progress = self.list_progress(name)?;
        progress.due_at = None;
        records.push(self.record(lists::PROGRESS, &format!("{name}/"), &progress));
        self.commit(tenure_store::Batch {
            records,
            ..tenure_store::Batch::default()
        })?;
        self.rest.1.notify_all();
        Ok(())
    }
}

fn breaker(name: &str) -> String {
    format!("{BREAKER_PREFIX}{name}")
}
