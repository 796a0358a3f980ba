//! Blocks of decisions in the order of their commits.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row};
use tenure_core::decision::Decision;

use crate::error::damaged;
use crate::key::{pack, unpack};

/// Decisions of one block: to read one, all of its block are unpacked (about 15 KB).
pub(super) const BLOCK_DECISIONS: usize = 128;
/// Blocks that one read keeps unpacked: about 1 MB.
const CACHED_BLOCKS: usize = 64;

/// A block, unpacked.
pub(super) struct Block {
    first: u64,
    /// The packed decisions.
    slots: Vec<Vec<u8>>,
}

impl Block {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let plain_len = row.get::<_, i64>(1)? as usize;
        let stored = row.get_ref(2)?.as_blob()?;
        let slots = if stored.len() == plain_len {
            slots_of(stored)?
        } else {
            let plain = lz4_flex::block::decompress(stored, plain_len)
                .map_err(|_| damaged("a block of decisions cannot be unpacked"))?;
            slots_of(&plain)?
        };
        Ok(Self {
            first: row.get::<_, i64>(0)? as u64,
            slots,
        })
    }

    fn slot(&self, number: u64) -> Option<&Vec<u8>> {
        let index = number.checked_sub(self.first)?;
        self.slots.get(usize::try_from(index).ok()?)
    }

    pub(super) fn holds(&self, number: u64) -> bool {
        self.slot(number).is_some()
    }

    /// The decision of this number, if it is in the block.
    pub(super) fn decision(&self, number: u64) -> rusqlite::Result<Option<Decision>> {
        self.slot(number).map(|slot| unpack(slot)).transpose()
    }

    /// Puts a decision in the place of the one with its number.
    pub(super) fn replace(&mut self, number: u64, decision: &Decision) -> rusqlite::Result<()> {
        let index = number.checked_sub(self.first);
        let index = index.and_then(|index| usize::try_from(index).ok());
        if let Some(slot) = index.and_then(|index| self.slots.get_mut(index)) {
            *slot = pack(decision)?;
        }
        Ok(())
    }

    /// Writes the block in the place of the one stored.
    pub(super) fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        let mut plain = Vec::new();
        for slot in &self.slots {
            push_number(&mut plain, slot.len() as u64);
            plain.extend_from_slice(slot);
        }
        let packed = lz4_flex::block::compress(&plain);
        // Kept plain when packing does not help; the lengths tell which it is.
        let stored = if packed.len() < plain.len() {
            &packed
        } else {
            &plain
        };
        connection
            .prepare_cached("INSERT OR REPLACE INTO decision_block VALUES (?1, ?2, ?3, ?4)")?
            .execute((
                self.first as i64,
                self.slots.len() as i64,
                plain.len() as i64,
                stored,
            ))?;
        Ok(())
    }
}

fn slots_of(mut plain: &[u8]) -> rusqlite::Result<Vec<Vec<u8>>> {
    let mut slots = Vec::with_capacity(BLOCK_DECISIONS);
    while !plain.is_empty() {
        let slot = take_number(&mut plain)
            .and_then(|len| plain.split_at_checked(usize::try_from(len).ok()?))
            .ok_or_else(|| damaged("a block of decisions is cut short"))?;
        slots.push(slot.0.to_vec());
        plain = slot.1;
    }
    Ok(slots)
}

/// Appends a number, 7 bits a byte.
pub(super) fn push_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Takes off what [`push_number`] appended.
pub(super) fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Appends decisions, the first of which gets number `first`.
pub(super) fn append<'a>(
    connection: &Connection,
    mut first: u64,
    decisions: impl Iterator<Item = &'a Decision>,
) -> rusqlite::Result<()> {
    let mut packed = decisions.map(pack);
    loop {
        let part = packed.by_ref().take(BLOCK_DECISIONS);
        let slots: Vec<_> = part.collect::<rusqlite::Result<_>>()?;
        if slots.is_empty() {
            return Ok(());
        }
        let next = first + slots.len() as u64;
        Block { first, slots }.write(connection)?;
        first = next;
    }
}

/// The number of the decision committed last.
pub(crate) fn end(connection: &Connection) -> rusqlite::Result<u64> {
    let last = connection
        .prepare_cached("SELECT first + count - 1 FROM decision_block ORDER BY first DESC LIMIT 1")?
        .query_row([], |row| row.get::<_, i64>(0))
        .optional()?;
    Ok(last.unwrap_or(0) as u64)
}

/// Decisions in the order of their commits, with their numbers, at most `limit`.
pub(crate) fn from(
    connection: &Connection,
    after: u64,
    limit: usize,
) -> rusqlite::Result<Vec<(u64, Decision)>> {
    let mut select = connection.prepare_cached(
        "SELECT first, plain_len, bytes FROM decision_block WHERE first >= coalesce(
             (SELECT max(first) FROM decision_block WHERE first <= ?1), 0) ORDER BY first",
    )?;
    let after = after.min(i64::MAX as u64 - 1);
    let mut found = Vec::new();
    let mut rows = select.query([after as i64 + 1])?;
    while let Some(row) = rows.next()? {
        let block = Block::of(row)?;
        for number in block.first..block.first + block.slots.len() as u64 {
            if found.len() >= limit {
                return Ok(found);
            }
            if number > after
                && let Some(decision) = block.decision(number)?
            {
                found.push((number, decision));
            }
        }
    }
    Ok(found)
}

/// Reads blocks by the numbers of decisions, and keeps the latest read.
pub(super) struct Cache<'c> {
    connection: &'c Connection,
    blocks: BTreeMap<u64, Block>,
}

impl<'c> Cache<'c> {
    pub(super) fn new(connection: &'c Connection) -> Self {
        let blocks = BTreeMap::new();
        Self { connection, blocks }
    }

    /// The decision of this number, unless it is not there.
    pub(super) fn decision(&mut self, number: u64) -> rusqlite::Result<Option<Decision>> {
        let held = self.blocks.range(..=number).next_back();
        if let Some((_, block)) = held
            && block.holds(number)
        {
            return block.decision(number);
        }
        let Some(block) = holder(self.connection, number)? else {
            return Ok(None);
        };
        let decision = block.decision(number);
        if self.blocks.len() >= CACHED_BLOCKS {
            // Lists go from the newest on: the highest is needed least.
            self.blocks.pop_last();
        }
        self.blocks.insert(block.first, block);
        decision
    }
}

/// The block that holds a number.
pub(super) fn holder(connection: &Connection, number: u64) -> rusqlite::Result<Option<Block>> {
    connection
        .prepare_cached(
            "SELECT first, plain_len, bytes FROM decision_block WHERE first <= ?1
             ORDER BY first DESC LIMIT 1",
        )?
        .query_row([number as i64], Block::of)
        .optional()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_being_packed() {
        for number in [0, 1, 127, 128, 300, 1 << 40, u64::MAX] {
            let mut bytes = Vec::new();
            push_number(&mut bytes, number);
            let mut rest = bytes.as_slice();
            assert_eq!(take_number(&mut rest), Some(number));
            assert!(rest.is_empty());
        }
    }

    #[test]
    fn a_block_that_was_cut_is_an_error_and_never_a_panic() {
        assert!(slots_of(&[0xff; 12]).is_err());
        assert!(slots_of(&[5, 1, 2]).is_err());
    }
}
