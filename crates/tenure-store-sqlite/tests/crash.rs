//! Killed while committing, full, locked, or from the future: what is on disk stays whole.

use std::path::Path;
use std::process::{Command, Stdio};

use std::io::{BufRead, BufReader};

use tenure_core::decision::{Decision, Outcome};
use tenure_core::id::{DecisionId, EnrollmentId, EventId, PersonId, SubjectId};
use tenure_core::time::Timestamp;
use tenure_store::query::{DecisionFilter, MAX_PAGE_ROWS};
use tenure_store::row::{Chunk, Mark};
use tenure_store::{Batch, Page, Store, StoreError};
use tenure_store_sqlite::{DATABASE_FILE, Options, SqliteStore};

/// Set for a child process: the folder it commits to until it is killed.
const CHILD_FOLDER: &str = "TENURE_TEST_CHILD_FOLDER";
/// Event ids of one commit of the child.
const IDS_PER_COMMIT: u64 = 100;
/// People about whom the decisions of all commits are.
const PEOPLE: u64 = 70;

fn options() -> Options {
    Options {
        // Small, so that sealing, merging and writing the index are interrupted too.
        run_id_count: 300,
        run_decision_count: 250,
        ..Options::default()
    }
}

/// A batch whose parts all follow from the position of its first entry.
fn batch(first: u64, count: u64) -> Batch {
    let positions = first..first + count;
    Batch {
        settings: vec![("last".into(), (first + count - 1).to_le_bytes().to_vec())],
        chunk: Some(Chunk {
            first,
            count: count as u32,
            received_at: Timestamp(first as i64),
            occurred_until: Timestamp(first as i64),
            bytes: vec![first as u8; 5_000],
        }),
        seen: positions.clone().map(event_id).collect(),
        decisions: positions.map(decision).collect(),
        applied: Some(Mark {
            position: first + count - 1,
            at: Timestamp(first as i64),
        }),
        ..Batch::default()
    }
}

/// Spreads a number over 128 bits (SplitMix64, twice).
fn scrambled(number: u64) -> u128 {
    let mix = |mut z: u64| {
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let high = mix(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    u128::from(high) << 64 | u128::from(mix(high ^ number))
}

fn decision(position: u64) -> Decision {
    Decision {
        id: DecisionId(scrambled(position)),
        at: Timestamp(position as i64 / 10),
        subject: person_of(position),
        program: "welcome".into(),
        version: 1,
        enrollment: Some(EnrollmentId(scrambled(position))),
        step: None,
        outcome: Outcome::Entered,
        reason: "the event came".into(),
        message: None,
    }
}

fn person_of(position: u64) -> SubjectId {
    SubjectId::Person(PersonId(scrambled(position % PEOPLE)))
}

/// Spreads positions over the ids' range, as hashes do.
fn event_id(position: u64) -> EventId {
    EventId(scrambled(position))
}

/// Not a test of its own: the body of the child process.
fn commit_until_killed(folder: &Path) {
    let store = SqliteStore::open(folder, options()).unwrap();
    loop {
        let first = store.log_end().unwrap() + 1;
        store.commit(&batch(first, IDS_PER_COMMIT)).unwrap();
        println!("committed {}", first + IDS_PER_COMMIT - 1);
    }
}

/// Starts a child, waits for `commit_count` commits, kills it; gives the last position that it
/// reported as committed.
fn kill_after(folder: &Path, commit_count: usize) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "a_killed_process_leaves_whole_commits",
            "--exact",
            "--nocapture",
        ])
        .env(CHILD_FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let reported = lines.filter_map(|line| {
        let line = line.unwrap();
        line.split_once("committed ")?.1.parse().ok()
    });
    let last = reported.take(commit_count).last();
    // SIGKILL on Unix: the child has no say.
    child.kill().unwrap();
    child.wait().unwrap();
    last.expect("the child committed")
}

#[test]
fn a_killed_process_leaves_whole_commits() {
    if let Some(folder) = std::env::var_os(CHILD_FOLDER) {
        return commit_until_killed(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    drop(SqliteStore::create(folder.path(), options()).unwrap());
    for commit_count in [1, 2, 7, 30, 45] {
        let reported = kill_after(folder.path(), commit_count);
        let store = SqliteStore::open(folder.path(), options()).unwrap();
        let end = store.log_end().unwrap();
        assert!(end >= reported, "what was reported is durable");
        assert_eq!(end % IDS_PER_COMMIT, 0, "no part of a commit is there");
        let last = store.setting("last").unwrap();
        assert_eq!(last, Some(end.to_le_bytes().to_vec()));
        assert_eq!(store.progress().unwrap().applied.position, end);
        let ids: Vec<_> = (1..=end + 1_000).map(event_id).collect();
        let seen = store.seen(&ids).unwrap();
        assert!(seen[..end as usize].iter().all(|seen| *seen));
        assert!(!seen[end as usize..].iter().any(|seen| *seen));
        assert_eq!(store.check().unwrap(), [""; 0]);
        assert_eq!(store.decision_end().unwrap(), end);
        for remainder in 0..PEOPLE {
            assert_eq!(
                decision_count(&store, remainder),
                (end + PEOPLE - remainder) / PEOPLE - u64::from(remainder == 0)
            );
        }
    }
}

/// How many decisions are about the person whose positions leave this remainder.
fn decision_count(store: &SqliteStore, remainder: u64) -> u64 {
    let filter = DecisionFilter {
        subject: Some(person_of(remainder)),
        ..DecisionFilter::default()
    };
    let page = Page {
        after: None,
        limit: MAX_PAGE_ROWS,
    };
    store.decisions(&filter, &page).unwrap().len() as u64
}

#[test]
fn a_full_disk_refuses_the_batch_and_work_goes_on_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let quota = Options {
        max_page_count: Some(300),
        ..Options::default()
    };
    let store = SqliteStore::create(folder.path(), quota).unwrap();
    store.commit(&batch(1, 10)).unwrap();
    let mut huge = batch(11, 10);
    // Bytes that cannot be packed.
    huge.chunk.as_mut().unwrap().bytes = (0..125_000)
        .flat_map(|number| scrambled(number).to_le_bytes())
        .collect();
    let error = store.commit(&huge).unwrap_err();
    assert!(matches!(error, StoreError::Unwritable(_)), "{error}");
    assert_eq!(store.log_end().unwrap(), 10);
    assert_eq!(store.seen(&[event_id(11)]).unwrap(), [false]);
    store.commit(&batch(11, 10)).unwrap();
    drop(store);
    let store = SqliteStore::open(folder.path(), Options::default()).unwrap();
    assert_eq!(store.log_end().unwrap(), 20);
    huge.chunk.as_mut().unwrap().first = 21;
    store.commit(&huge).unwrap();
    assert_eq!(store.check().unwrap(), [""; 0]);
}

#[test]
fn a_folder_is_open_once_only() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::create(folder.path(), Options::default()).unwrap();
    let again = SqliteStore::open(folder.path(), Options::default());
    assert!(matches!(again, Err(StoreError::InUse)));
    drop(store);
    SqliteStore::open(folder.path(), Options::default()).unwrap();
}

#[test]
fn a_store_of_a_newer_version_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    drop(SqliteStore::create(folder.path(), Options::default()).unwrap());
    let connection = rusqlite::Connection::open(folder.path().join(DATABASE_FILE)).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let opened = SqliteStore::open(folder.path(), Options::default());
    assert!(matches!(opened, Err(StoreError::TooNew { found: 99, .. })));
}

#[test]
fn a_folder_without_a_store_is_not_opened_and_not_changed() {
    let folder = tempfile::tempdir().unwrap();
    assert!(SqliteStore::open(folder.path(), Options::default()).is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_file_that_is_not_a_database_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(DATABASE_FILE), "x".repeat(8_192)).unwrap();
    let opened = SqliteStore::open(folder.path(), Options::default());
    assert!(matches!(opened, Err(StoreError::Damaged(_))));
}

#[test]
fn event_ids_are_sealed_merged_and_expire() {
    let folder = tempfile::tempdir().unwrap();
    let small = Options {
        run_id_count: 50,
        ..Options::default()
    };
    let store = SqliteStore::create(folder.path(), small.clone()).unwrap();
    // 100 ids a commit, at one millisecond each: 200 runs' worth, merged at two levels.
    let id_count = 10_000;
    for first in (1..id_count).step_by(100) {
        store.commit(&batch(first, 100)).unwrap();
        store.maintain(Timestamp(0)).unwrap();
    }
    let ids: Vec<_> = (1..=2 * id_count).map(event_id).collect();
    let expect = |store: &SqliteStore, from: u64| {
        let seen = store.seen(&ids).unwrap();
        let right = seen.iter().zip(1..).all(|(seen, position)| {
            let must = (from..=id_count).contains(&position);
            *seen == must || (*seen && position < from)
        });
        assert!(right, "exactly the ids that were committed are repeats");
        seen.iter().filter(|seen| **seen).count()
    };
    assert_eq!(expect(&store, 1), id_count as usize);
    drop(store);
    let store = SqliteStore::open(folder.path(), small).unwrap();
    assert_eq!(expect(&store, 1), id_count as usize);
    // Far in the future all runs are too old; only what was never sealed may be left.
    let now = Timestamp(tenure_store::DEDUP_RETENTION_MS * 2);
    let left_count = (0..1_000)
        .map(|_| {
            store.maintain(now).unwrap();
            std::thread::yield_now();
            expect(&store, id_count + 1)
        })
        .find(|left_count| *left_count <= 100);
    assert!(left_count.is_some(), "expired ids are dropped");
    assert_eq!(store.check().unwrap(), [""; 0]);
}
