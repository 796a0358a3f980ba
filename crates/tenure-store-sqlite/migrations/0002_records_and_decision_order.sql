-- Small things of the shell, by collection and key.
CREATE TABLE record (
    collection TEXT NOT NULL,
    key TEXT NOT NULL,
    at INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (collection, key)
) WITHOUT ROWID;
CREATE INDEX record_at ON record (collection, at);

-- Decisions in the order of their commits: one row a commit that recorded any. `first` is the
-- number of the first, `keys` holds the instant (8 bytes) and the id (16 bytes) of each.
CREATE TABLE decision_block (
    first INTEGER PRIMARY KEY,
    keys BLOB NOT NULL
);
