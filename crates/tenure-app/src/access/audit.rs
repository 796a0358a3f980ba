//! The audit trail: who did what, to what, from where, with what was there before and after.
//!
//! Entries are numbered without gaps, and the hash of each covers the hash of the one before, so
//! that none can be changed or taken out without all later hashes being wrong. Whoever notes the
//! last hash elsewhere can also tell that nothing was cut off.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tenure_core::time::Timestamp;
use tenure_store::audit::AuditRow;
use tenure_store::{Store, StoreError};

use super::principal::Principal;

/// The most bytes of what is told of a caller's program.
const USER_AGENT_BYTES: usize = 200;
/// The most bytes of the addresses that proxies told.
const FORWARDED_BYTES: usize = 200;
/// How many entries are read at once when the trail is verified.
const VERIFY_ROWS: usize = 1_000;

/// Where a request came from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Address of the peer; null for a command on the server's own machine.
    pub address: Option<String>,
    /// What proxies say in `X-Forwarded-For`; anybody can claim it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forwarded_for: Option<String>,
    /// The calling program, as it calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
}

impl Origin {
    /// An origin with what is too long cut.
    pub fn new(
        address: Option<String>,
        forwarded_for: Option<&str>,
        user_agent: Option<&str>,
    ) -> Self {
        Self {
            address,
            forwarded_for: forwarded_for.map(|text| cut(text, FORWARDED_BYTES)),
            user_agent: user_agent.map(|text| cut(text, USER_AGENT_BYTES)),
        }
    }
}

fn cut(text: &str, bytes: usize) -> String {
    text[..text.floor_char_boundary(bytes)].to_owned()
}

/// Who changes something, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// `token`, `client`, `user`, `command`, or `schedule`.
    pub kind: &'static str,
    /// Id.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// From where.
    pub origin: Origin,
}

impl Actor {
    /// The caller of a request.
    pub fn of(principal: &Principal, origin: Origin) -> Self {
        Self {
            kind: principal.kind.as_str(),
            id: principal.id.clone(),
            name: principal.name.clone(),
            origin,
        }
    }

    /// A command on the server's own machine.
    pub fn command() -> Self {
        Self {
            kind: "command",
            id: "command".to_owned(),
            name: "a command on the server".to_owned(),
            origin: Origin::default(),
        }
    }

    /// The server itself, by its schedule.
    pub fn schedule() -> Self {
        Self {
            kind: "schedule",
            id: "schedule".to_owned(),
            name: "the server's schedule".to_owned(),
            origin: Origin::default(),
        }
    }

    /// Somebody who is not known yet: a sign-in that failed.
    pub fn nobody(origin: Origin) -> Self {
        Self {
            kind: "nobody",
            id: "nobody".to_owned(),
            name: "nobody".to_owned(),
            origin,
        }
    }
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Change {
    /// What, as a verb on a kind of thing: `client.create`.
    pub action: String,
    /// To what: an id or name. Never an address.
    pub target: String,
    /// What was there before, without secrets and addresses.
    pub before: Json,
    /// What is there now.
    pub after: Json,
}

impl Change {
    /// Something was done to something.
    pub fn new(action: impl Into<String>, target: impl Into<String>) -> Self {
        Self {
            action: action.into(),
            target: target.into(),
            before: Json::Null,
            after: Json::Null,
        }
    }

    /// With what was there before.
    #[must_use]
    pub fn before(mut self, before: impl Serialize) -> Self {
        self.before = serde_json::to_value(before).unwrap_or_default();
        self
    }

    /// With what is there now.
    #[must_use]
    pub fn after(mut self, after: impl Serialize) -> Self {
        self.after = serde_json::to_value(after).unwrap_or_default();
        self
    }

    /// The entry, which the log writer numbers and links.
    pub fn by(self, actor: &Actor) -> AuditRow {
        let body = Body {
            actor_kind: actor.kind.to_owned(),
            actor_name: actor.name.clone(),
            origin: actor.origin.clone(),
            before: self.before,
            after: self.after,
        };
        AuditRow {
            seq: 0,
            at: Timestamp(0),
            actor: actor.id.as_str().into(),
            action: self.action.into(),
            target: self.target.into(),
            body: serde_json::to_vec(&body).unwrap_or_default(),
            hash: [0; 32],
        }
    }
}

/// The body of a stored entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// `token`, `client`, `user`, `command` or `nobody`.
    pub actor_kind: String,
    /// Name for people, at that time.
    pub actor_name: String,
    /// From where.
    pub origin: Origin,
    /// What was there before.
    pub before: Json,
    /// What was there afterwards.
    pub after: Json,
}

impl Body {
    /// The body of an entry.
    pub fn of(row: &AuditRow) -> Result<Self, StoreError> {
        serde_json::from_slice(&row.body)
            .map_err(|error| StoreError::Damaged(format!("audit entry {}: {error}", row.seq)))
    }
}

/// The end of the trail, to which the next entry is linked.
#[derive(Debug, Default)]
pub struct Chain {
    last: Option<(u64, [u8; 32])>,
}

impl Chain {
    /// Numbers, dates and links entries.
    pub fn link(
        &mut self,
        store: &dyn Store,
        rows: &mut [AuditRow],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let (mut seq, mut previous) = match self.last {
            Some(last) => last,
            None => store
                .audit_last()?
                .map_or((0, [0; 32]), |row| (row.seq, row.hash)),
        };
        for row in rows {
            seq += 1;
            (row.seq, row.at) = (seq, at);
            row.hash = hash(&previous, row);
            previous = row.hash;
        }
        self.last = Some((seq, previous));
        Ok(())
    }

    /// The last link may not have been written: look again.
    pub fn forget(&mut self) {
        self.last = None;
    }
}

/// The hash of an entry: BLAKE3 over the hash of the one before and every field, each with its
/// length before it.
fn hash(previous: &[u8; 32], row: &AuditRow) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(previous);
    hasher.update(&row.seq.to_be_bytes());
    hasher.update(&row.at.0.to_be_bytes());
    let fields: [&[u8]; 4] = [
        row.actor.as_bytes(),
        row.action.as_bytes(),
        row.target.as_bytes(),
        &row.body,
    ];
    for field in fields {
        hasher.update(&(field.len() as u64).to_be_bytes());
        hasher.update(field);
    }
    *hasher.finalize().as_bytes()
}

/// A trail that was verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// How many entries there are.
    pub entry_count: u64,
    /// Hash of the last, in hexadecimal; null when there is none.
    pub last_hash: Option<String>,
    /// Number of the first entry that does not fit; null when all do.
    pub broken_at: Option<u64>,
}

/// Computes every hash anew.
pub fn verify(store: &dyn Store) -> Result<Verified, StoreError> {
    let (mut seq, mut previous) = (0, [0; 32]);
    loop {
        let rows = store.audit_from(seq + 1, VERIFY_ROWS)?;
        if rows.is_empty() {
            break;
        }
        for row in rows {
            if row.seq != seq + 1 || row.hash != hash(&previous, &row) {
                return Ok(Verified {
                    entry_count: seq,
                    last_hash: Some(hex(&previous)),
                    broken_at: Some(seq + 1),
                });
            }
            (seq, previous) = (row.seq, row.hash);
        }
    }
    Ok(Verified {
        entry_count: seq,
        last_hash: (seq > 0).then(|| hex(&previous)),
        broken_at: None,
    })
}

/// A hash in hexadecimal.
pub fn hex(hash: &[u8; 32]) -> String {
    blake3::Hash::from_bytes(*hash).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tenure_store::Batch;
    use tenure_store::memory::MemoryStore;

    use super::*;

    fn entries(count: u64) -> Vec<AuditRow> {
        let actor = Actor::command();
        (0..count)
            .map(|n| {
                Change::new("thing.change", format!("t{n}"))
                    .before(json!({"n": n}))
                    .after(json!({"n": n + 1}))
                    .by(&actor)
            })
            .collect()
    }

    fn linked() -> Vec<AuditRow> {
        let mut rows = entries(3);
        let store = MemoryStore::new();
        let mut chain = Chain::default();
        chain.link(&store, &mut rows, Timestamp(5)).unwrap();
        rows
    }

    fn verified(rows: Vec<AuditRow>) -> Verified {
        let store = MemoryStore::new();
        let batch = Batch {
            audit: rows,
            ..Batch::default()
        };
        store.commit(&batch).unwrap();
        verify(&store).unwrap()
    }

    #[test]
    fn a_chain_goes_on_where_the_store_ends() {
        let store = MemoryStore::new();
        for _ in 0..2 {
            let mut rows = entries(2);
            Chain::default()
                .link(&store, &mut rows, Timestamp(5))
                .unwrap();
            let batch = Batch {
                audit: rows,
                ..Batch::default()
            };
            store.commit(&batch).unwrap();
        }
        let found = verify(&store).unwrap();
        assert_eq!((found.entry_count, found.broken_at), (4, None));
        assert!(found.last_hash.is_some());
    }

    #[test]
    fn any_changed_field_of_any_entry_is_found() {
        assert_eq!(verified(linked()).broken_at, None);
        let changes: [fn(&mut AuditRow); 6] = [
            |row| row.at = Timestamp(6),
            |row| row.actor = "eve".into(),
            |row| row.action = "thing.chang".into(),
            |row| row.target = "x".into(),
            |row| row.body.push(b' '),
            |row| row.hash[0] ^= 1,
        ];
        for change in changes {
            let mut rows = linked();
            change(&mut rows[1]);
            assert_eq!(verified(rows).broken_at, Some(2));
        }
    }

    #[test]
    fn text_that_moves_from_one_field_to_the_next_is_found() {
        let mut rows = linked();
        rows[2].actor = "commandt".into();
        rows[2].action = "hing.change".into();
        assert_eq!(verified(rows).broken_at, Some(3));
    }
}
