//! The audit trail.

use tenure_core::time::Timestamp;

use super::sample::commit;
use super::{Fresh, walk};
use crate::audit::{AuditFilter, AuditRow};
use crate::{Batch, Page};

fn entry(seq: u64, actor: &str, action: &str) -> AuditRow {
    AuditRow {
        seq,
        at: Timestamp(1_000 + seq as i64),
        actor: actor.into(),
        action: action.into(),
        target: format!("t{}", seq % 2).into(),
        body: b"{}".to_vec(),
        hash: [seq as u8; 32],
    }
}

fn audit(rows: Vec<AuditRow>) -> Batch {
    Batch {
        audit: rows,
        ..Batch::default()
    }
}

pub fn the_audit_trail_has_no_gaps(fresh: &mut dyn Fresh) {
    let store = fresh.store();
    assert_eq!(store.audit_last().unwrap(), None);
    let first = [entry(1, "ann", "make"), entry(2, "ben", "make")];
    commit(store, &audit(first.to_vec()));
    for wrong in [entry(2, "eve", "make"), entry(4, "eve", "make")] {
        let mut batch = audit(vec![wrong]);
        batch.settings = vec![("mark".into(), vec![1])];
        assert!(store.commit(&batch).is_err());
    }
    fresh.reopen();
    let store = fresh.store();
    assert_eq!(store.setting("mark").unwrap(), None);
    assert_eq!(store.audit_last().unwrap(), Some(entry(2, "ben", "make")));
    assert_eq!(store.audit_from(1, 10).unwrap(), first);
    assert_eq!(store.audit_from(2, 1).unwrap(), [entry(2, "ben", "make")]);
    assert_eq!(store.audit_from(3, 1).unwrap(), []);
}

pub fn the_audit_trail_is_filtered_and_paged_newest_first(fresh: &mut dyn Fresh) {
    let store = fresh.store();
    let actor = |seq: u64| ["ann", "ben", "cid"][seq as usize % 3];
    let action = |seq: u64| ["make", "drop"][seq as usize / 5];
    let rows: Vec<AuditRow> = (1..=9)
        .map(|seq| entry(seq, actor(seq), action(seq)))
        .collect();
    commit(store, &audit(rows.clone()));
    let wanted = [
        AuditFilter::default(),
        AuditFilter {
            actor: Some("ann".into()),
            ..AuditFilter::default()
        },
        AuditFilter {
            action: Some("drop".into()),
            target: Some("t1".into()),
            ..AuditFilter::default()
        },
        AuditFilter {
            since: Some(Timestamp(1_003)),
            until: Some(Timestamp(1_006)),
            ..AuditFilter::default()
        },
    ];
    for filter in wanted {
        let walked = walk(
            |page| store.audit(&filter, page).unwrap(),
            |row| row.seq.to_string(),
        );
        let expected = rows.iter().rev().filter(|row| filter.admits(row));
        let expected: Vec<AuditRow> = expected.cloned().collect();
        assert!(!expected.is_empty());
        assert_eq!(walked, expected, "{filter:?}");
    }
    let page = Page {
        after: Some("x".into()),
        limit: 1,
    };
    assert!(store.audit(&AuditFilter::default(), &page).is_err());
}
