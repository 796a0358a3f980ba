-- Health of subjects at midnights and at changes of zone; `kind` is 0 for a midnight, 1 for a
-- change of zone.
CREATE TABLE health (
    subject BLOB NOT NULL,
    at INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    record BLOB NOT NULL,
    PRIMARY KEY (subject, at, kind)
) WITHOUT ROWID;
