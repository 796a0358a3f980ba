//! Checking the store's own consistency.

use rusqlite::Connection;

use crate::{decision, log};

/// Rules that every whole database keeps, as queries that find what breaks them.
const RULES: [(&str, &str); 5] = [
    (
        "the log has a gap or an overlap after position",
        "SELECT last FROM (SELECT first + count - 1 AS last, lead(first) OVER (ORDER BY first)
         AS next FROM chunk) WHERE next <> last + 1 LIMIT 10",
    ),
    (
        "the decisions have a gap or an overlap after number",
        "SELECT last FROM (SELECT first + count - 1 AS last, lead(first) OVER (ORDER BY first)
         AS next FROM decision_block) WHERE next <> last + 1 LIMIT 10",
    ),
    (
        "the number of messages differs from its count; messages",
        "SELECT count(*) FROM message HAVING count(*) <>
         coalesce((SELECT sum(count) FROM tally WHERE kind = 0), 0)",
    ),
    (
        "the number of subjects differs from its count; subjects",
        "SELECT count(*) FROM state HAVING count(*) <>
         coalesce((SELECT sum(count) FROM tally WHERE kind = 3), 0)",
    ),
    (
        "the number of enrollments differs from its count; enrollments",
        "SELECT count(*) FROM enrollment HAVING count(*) <>
         coalesce((SELECT sum(count) FROM tally WHERE kind = 2), 0)",
    ),
];

pub(crate) fn findings(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut findings = connection
        .prepare("PRAGMA integrity_check(20)")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<String>>>()?;
    findings.retain(|finding| finding != "ok");
    findings.extend(log::progress(connection)?.findings(log::end(connection)?));
    findings.extend(decision::check::findings(connection)?);
    for (rule, query) in RULES {
        let mut select = connection.prepare(query)?;
        let broken = select.query_map([], |row| row.get::<_, i64>(0))?;
        for value in broken {
            findings.push(format!("{rule} {}", value?));
        }
    }
    Ok(findings)
}
