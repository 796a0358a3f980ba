//! Backup, checks and reading beside the writer.

use std::sync::atomic::{AtomicBool, Ordering};

use tenure_core::id::{EventId, MessageId};
use tenure_core::time::Timestamp;

use super::Fresh;
use super::sample::{chunk, commit, message, person, state};
use crate::batch::Checkpoint;
use crate::query::MessageFilter;
use crate::{Batch, Page, row};

pub fn a_backup_opens_as_the_same_store(fresh: &mut dyn Fresh) {
    let store = fresh.store();
    let batch = Batch {
        chunk: Some(chunk(1, 3, 100)),
        seen: vec![EventId(1)],
        messages: vec![message(1, 100)],
        checkpoint: Some(Checkpoint {
            states: vec![state(person(1), person(1), Some(5))],
            timelines: vec![(person(1), vec![1, 2])],
            ..Checkpoint::default()
        }),
        ..Batch::default()
    };
    commit(store, &batch);
    let target = fresh.folder().join("copy");
    let mut last = (0, 0);
    store
        .backup(&target, &mut |done, total| {
            assert!(done <= total);
            last = (done, total);
        })
        .unwrap();
    assert!(last.0 == last.1 && last.1 > 0, "it reports the end");
    // What is written afterwards is not in the copy.
    let later = Batch {
        chunk: Some(chunk(4, 1, 200)),
        messages: vec![message(2, 200)],
        ..Batch::default()
    };
    commit(store, &later);
    let restored = fresh.restore(&target);
    let copy = restored.store();
    assert_eq!(copy.log_end().unwrap(), 3);
    assert_eq!(copy.seen(&[EventId(1), EventId(2)]).unwrap(), [true, false]);
    assert!(copy.message(MessageId(1)).unwrap().is_some());
    assert_eq!(copy.message(MessageId(2)).unwrap(), None);
    assert_eq!(copy.timeline(person(1), None, 10).unwrap(), [2, 1]);
    assert_eq!(copy.check().unwrap(), [""; 0]);
    let more = Batch {
        chunk: Some(chunk(4, 1, 200)),
        ..Batch::default()
    };
    commit(copy, &more);
}

pub fn a_backup_never_overwrites_a_file(fresh: &mut dyn Fresh) {
    let target = fresh.folder().join("precious");
    std::fs::write(&target, "precious").unwrap();
    assert!(fresh.store().backup(&target, &mut |_, _| {}).is_err());
    assert_eq!(std::fs::read(&target).unwrap(), b"precious");
}

pub fn a_sound_store_has_no_findings(fresh: &mut dyn Fresh) {
    assert_eq!(fresh.store().check().unwrap(), [""; 0]);
    let mark = |position| row::Mark {
        position,
        at: Timestamp(100),
    };
    let batch = Batch {
        chunk: Some(chunk(1, 3, 100)),
        applied: Some(mark(3)),
        messages: vec![message(1, 100)],
        checkpoint: Some(Checkpoint {
            mark: mark(2),
            states: vec![state(person(1), person(1), Some(5))],
            ..Checkpoint::default()
        }),
        ..Batch::default()
    };
    commit(fresh.store(), &batch);
    assert_eq!(fresh.store().check().unwrap(), [""; 0]);
}

pub fn a_checkpoint_ahead_of_the_output_is_found(fresh: &mut dyn Fresh) {
    let mark = |position| row::Mark {
        position,
        at: Timestamp(100),
    };
    let batch = Batch {
        chunk: Some(chunk(1, 3, 100)),
        applied: Some(mark(4)),
        checkpoint: Some(Checkpoint {
            mark: mark(5),
            ..Checkpoint::default()
        }),
        ..Batch::default()
    };
    commit(fresh.store(), &batch);
    assert_eq!(fresh.store().check().unwrap().len(), 2);
}

/// A writer commits a log entry and a message together; readers beside it must never see a state
/// that no commit left.
pub fn readers_see_whole_commits(fresh: &mut dyn Fresh) {
    const COMMIT_COUNT: u64 = 60;
    let store = fresh.store();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let before = store.log_end().unwrap();
                    let newest = Page {
                        after: None,
                        limit: 1,
                    };
                    let found = store.messages(&MessageFilter::default(), &newest);
                    let message = found.unwrap().first().map_or(0, |row| row.intent.id.0);
                    let after = store.log_end().unwrap();
                    let seen = u128::from(before)..=u128::from(after);
                    assert!(seen.contains(&message), "{message} is not in {seen:?}");
                }
            });
        }
        for position in 1..=COMMIT_COUNT {
            let batch = Batch {
                chunk: Some(chunk(position, 1, position as i64)),
                messages: vec![message(u128::from(position), position as i64)],
                ..Batch::default()
            };
            commit(store, &batch);
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(store.log_end().unwrap(), COMMIT_COUNT);
}
