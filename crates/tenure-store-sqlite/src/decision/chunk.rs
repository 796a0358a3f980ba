//! The written index: rows of [`Entry`] by key, in the order of lists.
//!
//! A row holds the entries from its own place up to the next row of its key. New entries mostly
//! come after all others, so rows fill one after the other; a late one goes into the row it
//! belongs to, which is split when it grows too long.

use rusqlite::{Connection, OptionalExtension, Row};

use super::block::{push_number, take_number};
use super::{Entry, Key, Place};
use crate::error::damaged;

/// Entries of a full row of a subject, of which most have few: about 320 bytes.
const SUBJECT_ENTRIES: usize = 16;
/// Entries of another full row: about 800 bytes. A longer row would need a page of its own.
const LONG_ENTRIES: usize = 40;
/// Rows that a walk reads at a time.
const WALK_ROWS: usize = 8;

/// A row: it begins at `low`, though the entry there may have been taken out.
struct Chunk {
    low: Place,
    entries: Vec<Entry>,
}

impl Chunk {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let low = place_of(row)?;
        let entries = decode(low.at, row.get_ref(2)?.as_blob()?)?;
        Ok(Self { low, entries })
    }
}

fn place_of(row: &Row<'_>) -> rusqlite::Result<Place> {
    Ok(Place {
        at: row.get(0)?,
        id: row.get(1)?,
    })
}

fn encode(from_at: i64, entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.len() * 20);
    let (mut last_at, mut last_number) = (from_at, 0);
    for entry in entries {
        push_number(&mut bytes, entry.place.at.wrapping_sub(last_at) as u64);
        bytes.extend_from_slice(&entry.place.id);
        let step = entry.number.wrapping_sub(last_number) as i64;
        // Small steps in either direction become small numbers.
        push_number(&mut bytes, (step << 1 ^ step >> 63) as u64);
        (last_at, last_number) = (entry.place.at, entry.number);
    }
    bytes
}

pub(super) fn decode(from_at: i64, mut bytes: &[u8]) -> rusqlite::Result<Vec<Entry>> {
    let mut entries = Vec::with_capacity(LONG_ENTRIES);
    let (mut at, mut number) = (from_at, 0_u64);
    while !bytes.is_empty() {
        let entry = take_entry(&mut bytes, &mut at, &mut number);
        entries.push(entry.ok_or_else(|| damaged("the index of decisions cannot be read"))?);
    }
    Ok(entries)
}

fn take_entry(bytes: &mut &[u8], at: &mut i64, number: &mut u64) -> Option<Entry> {
    *at = at.wrapping_add(take_number(bytes)? as i64);
    let (id, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    let step = take_number(bytes)?;
    *number = number.wrapping_add((step >> 1) ^ (step & 1).wrapping_neg());
    Some(Entry {
        place: Place { at: *at, id: *id },
        number: *number,
    })
}

/// The row that a place belongs to, and where the next begins.
fn around(
    connection: &Connection,
    key: &[u8],
    place: Place,
) -> rusqlite::Result<(Option<Chunk>, Option<Place>)> {
    let last = connection
        .prepare_cached(
            "SELECT at, id, entries FROM decision_index WHERE key = ?1
             ORDER BY at DESC, id DESC LIMIT 1",
        )?
        .query_row([key], Chunk::of)
        .optional()?;
    if last.as_ref().is_none_or(|last| last.low <= place) {
        return Ok((last, None));
    }
    let holder = connection
        .prepare_cached(
            "SELECT at, id, entries FROM decision_index WHERE key = ?1 AND (at, id) <= (?2, ?3)
             ORDER BY at DESC, id DESC LIMIT 1",
        )?
        .query_row((key, place.at, place.id), Chunk::of)
        .optional()?;
    let next = connection
        .prepare_cached(
            "SELECT at, id FROM decision_index WHERE key = ?1 AND (at, id) > (?2, ?3)
             ORDER BY at, id LIMIT 1",
        )?
        .query_row((key, place.at, place.id), place_of)
        .optional()?;
    Ok((holder, next))
}

/// Writes entries, which are sorted; those that are there are left as they are.
pub(super) fn put(connection: &Connection, key: &Key, entries: &[Entry]) -> rusqlite::Result<()> {
    let capacity = match key {
        Key::Subject(_) => SUBJECT_ENTRIES,
        Key::Program(_) | Key::All => LONG_ENTRIES,
    };
    let key = key.bytes();
    let mut rest = entries;
    while let Some(first) = rest.first() {
        let (holder, next) = around(connection, &key, first.place)?;
        let count = rest.partition_point(|entry| next.is_none_or(|next| entry.place < next));
        let (here, later) = rest.split_at(count);
        rest = later;
        let low = holder.as_ref().map_or(first.place, |chunk| chunk.low);
        let mut merged = holder.map_or_else(Vec::new, |chunk| chunk.entries);
        merged.extend_from_slice(here);
        // Stable: of two at one place the stored one stays.
        merged.sort_by_key(|entry| entry.place);
        merged.dedup_by_key(|entry| entry.place);
        let row_len = match next {
            // More will follow at the end: rows are filled. In between they share what there is.
            None => capacity,
            Some(_) => merged.len().div_ceil(merged.len().div_ceil(capacity)),
        };
        let mut low = Some(low);
        for row in merged.chunks(row_len) {
            write(connection, &key, low.take().unwrap_or(row[0].place), row)?;
        }
    }
    Ok(())
}

fn write(
    connection: &Connection,
    key: &[u8],
    low: Place,
    entries: &[Entry],
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO decision_index VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET entries = excluded.entries",
        )?
        .execute((key, low.at, low.id, encode(low.at, entries)))?;
    Ok(())
}

/// Which of the places, which are sorted, are written.
pub(super) fn present(
    connection: &Connection,
    key: &Key,
    places: &[Place],
) -> rusqlite::Result<Vec<Place>> {
    let key = key.bytes();
    let mut found = Vec::new();
    let mut rest = places;
    while let Some(first) = rest.first() {
        let (holder, next) = around(connection, &key, *first)?;
        let count = rest.partition_point(|place| next.is_none_or(|next| *place < next));
        let (here, later) = rest.split_at(count);
        rest = later;
        let entries = holder.map_or_else(Vec::new, |chunk| chunk.entries);
        found.extend(here.iter().filter(|place| {
            let place = **place;
            entries
                .binary_search_by_key(&place, |entry| entry.place)
                .is_ok()
        }));
    }
    Ok(found)
}

/// Takes one entry out.
pub(super) fn remove(connection: &Connection, key: &Key, place: Place) -> rusqlite::Result<()> {
    let key = key.bytes();
    let (Some(mut chunk), _) = around(connection, &key, place)? else {
        return Ok(());
    };
    chunk.entries.retain(|entry| entry.place != place);
    if !chunk.entries.is_empty() {
        return write(connection, &key, chunk.low, &chunk.entries);
    }
    connection
        .prepare_cached("DELETE FROM decision_index WHERE key = ?1 AND at = ?2 AND id = ?3")?
        .execute((key, chunk.low.at, chunk.low.id))?;
    Ok(())
}

/// Entries of a key, the newest first.
pub(super) struct Walk {
    key: Vec<u8>,
    before: Option<Place>,
    /// Rows that are read but not given, the next one last.
    rows: Vec<Chunk>,
    /// Where the next rows to read end.
    unread: Option<Place>,
    at_end: bool,
}

impl Walk {
    pub(super) fn new(key: &Key, before: Option<Place>) -> Self {
        Self {
            key: key.bytes(),
            before,
            rows: Vec::new(),
            unread: before,
            at_end: false,
        }
    }

    /// The next entry.
    pub(super) fn peek(&mut self, connection: &Connection) -> rusqlite::Result<Option<Entry>> {
        loop {
            match self.rows.last() {
                Some(row) => match row.entries.last() {
                    Some(entry) => return Ok(Some(*entry)),
                    None => drop(self.rows.pop()),
                },
                None if self.at_end => return Ok(None),
                None => self.read(connection)?,
            }
        }
    }

    /// Takes what [`Walk::peek`] showed.
    pub(super) fn pop(&mut self) -> Option<Entry> {
        self.rows.last_mut()?.entries.pop()
    }

    fn read(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let until = self.unread.unwrap_or(Place {
            at: i64::MAX,
            id: [0xff; 16],
        });
        let mut select = connection.prepare_cached(
            "SELECT at, id, entries FROM decision_index WHERE key = ?1 AND (at, id) < (?2, ?3)
             ORDER BY at DESC, id DESC LIMIT ?4",
        )?;
        let rows =
            select.query_map((&self.key, until.at, until.id, WALK_ROWS as i64), Chunk::of)?;
        self.rows = rows.collect::<rusqlite::Result<_>>()?;
        self.at_end = self.rows.len() < WALK_ROWS;
        self.unread = self.rows.last().map(|row| row.low);
        self.rows.reverse();
        if let Some(before) = self.before {
            for row in &mut self.rows {
                row.entries.retain(|entry| entry.place < before);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(at: i64, id: u8, number: u64) -> Entry {
        Entry {
            place: Place { at, id: [id; 16] },
            number,
        }
    }

    #[test]
    fn entries_survive_being_packed() {
        let entries = [
            entry(-5, 3, 900),
            entry(-5, 4, 2),
            entry(1_700_000_000_000, 1, u64::MAX),
            entry(i64::MAX, 1, 0),
        ];
        assert_eq!(decode(-5, &encode(-5, &entries)).unwrap(), entries);
    }

    #[test]
    fn damaged_bytes_are_an_error_and_never_a_panic() {
        assert!(decode(0, &[0xff; 40]).is_err());
        assert!(decode(0, &[1, 2, 3]).is_err());
    }
}
