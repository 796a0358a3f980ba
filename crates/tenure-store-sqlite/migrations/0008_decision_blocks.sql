-- Decisions in the order of their commits, in blocks: `first` is the number of the first, `bytes`
-- holds `count` of them, each after its length, packed if that is shorter than `plain_len`.
ALTER TABLE decision_block RENAME TO decision_block_old;
CREATE TABLE decision_block (
    first INTEGER PRIMARY KEY,
    count INTEGER NOT NULL,
    plain_len INTEGER NOT NULL,
    bytes BLOB NOT NULL
);

-- Where decisions are, by instant and id: a row holds several of one key, from `at` and `id` up
-- to the next row. A key is a subject (17 bytes), a program (2 and its name), or all (3).
CREATE TABLE decision_index (
    key BLOB NOT NULL,
    at INTEGER NOT NULL,
    id BLOB NOT NULL,
    entries BLOB NOT NULL,
    PRIMARY KEY (key, at, id)
) WITHOUT ROWID;

-- Decisions up to this number are in the index; later ones are read back when the store opens.
ALTER TABLE progress ADD COLUMN decisions_indexed INTEGER NOT NULL DEFAULT 0;
