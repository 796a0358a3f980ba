//! When connectors work by themselves.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use super::pull::PullFrom;
use super::{CONFIGS, Connectors};
use crate::connectors::Config;
use crate::error::AppError;
use crate::records::all;
use crate::telemetry;

/// How often the supervisor looks for work.
const REST: Duration = Duration::from_millis(500);
/// Pages pulled before another stream of the connector has its turn.
const PAGES: usize = 20;

impl Connectors {
    /// Starts the supervisor.
    pub fn start(self: &Arc<Self>) -> Result<JoinHandle<()>, AppError> {
        let connectors = Arc::clone(self);
        std::thread::Builder::new()
            .name("connectors".into())
            .spawn(move || connectors.supervise())
            .map_err(|error| AppError::Conflict(format!("no thread for connectors: {error}")))
    }

    /// Asks the supervisor to end; what is under way is finished.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.rest.1.notify_all();
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    fn supervise(self: Arc<Self>) {
        while !self.is_stopping() {
            if let Err(error) = self.send_out() {
                telemetry::connector_failed("all", "configs", &error.to_string());
            }
            let mut guard = self.rest.0.lock();
            if !self.is_stopping() {
                self.rest.1.wait_for(&mut guard, REST);
            }
        }
    }

    /// Gives every connector that has something to do a thread of its own, unless it has one.
    fn send_out(self: &Arc<Self>) -> Result<(), AppError> {
        let configs: Vec<Config> = all(self.store.as_ref(), CONFIGS, "")?;
        for config in configs {
            let work = format!("{}/thread", config.name);
            if !self.has_work(&config)? || !self.in_hand.lock().insert(work.clone()) {
                continue;
            }
            let connectors = Arc::clone(self);
            let spawned = std::thread::Builder::new()
                .name(format!("connector-{}", config.name))
                .spawn(move || {
                    connectors.work_or_say(&config);
                    connectors.in_hand.lock().remove(&work);
                });
            if let Err(error) = spawned {
                return Err(AppError::Conflict(format!("no thread: {error}")));
            }
        }
        Ok(())
    }

    fn work_or_say(&self, config: &Config) {
        if let Err(error) = self.work(config) {
            telemetry::connector_failed(&config.name, "work", &error.to_string());
        }
    }

    /// Whether something of a connector is due.
    fn has_work(&self, config: &Config) -> Result<bool, AppError> {
        let now = self.clock.now();
        if !config.lists.is_empty() {
            let due_at = self.list_progress(&config.name)?.due_at;
            if due_at.is_none_or(|due_at| due_at <= now) && self.waits(&config.name)? {
                return Ok(true);
            }
        }
        if config.pull_every_s.is_none() {
            return Ok(false);
        }
        for stream in config.streams() {
            let due_at = self.progress(&config.name, stream)?.due_at;
            if due_at.is_none_or(|due_at| due_at <= now) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Does what is due of a connector: its lists, then each stream in turn.
    pub fn work(&self, config: &Config) -> Result<(), AppError> {
        while !config.lists.is_empty() && !self.is_stopping() && self.step_lists(&config.name)? {}
        if config.pull_every_s.is_none() {
            return Ok(());
        }
        for stream in config.streams() {
            let due_at = self.progress(&config.name, stream)?.due_at;
            let is_due = due_at.is_none_or(|due_at| due_at <= self.clock.now());
            if is_due && !self.is_stopping() {
                self.pull(&config.name, stream, PAGES, PullFrom::Cursor)?;
            }
        }
        Ok(())
    }
}
