//! Timelines: the log positions about a subject.
//!
//! The newest positions stay in the state's row (`tail`), which a checkpoint rewrites anyway;
//! each time [`TAIL_POSITIONS`] have gathered they become one row of `timeline`.

use rusqlite::{Connection, OptionalExtension};
use tenure_core::id::SubjectId;
use tenure_core::log::Position;

use crate::error::damaged;
use crate::key::Subject;

/// Positions of a full row.
const TAIL_POSITIONS: usize = 64;

/// Writes ascending positions as differences, 7 bits a byte.
pub(crate) fn encode(positions: &[Position]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(positions.len() * 3 + 4);
    let mut last = 0;
    for position in positions {
        let mut rest = position - last;
        while rest > 0x7f {
            bytes.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        bytes.push(rest as u8);
        last = *position;
    }
    bytes
}

/// Reads back what [`encode`] wrote.
pub(crate) fn decode(bytes: &[u8]) -> rusqlite::Result<Vec<Position>> {
    let mut positions = Vec::new();
    let (mut last, mut rest, mut shift) = (0_u64, 0_u64, 0);
    for byte in bytes {
        if shift > 63 {
            return Err(damaged("a timeline cannot be read"));
        }
        rest |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            last = last
                .checked_add(rest)
                .ok_or_else(|| damaged("a timeline cannot be read"))?;
            positions.push(last);
            (rest, shift) = (0, 0);
        }
    }
    Ok(positions)
}

/// Appends positions to a tail; full rows are written. Gives the tail that remains.
pub(crate) fn extend(
    connection: &Connection,
    subject: SubjectId,
    tail: &[u8],
    added: &[Position],
) -> rusqlite::Result<Vec<u8>> {
    let mut positions = decode(tail)?;
    positions.extend_from_slice(added);
    if !positions.is_sorted_by(|a, b| a < b) {
        positions.sort_unstable();
        positions.dedup();
    }
    let full_len = positions.len() / TAIL_POSITIONS * TAIL_POSITIONS;
    write_rows(connection, subject, &positions[..full_len])?;
    Ok(encode(&positions[full_len..]))
}

/// Writes positions as rows, the last of which may be short.
pub(crate) fn write_rows(
    connection: &Connection,
    subject: SubjectId,
    positions: &[Position],
) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached("INSERT INTO timeline VALUES (?1, ?2, ?3)")?;
    for row in positions.chunks(TAIL_POSITIONS) {
        insert.execute((Subject(subject), row[0] as i64, encode(row)))?;
    }
    Ok(())
}

/// Continues the timeline of `from` under `into`.
pub(crate) fn join(
    connection: &Connection,
    from: SubjectId,
    into: SubjectId,
) -> rusqlite::Result<()> {
    let mut positions = newest(connection, from, None, usize::MAX)?;
    positions.extend(newest(connection, into, None, usize::MAX)?);
    positions.sort_unstable();
    positions.dedup();
    clear(connection, from)?;
    clear(connection, into)?;
    write_rows(connection, into, &positions)
}

/// Forgets the positions up to and including `until`.
pub(crate) fn forget(
    connection: &Connection,
    subject: SubjectId,
    until: Position,
) -> rusqlite::Result<()> {
    let mut positions = newest(connection, subject, None, usize::MAX)?;
    positions.retain(|position| *position > until);
    positions.sort_unstable();
    clear(connection, subject)?;
    write_rows(connection, subject, &positions)
}

fn clear(connection: &Connection, subject: SubjectId) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM timeline WHERE subject = ?1")?
        .execute([Subject(subject)])?;
    connection
        .prepare_cached("UPDATE state SET tail = x'' WHERE subject = ?1")?
        .execute([Subject(subject)])?;
    Ok(())
}

/// At most `limit` positions before `before`, newest first.
pub(crate) fn newest(
    connection: &Connection,
    subject: SubjectId,
    before: Option<Position>,
    limit: usize,
) -> rusqlite::Result<Vec<Position>> {
    let before = before.map_or(i64::MAX, |at| i64::try_from(at).unwrap_or(i64::MAX));
    let tail: Option<Vec<u8>> = connection
        .prepare_cached("SELECT tail FROM state WHERE subject = ?1")?
        .query_row([Subject(subject)], |row| row.get(0))
        .optional()?;
    let mut found = Vec::new();
    take(&decode(&tail.unwrap_or_default())?, before, &mut found);
    let mut select = connection.prepare_cached(
        "SELECT positions FROM timeline WHERE subject = ?1 AND first < ?2 ORDER BY first DESC",
    )?;
    let mut rows = select.query((Subject(subject), before))?;
    while found.len() < limit {
        let Some(row) = rows.next()? else { break };
        take(&decode(row.get_ref(0)?.as_blob()?)?, before, &mut found);
    }
    found.truncate(limit);
    Ok(found)
}

fn take(positions: &[Position], before: i64, found: &mut Vec<Position>) {
    let earlier = positions.iter().rev().copied();
    found.extend(earlier.filter(|position| *position < before as u64));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_survive_being_packed() {
        for positions in [
            vec![],
            vec![1],
            vec![1, 2, 130, 20_000, 1 << 40],
            vec![u64::MAX],
        ] {
            assert_eq!(decode(&encode(&positions)).unwrap(), positions);
        }
    }

    #[test]
    fn damaged_bytes_are_an_error_and_never_a_panic() {
        assert!(decode(&[0xff; 12]).is_err());
    }
}
