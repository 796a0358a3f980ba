//! The log is one sequence without gaps.

use tenure_core::time::{MIN_TIMESTAMP, Timestamp};

use super::Fresh;
use super::sample::{chunk, commit};
use crate::{Batch, Store, row};

fn append(store: &dyn Store, chunk: row::Chunk) {
    let batch = Batch {
        chunk: Some(chunk),
        ..Batch::default()
    };
    commit(store, &batch);
}

fn firsts(chunks: &[row::Chunk]) -> Vec<u64> {
    chunks.iter().map(|chunk| chunk.first).collect()
}

pub fn an_empty_store_has_no_log(fresh: &mut dyn Fresh) {
    let store = fresh.store();
    assert_eq!(store.log_end().unwrap(), 0);
    assert_eq!(store.read_log(0, 1_000, None).unwrap(), []);
    assert_eq!(store.read_log(1, 1_000, None).unwrap(), []);
}

pub fn chunks_come_back_as_they_were_written(fresh: &mut dyn Fresh) {
    let repetitive = row::Chunk {
        bytes: b"event".repeat(10_000),
        ..chunk(1, 3, 100)
    };
    let empty = row::Chunk {
        bytes: Vec::new(),
        ..chunk(4, 1, 101)
    };
    let odd = row::Chunk {
        bytes: vec![7],
        occurred_until: MIN_TIMESTAMP,
        ..chunk(5, 2, 102)
    };
    let chunks = [repetitive, empty, odd];
    for chunk in &chunks {
        append(fresh.store(), chunk.clone());
    }
    fresh.reopen();
    assert_eq!(fresh.store().log_end().unwrap(), 6);
    assert_eq!(fresh.store().read_log(1, usize::MAX, None).unwrap(), chunks);
}

pub fn a_chunk_that_does_not_follow_the_log_is_refused_with_all_of_its_batch(
    fresh: &mut dyn Fresh,
) {
    let store = fresh.store();
    append(store, chunk(1, 5, 100));
    for wrong in [
        chunk(0, 1, 101),
        chunk(1, 5, 101),
        chunk(5, 1, 101),
        chunk(7, 1, 101),
        chunk(6, 0, 101),
    ] {
        let batch = Batch {
            chunk: Some(wrong),
            settings: vec![("name".into(), b"value".to_vec())],
            identities: vec![(1, tenure_core::id::PersonId(1))],
            ..Batch::default()
        };
        assert!(store.commit(&batch).is_err());
    }
    assert_eq!(store.log_end().unwrap(), 5);
    assert_eq!(store.setting("name").unwrap(), None);
    assert_eq!(store.identities(&[1]).unwrap(), [None]);
    append(store, chunk(6, 1, 101));
}

pub fn reading_starts_with_the_chunk_that_holds_the_position(fresh: &mut dyn Fresh) {
    let store = fresh.store();
    for first in [1, 11, 21] {
        append(store, chunk(first, 10, 100));
    }
    let from = |position| firsts(&store.read_log(position, usize::MAX, None).unwrap());
    assert_eq!(from(0), [1, 11, 21]);
    assert_eq!(from(1), [1, 11, 21]);
    assert_eq!(from(10), [1, 11, 21]);
    assert_eq!(from(11), [11, 21]);
    assert_eq!(from(15), [11, 21]);
    assert_eq!(from(30), [21]);
    assert_eq!(from(31), [0; 0]);
    assert_eq!(from(u64::MAX), [0; 0]);
}

pub fn reading_stops_at_the_byte_limit_but_gives_at_least_one_chunk(fresh: &mut dyn Fresh) {
    let store = fresh.store();
    for first in [1, 2, 3, 4] {
        append(store, chunk(first, 1, 100));
    }
    let within = |bytes| firsts(&store.read_log(2, bytes, None).unwrap());
    assert_eq!(within(0), [2]);
    assert_eq!(within(199), [2]);
    assert_eq!(within(200), [2, 3]);
    assert_eq!(within(1_000), [2, 3, 4]);
}

pub fn skipping_old_chunks_never_drops_one_with_a_younger_event(fresh: &mut dyn Fresh) {
    let store = fresh.store();
    for (first, at) in [(1, 100), (2, 50), (3, 200), (4, 10), (5, 150)] {
        append(store, chunk(first, 1, at));
    }
    for from in 1..=5 {
        for after in [0, 50, 100, 101, 150, 151, 500] {
            let read = store.read_log(from, usize::MAX, Some(Timestamp(after)));
            let found = firsts(&read.unwrap());
            assert!(found.is_sorted());
            let all = store.read_log(from, usize::MAX, None).unwrap();
            for chunk in all.iter().filter(|chunk| chunk.occurred_until.0 >= after) {
                assert!(found.contains(&chunk.first));
            }
        }
    }
    // What is left out does not use up the byte limit, or a reader would stop too early.
    let read = store.read_log(1, 100, Some(Timestamp(200))).unwrap();
    assert!(!read.is_empty());
}
