//! The store in memory passes the suite that defines the port.

use std::path::Path;

use tenure_store::Store;
use tenure_store::conformance::Fresh;
use tenure_store::memory::MemoryStore;

struct Memory {
    folder: tempfile::TempDir,
    store: MemoryStore,
}

impl Fresh for Memory {
    fn store(&self) -> &dyn Store {
        &self.store
    }

    fn reopen(&mut self) {
        self.store = self.store.clone();
    }

    fn restore(&self, backup: &Path) -> Box<dyn Fresh> {
        open_with(MemoryStore::load(backup).unwrap())
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }
}

fn open_with(store: MemoryStore) -> Box<dyn Fresh> {
    Box::new(Memory {
        folder: tempfile::tempdir().unwrap(),
        store,
    })
}

fn open() -> Box<dyn Fresh> {
    open_with(MemoryStore::new())
}

tenure_store::conformance_suite!(open);
