//! SQLite passes the suite that defines the port.

use std::path::Path;

use tenure_store::Store;
use tenure_store::conformance::Fresh;
use tenure_store_sqlite::{DATABASE_FILE, Options, SqliteStore};

struct Sqlite {
    folder: tempfile::TempDir,
    /// `None` only while reopening: the folder is locked as long as it is open.
    store: Option<SqliteStore>,
}

/// Small, so that the suite exercises the written indexes of event ids and of decisions.
fn options() -> Options {
    Options {
        run_id_count: 2,
        run_decision_count: 2,
        ..Options::default()
    }
}

impl Sqlite {
    fn start(folder: tempfile::TempDir) -> Box<dyn Fresh> {
        let store = SqliteStore::create(folder.path(), options()).unwrap();
        Box::new(Self {
            folder,
            store: Some(store),
        })
    }
}

impl Fresh for Sqlite {
    fn store(&self) -> &dyn Store {
        self.store.as_ref().unwrap()
    }

    fn reopen(&mut self) {
        self.store = None;
        self.store = Some(SqliteStore::open(self.folder.path(), options()).unwrap());
    }

    fn restore(&self, backup: &Path) -> Box<dyn Fresh> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(backup, folder.path().join(DATABASE_FILE)).unwrap();
        Self::start(folder)
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }
}

fn open() -> Box<dyn Fresh> {
    Sqlite::start(tempfile::tempdir().unwrap())
}

tenure_store::conformance_suite!(open);
