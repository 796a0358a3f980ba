//! Plays the demo company into a node: its history at once, its life as time goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use indicatif::ProgressBar;
use tenure_api::ingest::{Circumstances, IngestLimits, parse_batch};
use tenure_app::error::AppError;
use tenure_app::node::Node;
use tenure_core::id::EventId;
use tenure_sim::demo::{Company, DemoCall, DemoConfig};

use super::outbox::Outbox;

/// Calls handed over at once.
const BATCH_CALLS: usize = 2_000;
/// How often the company's time goes on.
const TICK: Duration = Duration::from_millis(500);
/// Pause when the node has too much waiting.
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// A company whose history has been told.
pub(crate) struct Player {
    node: Arc<Node>,
    company: Company,
}

impl Player {
    /// Tells a node the history of a company that ends now.
    pub(crate) fn load(node: &Arc<Node>, seed: u64, account_count: u32) -> Result<Self> {
        let config = DemoConfig {
            account_count,
            ..DemoConfig::ending_at(seed, node.now().0)
        };
        let player = Self {
            node: Arc::clone(node),
            company: Company::new(config),
        };
        let bar = ProgressBar::new_spinner().with_message("telling twelve months of history");
        let mut batch = Vec::with_capacity(BATCH_CALLS);
        for call in player.company.history() {
            batch.push(call);
            if batch.len() == BATCH_CALLS {
                bar.inc(batch.len() as u64);
                player.tell(&batch, true)?;
                batch.clear();
            }
        }
        player.tell(&batch, true)?;
        bar.finish_and_clear();
        Ok(player)
    }

    /// Lets the company go on living in a thread, and shows the e-mails that come of it.
    pub(crate) fn live(self, stopping: Arc<AtomicBool>, mut outbox: Outbox) -> JoinHandle<()> {
        std::thread::spawn(move || {
            let start_ms = self.company.config().end_ms;
            let mut calls = self.company.live(start_ms);
            while !stopping.load(Ordering::Relaxed) {
                let due = calls.take_until(self.node.now().0);
                if let Err(error) = self.tell(&due, false) {
                    tracing::error!(
                        error = format!("{error:#}"),
                        "the demo company stopped living"
                    );
                    return;
                }
                outbox.show_new();
                std::thread::sleep(TICK);
            }
        })
    }

    fn tell(&self, calls: &[DemoCall], is_history: bool) -> Result<()> {
        if calls.is_empty() {
            return Ok(());
        }
        let text = serde_json::to_string(&serde_json::json!({ "batch": calls }))?;
        let limits = IngestLimits {
            batch_bytes: usize::MAX,
            batch_events: usize::MAX,
            ..IngestLimits::default()
        };
        // Every call of the company has a message id, so no other id is ever asked for.
        let unique = || EventId(0);
        let circumstances = Circumstances {
            salt: self.node.salt(),
            received_at: self.node.now(),
            sent_at: None,
            historical: is_history,
            unique: &unique,
        };
        let parsed = parse_batch(&text, &limits, &circumstances)
            .map_err(|fault| anyhow::anyhow!("the demo's calls cannot be read: {fault:?}"))?;
        if let Some(rejected) = parsed.rejected.first() {
            bail!(
                "a call of the demo was rejected: {}: {}",
                rejected.field,
                rejected.reason
            );
        }
        loop {
            match self.node.writer().ingest_and_wait(parsed.calls.clone()) {
                Err(AppError::Busy) => std::thread::sleep(BUSY_PAUSE),
                other => return other.map(drop).context("the demo's calls cannot be stored"),
            }
        }
    }
}
