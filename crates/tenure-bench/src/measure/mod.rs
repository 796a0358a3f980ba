//! The measurements, one file for each kind. Every one has a workspace and a server of its own.

pub(crate) mod backfill;
pub(crate) mod flips;
pub(crate) mod ingest;
pub(crate) mod latency;
pub(crate) mod mails;
pub(crate) mod memory;
pub(crate) mod reads;
pub(crate) mod resume;

use std::path::{Path, PathBuf};

use anyhow::Result;
use tenure_core::time::Timestamp;

use crate::body::{Kind, People, Times};
use crate::load::{CALLS_PER_BATCH, Load, Sent};
use crate::server::{Server, Workspace};

/// What all measurements share.
#[derive(Debug)]
pub(crate) struct Bench {
    /// The built server.
    pub(crate) binary: PathBuf,
    /// Where data folders go.
    pub(crate) scratch: PathBuf,
    /// Part of the full size, above 0.
    pub(crate) scale: f64,
}

impl Bench {
    /// A fresh workspace.
    pub(crate) fn workspace(&self, name: &str) -> Result<Workspace> {
        Workspace::create(&self.binary, &self.folder(name))
    }

    /// Where a workspace lies.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        Path::new(&self.scratch).join(name)
    }

    /// A number of calls or people at the chosen scale, in whole batches.
    pub(crate) fn scaled(&self, full_count: u64) -> u64 {
        let count = (full_count as f64 * self.scale) as u64;
        count.div_ceil(CALLS_PER_BATCH).max(1) * CALLS_PER_BATCH
    }
}

/// Sends calls to a server.
fn send(
    server: &Server,
    workspace: &Workspace,
    kind: Kind,
    people: People,
    call_count: u64,
    times: Option<Times>,
) -> Result<Sent> {
    let load = Load {
        address: server.address,
        write_key: &workspace.write_key,
        kind,
        people,
        call_count,
        times,
    };
    load.send()
}

/// Makes so many people known, with a plan and an address, and waits until the engine knows them too.
fn identify(
    server: &mut Server,
    workspace: &Workspace,
    people_count: u64,
    traits: &str,
) -> Result<Sent> {
    let sent = send(
        server,
        workspace,
        Kind::Identify(traits.to_owned()),
        People::Each(0),
        people_count,
        None,
    )?;
    server.wait_until_applied()?;
    Ok(sent)
}

/// The wall clock, as the server reads it.
fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_millisecond())
}

/// The value below which a part of the sorted values lies; 0 without values.
fn percentile(sorted: &[f64], part: f64) -> f64 {
    let rank = (sorted.len() as f64 * part).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert!((percentile(&values, 0.5) - 50.0).abs() < f64::EPSILON);
        assert!((percentile(&values, 0.99) - 99.0).abs() < f64::EPSILON);
        assert!((percentile(&values[..1], 0.99) - 1.0).abs() < f64::EPSILON);
        assert!(percentile(&[], 0.5).abs() < f64::EPSILON);
    }
}
