//! The log: everything that happens, in one order. Profiles, segments and enrollments are a
//! fold over it.
//!
//! Identity is resolved before an entry is written, so an entry names its person and the account
//! the person belonged to at that moment; events therefore count for the account at the time.
//!
//! Entries are stored in chunks, one chunk a group commit. Events are encoded by hand, since a
//! backfill reads millions of them a second and skips most by name; the rest uses `postcard`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::id::{AccountId, EventId, PersonId, RootId, SubjectId};
use crate::time::Timestamp;
use crate::value::Value;

/// Place of an entry in the log; the first is 1, 0 means "before everything".
pub type Position = u64;

/// Number of a published set of definitions; the first is 1.
pub type PlanVersion = u32;

/// The most slices a sweep over all roots is cut into.
pub const MAX_SWEEP_SLICES: u16 = 256;

/// One entry of the log. It borrows from the chunk it was decoded from.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry<'a> {
    /// Place in the log.
    pub position: Position,
    /// When the gateway took it; never decreases along the log.
    pub received_at: Timestamp,
    /// What happened.
    pub body: Body<'a>,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq)]
pub enum Body<'a> {
    /// A fact about a subject.
    Event(Event<'a>),
    /// Traits or identifiers of a subject were told.
    Profile(Profile),
    /// Two persons turned out to be one: `from` is folded into `into`.
    Merge(Merge),
    /// A person changed accounts.
    Move(Move),
    /// A set of definitions became the plan from here on.
    Published(Published),
    /// Every root of one slice is visited for a purpose; a sweep is one entry per slice, so that
    /// each is short and the log alone decides when a root is visited.
    Sweep(Sweep),
    /// Somebody asked the engine for something.
    Command(Command),
}

/// An immutable fact with a name, a time, a subject and properties.
#[derive(Debug, Clone, PartialEq)]
pub struct Event<'a> {
    /// Derived from the sender's message id.
    pub id: EventId,
    /// The person it is about, if any.
    pub person: Option<PersonId>,
    /// The account it counts for: the person's at the time, or the subject itself.
    pub account: Option<AccountId>,
    /// When it happened, never after `received_at` of its entry.
    pub occurred_at: Timestamp,
    /// Imported history: updates aggregates, never starts a program and never sends.
    pub historical: bool,
    /// Its name, such as `session_started`.
    pub name: Cow<'a, str>,
    /// A JSON object as text, `{}` when empty.
    pub properties: Cow<'a, str>,
}

impl Event<'_> {
    /// Whose event it is: the person if there is one, else the account.
    pub fn subject(&self) -> Option<SubjectId> {
        self.person
            .map(SubjectId::Person)
            .or(self.account.map(SubjectId::Account))
    }
}

/// Traits and identifiers of a subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Whose.
    pub subject: SubjectId,
    /// The account of the person at the time; the account itself for an account.
    pub account: Option<AccountId>,
    /// When the sender says this was so; an older value never overwrites a newer one.
    pub occurred_at: Timestamp,
    /// Imported history never starts a program.
    pub historical: bool,
    /// Changes by name; `None` removes.
    pub traits: Vec<(Box<str>, Option<Value>)>,
    /// Identifiers newly known to belong to the subject.
    pub identifiers: Vec<Identifier>,
}

/// A name by which senders know a subject.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identifier {
    /// Of which kind.
    pub kind: IdentifierKind,
    /// As sent; e-mail addresses in lower case.
    pub value: Box<str>,
}

/// Kinds of identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentifierKind {
    /// The sender's id of a person.
    UserId,
    /// The sender's id of a browser or device.
    AnonymousId,
    /// An e-mail address.
    Email,
    /// The sender's id of an account (`groupId`; `{customer_id}` in the API).
    AccountId,
}

/// Two persons are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merge {
    /// The person that ceases to be.
    pub from: PersonId,
    /// Account of `from` before the merge.
    pub from_account: Option<AccountId>,
    /// The person that stays.
    pub into: PersonId,
    /// Account of `into`.
    pub into_account: Option<AccountId>,
}

/// A person changes accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// Who.
    pub person: PersonId,
    /// The account before.
    pub from: Option<AccountId>,
    /// The account from now on.
    pub to: Option<AccountId>,
}

/// What becomes of running enrollments when a new version of their program is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnPublish {
    /// They finish on their version.
    #[default]
    Keep,
    /// They go on at the step of the same name in the new version, or exit if there is none.
    Migrate,
    /// They exit.
    Exit,
}

/// A set of definitions became the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The plan's number; its sources are kept by the store.
    pub plan: PlanVersion,
    /// Per changed program, what becomes of running enrollments.
    pub programs: Vec<(Box<str>, OnPublish)>,
}

/// A visit of all roots of one slice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sweep {
    /// What for.
    pub purpose: SweepPurpose,
    /// Slice number, below `of`; see [`slice_of`].
    pub slice: u16,
    /// Into how many slices the roots are cut, 1 to [`MAX_SWEEP_SLICES`].
    pub of: u16,
}

/// What a sweep is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SweepPurpose {
    /// The backfill of this plan is ready: take the history and switch over.
    Backfilled(PlanVersion),
    /// Enter the members of the broadcast's segment, once.
    Broadcast(Box<str>),
    /// A paused program goes on.
    Resume(Box<str>),
    /// Enter the members of another segment than the broadcast's own, once.
    BroadcastTo {
        /// Program name.
        program: Box<str>,
        /// The segment.
        segment: Box<str>,
    },
}

/// The slice a root belongs to: contiguous ranges of the root id's bits.
pub fn slice_of(root: RootId, of: u16) -> u16 {
    let top = (root.0.bits() >> 112) as u32;
    ((top * u32::from(of)) >> 16) as u16
}

/// The smallest id bits that belong to a slice.
pub fn slice_start(slice: u16, of: u16) -> u128 {
    let of = u128::from(of.max(1));
    (((u128::from(slice) << 16).div_ceil(of)) & 0xffff) << 112
}

/// Somebody asked the engine for something.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Enter a subject into a program, by API or by hand.
    Enroll {
        /// Program name.
        program: Box<str>,
        /// Who.
        subject: SubjectId,
        /// Account of the subject.
        account: Option<AccountId>,
        /// Key of a keyed enrollment.
        key: Option<Box<str>>,
        /// A JSON object for templates.
        data: Box<str>,
    },
    /// Take a subject out of a program: later steps will not act.
    Remove {
        /// Program name.
        program: Box<str>,
        /// Who.
        subject: SubjectId,
        /// Account of the subject.
        account: Option<AccountId>,
    },
    /// Stop (or start again) all acting of a program; enrollments stay where they are.
    Pause {
        /// Program name.
        program: Box<str>,
        /// True pauses, false resumes.
        paused: bool,
    },
    /// A person's choice about a topic (or, with `None`, about all marketing topics).
    Consent {
        /// Who.
        person: PersonId,
        /// Account of the person.
        account: Option<AccountId>,
        /// Topic name, or all.
        topic: Option<Box<str>>,
        /// True subscribes, false unsubscribes.
        subscribed: bool,
    },
    /// No message may go to this person's address any more (or may again).
    Suppress {
        /// Who.
        person: PersonId,
        /// Account of the person.
        account: Option<AccountId>,
        /// True suppresses, false lifts it.
        suppressed: bool,
    },
    /// Everything about this person up to here is to be forgotten: the engine lets go of the
    /// state, and what the log holds is [redacted](Body::redacted) afterwards.
    Erase {
        /// Who.
        person: PersonId,
        /// Account of the person.
        account: Option<AccountId>,
    },
}

impl Body<'_> {
    /// The root this entry is processed under; `None` for entries that concern all roots.
    /// A merge or a move starts at the root that `from` leaves.
    pub fn root(&self) -> Option<RootId> {
        let of = |account: Option<AccountId>, subject: SubjectId| {
            Some(RootId(account.map_or(subject, SubjectId::Account)))
        };
        match self {
            Self::Event(event) => of(event.account, event.subject()?),
            Self::Profile(profile) => of(profile.account, profile.subject),
            Self::Merge(merge) => of(merge.from_account, SubjectId::Person(merge.from)),
            Self::Move(moved) => of(moved.from, SubjectId::Person(moved.person)),
            Self::Published(_) | Self::Sweep(_) => None,
            Self::Command(command) => match command {
                Command::Enroll {
                    subject, account, ..
                }
                | Command::Remove {
                    subject, account, ..
                } => of(*account, *subject),
                Command::Consent {
                    person, account, ..
                }
                | Command::Suppress {
                    person, account, ..
                }
                | Command::Erase { person, account } => of(*account, SubjectId::Person(*person)),
                Command::Pause { .. } => None,
            },
        }
    }
}

impl Event<'_> {
    /// An entry that says nothing, in the place of one that was erased.
    pub fn nothing(at: Timestamp) -> Event<'static> {
        Event {
            id: EventId(0),
            person: None,
            account: None,
            occurred_at: at,
            historical: true,
            name: Cow::Borrowed(""),
            properties: Cow::Borrowed("{}"),
        }
    }

    /// Whether it says nothing.
    pub fn is_nothing(&self) -> bool {
        self.name.is_empty()
    }
}

impl Body<'_> {
    /// What is left of this entry when some persons are erased; `None` if it is not about them.
    /// Events that count for an account stay, without the person and without their properties;
    /// everything else becomes an entry that [says nothing](Event::nothing). An [erasure]
    /// (Command::Erase) stays: it names nobody but by an id.
    pub fn redacted(
        &self,
        received_at: Timestamp,
        is_erased: &dyn Fn(PersonId) -> bool,
    ) -> Option<Body<'static>> {
        let is_theirs = |subject: &SubjectId| subject.person().is_some_and(is_erased);
        let concerned = match self {
            Self::Event(event) => event.person.is_some_and(is_erased),
            Self::Profile(profile) => is_theirs(&profile.subject),
            Self::Merge(merge) => is_erased(merge.from) || is_erased(merge.into),
            Self::Move(moved) => is_erased(moved.person),
            Self::Command(Command::Enroll { subject, .. } | Command::Remove { subject, .. }) => {
                is_theirs(subject)
            }
            Self::Command(Command::Consent { person, .. } | Command::Suppress { person, .. }) => {
                is_erased(*person)
            }
            Self::Command(Command::Pause { .. } | Command::Erase { .. })
            | Self::Published(_)
            | Self::Sweep(_) => false,
        };
        let left = match self {
            _ if !concerned => return None,
            Self::Event(event) if event.account.is_some() => Event {
                id: event.id,
                person: None,
                account: event.account,
                occurred_at: event.occurred_at,
                historical: event.historical,
                name: Cow::Owned(event.name.clone().into_owned()),
                properties: Cow::Borrowed("{}"),
            },
            _ => Event::nothing(received_at),
        };
        Some(Body::Event(left))
    }
}

/// A stored entry could not be read back: the store is damaged or from a newer version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("log entry cannot be decoded: {0}")]
pub struct DecodeError(pub &'static str);

const KIND_EVENT: u8 = 1;
const KIND_PROFILE: u8 = 2;
const KIND_MERGE: u8 = 3;
const KIND_MOVE: u8 = 4;
const KIND_PUBLISHED: u8 = 5;
const KIND_SWEEP: u8 = 6;
const KIND_COMMAND: u8 = 7;

const FLAG_HISTORICAL: u8 = 1;
const FLAG_PERSON: u8 = 2;
const FLAG_ACCOUNT: u8 = 4;

/// Appends one entry to a chunk: length (u32), kind, `received_at`, body. The position is not
/// stored: a chunk knows its first position and entries follow one another.
pub fn encode(received_at: Timestamp, body: &Body<'_>, chunk: &mut Vec<u8>) {
    let start = chunk.len();
    chunk.extend_from_slice(&[0; 4]);
    let (kind, plain): (u8, Option<Vec<u8>>) = match body {
        Body::Event(_) => (KIND_EVENT, None),
        Body::Profile(profile) => (KIND_PROFILE, postcard::to_stdvec(profile).ok()),
        Body::Merge(merge) => (KIND_MERGE, postcard::to_stdvec(merge).ok()),
        Body::Move(moved) => (KIND_MOVE, postcard::to_stdvec(moved).ok()),
        Body::Published(published) => (KIND_PUBLISHED, postcard::to_stdvec(published).ok()),
        Body::Sweep(sweep) => (KIND_SWEEP, postcard::to_stdvec(sweep).ok()),
        Body::Command(command) => (KIND_COMMAND, postcard::to_stdvec(command).ok()),
    };
    chunk.push(kind);
    chunk.extend_from_slice(&received_at.0.to_le_bytes());
    if let Body::Event(event) = body {
        encode_event(event, chunk);
    }
    chunk.extend_from_slice(&plain.unwrap_or_default());
    let len = (chunk.len() - start - 4) as u32;
    chunk[start..start + 4].copy_from_slice(&len.to_le_bytes());
}

fn encode_event(event: &Event<'_>, chunk: &mut Vec<u8>) {
    let mut flags = 0;
    flags |= if event.historical { FLAG_HISTORICAL } else { 0 };
    flags |= if event.person.is_some() {
        FLAG_PERSON
    } else {
        0
    };
    flags |= if event.account.is_some() {
        FLAG_ACCOUNT
    } else {
        0
    };
    chunk.push(flags);
    chunk.extend_from_slice(&event.occurred_at.0.to_le_bytes());
    chunk.extend_from_slice(&event.id.0.to_be_bytes());
    if let Some(person) = event.person {
        chunk.extend_from_slice(&person.0.to_be_bytes());
    }
    if let Some(account) = event.account {
        chunk.extend_from_slice(&account.0.to_be_bytes());
    }
    chunk.extend_from_slice(&(event.name.len() as u16).to_le_bytes());
    chunk.extend_from_slice(event.name.as_bytes());
    chunk.extend_from_slice(event.properties.as_bytes());
}

/// Reads the entries of a chunk, in order, borrowing from it.
pub fn decode(first: Position, chunk: &[u8]) -> Decode<'_> {
    Decode {
        position: first,
        rest: chunk,
    }
}

/// Iterator over the entries of a chunk; ends after the first error.
#[derive(Debug)]
pub struct Decode<'a> {
    position: Position,
    rest: &'a [u8],
}

impl<'a> Iterator for Decode<'a> {
    type Item = Result<Entry<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let position = self.position;
        self.position += 1;
        let entry = decode_one(position, &mut self.rest);
        if entry.is_err() {
            self.rest = &[];
        }
        Some(entry)
    }
}

fn take<'a>(bytes: &mut &'a [u8], len: usize) -> Result<&'a [u8], DecodeError> {
    let (head, tail) = bytes
        .split_at_checked(len)
        .ok_or(DecodeError("it is cut short"))?;
    *bytes = tail;
    Ok(head)
}

fn take_array<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], DecodeError> {
    let mut array = [0; N];
    array.copy_from_slice(take(bytes, N)?);
    Ok(array)
}

fn decode_one<'a>(position: Position, rest: &mut &'a [u8]) -> Result<Entry<'a>, DecodeError> {
    let len = u32::from_le_bytes(take_array(rest)?) as usize;
    let mut bytes = take(rest, len)?;
    let [kind] = take_array(&mut bytes)?;
    let received_at = Timestamp(i64::from_le_bytes(take_array(&mut bytes)?));
    let bad = |_| DecodeError("its body is not of its kind");
    let body = match kind {
        KIND_EVENT => Body::Event(decode_event(bytes)?),
        KIND_PROFILE => Body::Profile(postcard::from_bytes(bytes).map_err(bad)?),
        KIND_MERGE => Body::Merge(postcard::from_bytes(bytes).map_err(bad)?),
        KIND_MOVE => Body::Move(postcard::from_bytes(bytes).map_err(bad)?),
        KIND_PUBLISHED => Body::Published(postcard::from_bytes(bytes).map_err(bad)?),
        KIND_SWEEP => Body::Sweep(postcard::from_bytes(bytes).map_err(bad)?),
        KIND_COMMAND => Body::Command(postcard::from_bytes(bytes).map_err(bad)?),
        _ => {
            return Err(DecodeError(
                "its kind is unknown; the store is from a newer version",
            ));
        }
    };
    Ok(Entry {
        position,
        received_at,
        body,
    })
}

fn decode_event(mut bytes: &[u8]) -> Result<Event<'_>, DecodeError> {
    let [flags] = take_array(&mut bytes)?;
    let occurred_at = Timestamp(i64::from_le_bytes(take_array(&mut bytes)?));
    let id = EventId(u128::from_be_bytes(take_array(&mut bytes)?));
    let mut optional = |flag: u8| -> Result<Option<u128>, DecodeError> {
        if flags & flag == 0 {
            return Ok(None);
        }
        take_array(&mut bytes).map(|bits| Some(u128::from_be_bytes(bits)))
    };
    let person = optional(FLAG_PERSON)?.map(PersonId);
    let account = optional(FLAG_ACCOUNT)?.map(AccountId);
    let name_len = u16::from_le_bytes(take_array(&mut bytes)?) as usize;
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| DecodeError("its text is not UTF-8"));
    let name = text(take(&mut bytes, name_len)?)?;
    Ok(Event {
        id,
        person,
        account,
        occurred_at,
        historical: flags & FLAG_HISTORICAL != 0,
        name: Cow::Borrowed(name),
        properties: Cow::Borrowed(text(bytes)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event<'static> {
        Event {
            id: EventId(5),
            person: Some(PersonId(1)),
            account: None,
            occurred_at: Timestamp(99),
            historical: true,
            name: "report_created".into(),
            properties: r#"{"kind":"weekly"}"#.into(),
        }
    }

    #[test]
    fn a_chunk_gives_back_its_entries_with_their_positions() {
        let bodies = [
            Body::Event(event()),
            Body::Move(Move {
                person: PersonId(1),
                from: None,
                to: Some(AccountId(2)),
            }),
            Body::Command(Command::Pause {
                program: "news".into(),
                paused: true,
            }),
        ];
        let mut chunk = Vec::new();
        for body in &bodies {
            encode(Timestamp(100), body, &mut chunk);
        }
        let entries: Vec<_> = decode(7, &chunk).collect::<Result<_, _>>().unwrap();
        assert_eq!(entries.len(), 3);
        for (index, entry) in entries.iter().enumerate() {
            assert_eq!(entry.position, 7 + index as u64);
            assert_eq!(entry.body, bodies[index]);
        }
    }

    #[test]
    fn slices_are_contiguous_and_cover_every_root() {
        for of in [1_u16, 3, 16, 256] {
            for slice in 0..of {
                let first = RootId(SubjectId::Person(PersonId(slice_start(slice, of))));
                assert_eq!(slice_of(first, of), slice, "start of {slice} of {of}");
                if slice > 0 {
                    let before = RootId(SubjectId::Person(PersonId(slice_start(slice, of) - 1)));
                    assert_eq!(slice_of(before, of), slice - 1);
                }
            }
            let last = RootId(SubjectId::Person(PersonId(u128::MAX)));
            assert_eq!(slice_of(last, of), of - 1);
        }
    }

    #[test]
    fn a_damaged_chunk_is_an_error_and_never_a_panic() {
        let mut chunk = Vec::new();
        encode(Timestamp(100), &Body::Event(event()), &mut chunk);
        for len in 1..chunk.len() {
            assert!(
                decode(1, &chunk[..len]).any(|entry| entry.is_err()),
                "cut at {len}"
            );
        }
        chunk[4] = 99;
        assert!(decode(1, &chunk).next().unwrap().is_err());
    }
}
