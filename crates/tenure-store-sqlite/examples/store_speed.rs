//! Measures the store on this machine: `cargo run --release --example store_speed [FOLDER]
//! [MILLION_EVENTS] [THOUSAND_SUBJECTS]`. Run it on the disk that will hold the data.

use std::path::Path;
use std::time::{Duration, Instant};

use tenure_core::decision::{Decision, Outcome};
use tenure_core::define::Delivery;
use tenure_core::effect::MessageIntent;
use tenure_core::id::{DecisionId, EnrollmentId, EventId, MessageId, PersonId, RootId, SubjectId};
use tenure_core::log::{Body, Event, encode};
use tenure_core::time::Timestamp;
use tenure_store::batch::{Checkpoint, MessageUpdate};
use tenure_store::row::{Chunk, MessageState, State};
use tenure_store::{Batch, Store};
use tenure_store_sqlite::{DATABASE_FILE, Options, SqliteStore};

type Failure = Box<dyn std::error::Error>;

/// SplitMix64: the same numbers on every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn bits(&mut self) -> u128 {
        u128::from(self.next()) << 64 | u128::from(self.next())
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let given = arguments.next();
    let event_count = number(arguments.next(), 10)? * 1_000_000;
    let subject_count = number(arguments.next(), 1_000)? * 1_000;
    let temporary = tempfile::tempdir()?;
    let folder = given.map_or(temporary.path().to_owned(), Into::into);
    let store = SqliteStore::create(&folder, Options::default())?;
    println!("empty store open: {} MB resident", resident_mb());
    measure_append(&store, &folder, event_count)?;
    measure_seen(&store)?;
    measure_states(&store, &folder, subject_count)?;
    measure_output(&store, subject_count)?;
    println!("at the end: {} MB resident", resident_mb());
    let started = Instant::now();
    drop(store);
    println!("closing: {:?}", started.elapsed());
    let started = Instant::now();
    let store = SqliteStore::open(&folder, Options::default())?;
    println!("opening again: {:?}", started.elapsed());
    println!("findings: {:?}", store.check()?);
    Ok(())
}

fn number(argument: Option<String>, default: usize) -> Result<usize, Failure> {
    Ok(argument
        .map(|text| text.parse())
        .transpose()?
        .unwrap_or(default))
}

/// Memory of this process (Linux; 0 elsewhere).
fn resident_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1_024
}

fn size_mb(folder: &Path) -> u64 {
    let size = std::fs::metadata(folder.join(DATABASE_FILE)).map_or(0, |file| file.len());
    size >> 20
}

fn event_chunk(store: &dyn Store, numbers: &mut Numbers, count: usize) -> Result<Batch, Failure> {
    let first = store.log_end()? + 1;
    let at = Timestamp(1_750_000_000_000 + first as i64);
    let mut bytes = Vec::new();
    let mut seen = Vec::new();
    for _ in 0..count {
        let id = EventId(numbers.bits());
        let properties = format!(
            r#"{{"path":"/reports/{}","plan":"pro","duration_ms":{},"browser":"Firefox 128","locale":"en-GB","workspace":"w{}","exported":false,"rows":{}}}"#,
            numbers.below(500),
            numbers.below(90_000),
            numbers.below(20_000),
            numbers.below(10_000),
        );
        let event = Event {
            id,
            person: Some(PersonId(numbers.bits())),
            account: Some(tenure_core::id::AccountId(numbers.bits())),
            occurred_at: at,
            historical: false,
            name: "report_created".into(),
            properties: properties.into(),
        };
        encode(at, &Body::Event(event), &mut bytes);
        seen.push(id);
    }
    let chunk = Chunk {
        first,
        count: count as u32,
        received_at: at,
        occurred_until: at,
        bytes,
    };
    Ok(Batch {
        chunk: Some(chunk),
        seen,
        ..Batch::default()
    })
}

fn measure_append(store: &SqliteStore, folder: &Path, event_count: usize) -> Result<(), Failure> {
    let mut numbers = Numbers(1);
    for chunk_len in [1_000, 5_000] {
        let share = if chunk_len == 1_000 { 10 } else { 2 };
        let mut latencies = Vec::new();
        let mut byte_count = 0;
        let mut entry_count = 0;
        while entry_count < event_count * (share - 1) / share && latencies.len() < 2_000 {
            let batch = event_chunk(store, &mut numbers, chunk_len)?;
            byte_count += batch.chunk.as_ref().map_or(0, |chunk| chunk.bytes.len());
            let started = Instant::now();
            store.commit(&batch)?;
            latencies.push(started.elapsed());
            entry_count += chunk_len;
        }
        let total: Duration = latencies.iter().sum();
        latencies.sort_unstable();
        println!(
            "append, {chunk_len} events a commit: {:.0} events/s, commit p50 {:?} p99 {:?} max {:?}, {} B an event plain, {} MB stored",
            entry_count as f64 / total.as_secs_f64(),
            latencies[latencies.len() / 2],
            latencies[latencies.len() * 99 / 100],
            latencies[latencies.len() - 1],
            byte_count / entry_count,
            size_mb(folder),
        );
    }
    let started = Instant::now();
    let (mut from, mut entry_count) = (1, 0);
    loop {
        let chunks = store.read_log(from, 8 << 20, None)?;
        let Some(last) = chunks.last() else { break };
        from = last.last() + 1;
        entry_count += chunks
            .iter()
            .map(|chunk| u64::from(chunk.count))
            .sum::<u64>();
    }
    let rate = entry_count as f64 / started.elapsed().as_secs_f64();
    println!(
        "reading the whole log: {rate:.0} events/s; {} MB resident",
        resident_mb()
    );
    Ok(())
}

fn measure_seen(store: &SqliteStore) -> Result<(), Failure> {
    let id_count = store.log_end()?;
    let mut fresh = Numbers(0xfeed);
    let mut latencies = Vec::new();
    for _ in 0..40 {
        let ids: Vec<_> = (0..5_000).map(|_| EventId(fresh.bits())).collect();
        let started = Instant::now();
        let seen = store.seen(&ids)?;
        latencies.push(started.elapsed());
        assert!(seen.iter().all(|seen| !seen), "a fresh id is not a repeat");
    }
    latencies.sort_unstable();
    let median = latencies[latencies.len() / 2];
    println!(
        "seen() with {id_count} ids: {:.0} ns a fresh id (5 000 at once, p50), worst batch {:.0}",
        median.as_nanos() as f64 / 5_000.0,
        latencies[latencies.len() - 1].as_nanos() as f64 / 5_000.0,
    );
    Ok(())
}

fn state_of(person: u128, numbers: &mut Numbers) -> State {
    let subject = SubjectId::Person(PersonId(person));
    let len = 400 + numbers.below(1_200);
    State {
        subject,
        root: RootId(subject),
        wake_at: Some(Timestamp(1_750_000_000_000 + numbers.below(1 << 32) as i64)),
        bytes: (0..len).map(|_| numbers.next() as u8).collect(),
    }
}

fn measure_states(store: &SqliteStore, folder: &Path, subject_count: usize) -> Result<(), Failure> {
    let mut numbers = Numbers(7);
    let people: Vec<u128> = (0..subject_count).map(|_| numbers.bits()).collect();
    let checkpoint = |people: &[u128], numbers: &mut Numbers| Batch {
        checkpoint: Some(Checkpoint {
            states: people
                .iter()
                .map(|person| state_of(*person, numbers))
                .collect(),
            timelines: people
                .iter()
                .map(|person| (SubjectId::Person(PersonId(*person)), vec![1, 2]))
                .collect(),
            ..Checkpoint::default()
        }),
        ..Batch::default()
    };
    let started = Instant::now();
    for people in people.chunks(50_000) {
        store.commit(&checkpoint(people, &mut numbers))?;
    }
    println!(
        "first write of {subject_count} states: {:.0} states/s, {} MB stored",
        subject_count as f64 / started.elapsed().as_secs_f64(),
        size_mb(folder)
    );
    for _ in 0..3 {
        let dirty: Vec<u128> = (0..subject_count / 10)
            .map(|_| people[numbers.below(people.len())])
            .collect();
        let batch = checkpoint(&dirty, &mut numbers);
        let started = Instant::now();
        store.commit(&batch)?;
        let elapsed = started.elapsed();
        println!(
            "checkpoint of {} dirty of {subject_count} states (1 KB): {elapsed:?}, {:.0} states/s",
            dirty.len(),
            dirty.len() as f64 / elapsed.as_secs_f64(),
        );
    }
    let roots: Vec<_> = (0..20_000)
        .map(|_| {
            RootId(SubjectId::Person(PersonId(
                people[numbers.below(people.len())],
            )))
        })
        .collect();
    let started = Instant::now();
    let mut found_count = 0;
    for roots in roots.chunks(500) {
        found_count += store.states(roots)?.len();
    }
    let rate = found_count as f64 / started.elapsed().as_secs_f64();
    println!("loading {found_count} states at random: {rate:.0} states/s");
    let started = Instant::now();
    let found = store.waking(Timestamp(1_750_000_000_000 + (1 << 31)), 1_000)?;
    println!("waking: {} roots in {:?}", found.len(), started.elapsed());
    Ok(())
}

fn measure_output(store: &SqliteStore, subject_count: usize) -> Result<(), Failure> {
    let mut numbers = Numbers(7);
    let people: Vec<u128> = (0..subject_count).map(|_| numbers.bits()).collect();
    for round in 0..10 {
        let batch = output_batch(&people, &mut numbers, round);
        let started = Instant::now();
        store.commit(&batch)?;
        let elapsed = started.elapsed();
        let dispatched = Batch {
            dispatched: batch
                .messages
                .iter()
                .map(|intent| sent(intent.id))
                .collect(),
            ..Batch::default()
        };
        let started = Instant::now();
        store.commit(&dispatched)?;
        if round % 3 == 0 {
            println!(
                "10 000 messages and 30 000 decisions, round {round}: {elapsed:?}; sent and forgotten: {:?}",
                started.elapsed()
            );
        }
    }
    Ok(())
}

fn output_batch(people: &[u128], numbers: &mut Numbers, round: i64) -> Batch {
    let at = Timestamp(1_750_000_000_000 + round * 1_000);
    let messages = (0..10_000).map(|_| {
        let person = PersonId(people[numbers.below(people.len())]);
        MessageIntent {
            id: MessageId(numbers.bits()),
            decided_at: at,
            channel: "email".into(),
            person: Some(person),
            account: None,
            subject: SubjectId::Person(person),
            program: "welcome".into(),
            version: 1,
            enrollment: EnrollmentId(numbers.bits()),
            step: "hello".into(),
            topic: Some("tips".into()),
            transactional: false,
            delivery: Delivery::AtMostOnce,
            to: "jo@example.com".into(),
            template: "hello".into(),
            subject_line: None,
            data: r#"{"person":{"name":"Jo"}}"#.repeat(20).into(),
        }
    });
    let messages: Vec<_> = messages.collect();
    let decisions = (0..30_000).map(|_| Decision {
        id: DecisionId(numbers.bits()),
        at,
        subject: SubjectId::Person(PersonId(people[numbers.below(people.len())])),
        program: "welcome".into(),
        version: 1,
        enrollment: Some(EnrollmentId(numbers.bits())),
        step: Some("hello".into()),
        outcome: Outcome::Sent,
        reason: "nothing speaks against it".into(),
        message: None,
    });
    let decisions: Vec<_> = decisions.collect();
    Batch {
        messages,
        decisions,
        ..Batch::default()
    }
}

fn sent(id: MessageId) -> MessageUpdate {
    MessageUpdate {
        id,
        state: MessageState::Sent,
        at: Timestamp(1_750_000_100_000),
        reason: None,
        due_at: None,
        attempt_count: 1,
        forget: true,
        sent_to: None,
    }
}
