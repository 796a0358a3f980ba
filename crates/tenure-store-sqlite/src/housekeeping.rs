//! The store's own thread: it copies the WAL back and tends the index of event ids, so that no
//! commit waits for either.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};
use rusqlite::{Connection, DEFAULT_NAME, wal::CheckpointMode};
use tenure_store::StoreError;

use crate::error::store_error;
use crate::store::Shared;

/// Copy the WAL back once so many pages (8 MiB) are new in it.
const CHECKPOINT_PAGES: i32 = 2_048;
/// From so many pages (64 MiB) on, hold the writer for the last bit, after which the WAL starts
/// over; under steady writing it would grow for ever.
const RESTART_PAGES: i32 = 16_384;

/// A flag that wakes the thread.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Bell {
    pub(crate) fn ring(&self) {
        *self.rung.lock() = true;
        self.changed.notify_one();
    }

    fn wait(&self) {
        let mut rung = self.rung.lock();
        while !*rung {
            self.changed.wait(&mut rung);
        }
        *rung = false;
    }
}

/// Starts the thread; it ends after `shared.stop` is set and the bell rung.
pub(crate) fn start(
    shared: Arc<Shared>,
    connection: Connection,
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name("tenure-store".into())
        .spawn(move || {
            while !shared.stop.load(Ordering::Relaxed) {
                // What fails here (a full disk) fails in the next commit too, which reports it;
                // the work is still there at the next ring.
                let _ = shared.dedup.tidy(&shared.tools());
                let _ = copy_back(&shared, &connection);
                shared.bell.wait();
            }
        })
}

/// Copies the WAL into the database if enough has gathered.
fn copy_back(shared: &Shared, connection: &Connection) -> Result<(), StoreError> {
    let run = |mode| {
        connection
            .wal_checkpoint_v2(DEFAULT_NAME, mode)
            .map_err(store_error)
    };
    let (page_count, copied_count) = run(CheckpointMode::NOOP)?;
    if page_count - copied_count < CHECKPOINT_PAGES {
        return Ok(());
    }
    let (page_count, _) = run(CheckpointMode::PASSIVE)?;
    if page_count >= RESTART_PAGES {
        shared
            .writer
            .hold(|| run(CheckpointMode::PASSIVE).map(drop))?;
    }
    Ok(())
}
