//! The history of health.

use tenure_core::effect::{HealthRecord, HealthRecordKind};
use tenure_core::health::Zone;
use tenure_core::id::{AccountId, PersonId, SubjectId};
use tenure_core::time::Timestamp;

use super::sample::commit;
use super::{Fresh, walk};
use crate::query::{health_kind_number, instant_cursor};
use crate::{Batch, Store};

fn record(subject: SubjectId, at: i64, kind: HealthRecordKind, score: f64) -> HealthRecord {
    HealthRecord {
        subject,
        at: Timestamp(at),
        kind,
        definition: Some("default".into()),
        score: Some(score),
        zone: Some(Zone::Watch),
        coverage: 0.75,
    }
}

fn keep(store: &dyn Store, health: Vec<HealthRecord>) {
    let batch = Batch {
        health,
        ..Batch::default()
    };
    commit(store, &batch);
}

fn history(store: &dyn Store, subject: SubjectId) -> Vec<HealthRecord> {
    walk(
        |page| store.health_history(subject, page).unwrap(),
        |row| instant_cursor(row.at, health_kind_number(row.kind)),
    )
}

pub fn the_last_health_of_an_instant_counts_and_is_paged_newest_first(fresh: &mut dyn Fresh) {
    use HealthRecordKind::{Daily, Zone};
    let account = SubjectId::Account(AccountId(1));
    let person = SubjectId::Person(PersonId(1));
    let rows = [
        record(account, 300, Daily, 51.5),
        record(account, 200, Zone, 49.0),
        record(account, 200, Daily, 50.0),
        record(account, 100, Daily, 60.0),
    ];
    // Of several at one instant the last counts.
    let mut kept = vec![record(account, 200, Zone, 1.0)];
    kept.extend(rows.to_vec());
    kept.push(record(person, 150, Daily, 10.0));
    keep(fresh.store(), kept);
    // Told again by a replay.
    keep(fresh.store(), vec![record(account, 100, Daily, 60.0)]);
    fresh.reopen();
    assert_eq!(history(fresh.store(), account), rows);
    assert_eq!(
        history(fresh.store(), person),
        [record(person, 150, Daily, 10.0)]
    );
    assert_eq!(history(fresh.store(), SubjectId::Account(AccountId(2))), []);
}
