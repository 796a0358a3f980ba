-- One database holds one workspace.
-- Instants are milliseconds since 1970 (UTC). Ids are 16-byte blobs. A subject is 17 bytes, kind
-- before id; a root is 17 bytes, id before kind, so that each sorts as the port lists it.

CREATE TABLE setting (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE progress (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    applied_position INTEGER NOT NULL,
    applied_at INTEGER NOT NULL,
    checkpoint_position INTEGER NOT NULL,
    checkpoint_at INTEGER NOT NULL
);
INSERT INTO progress VALUES (1, 0, 0, 0, 0);

-- The log: one row a group commit. The key grows, so a commit appends pages and rewrites none.
CREATE TABLE chunk (
    first INTEGER PRIMARY KEY,
    count INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    occurred_until INTEGER NOT NULL,
    plain_len INTEGER NOT NULL,
    bytes BLOB NOT NULL
);

-- Recognising repeats: ids of the latest commits, then immutable sorted runs (see dedup/).
CREATE TABLE seen_recent (
    seq INTEGER PRIMARY KEY,
    received_at INTEGER NOT NULL,
    ids BLOB NOT NULL
);
CREATE TABLE seen_run (
    id INTEGER PRIMARY KEY,
    live INTEGER NOT NULL,
    from_at INTEGER NOT NULL,
    until_at INTEGER NOT NULL,
    id_count INTEGER NOT NULL,
    fences BLOB NOT NULL,
    bloom BLOB NOT NULL
);
-- The key is the run's id times 2^24 plus the number of the block.
CREATE TABLE seen_block (
    key INTEGER PRIMARY KEY,
    ids BLOB NOT NULL
);

CREATE TABLE identity (
    key BLOB PRIMARY KEY,
    person BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE person (
    id BLOB PRIMARY KEY,
    account BLOB,
    merged_into BLOB
) WITHOUT ROWID;
CREATE INDEX person_account ON person (account, id)
    WHERE account IS NOT NULL AND merged_into IS NULL;

-- `tail` holds the newest positions of the subject's timeline, so that a checkpoint touches one
-- page for a state and its timeline; full tails move to `timeline`.
CREATE TABLE state (
    id INTEGER PRIMARY KEY,
    wake_at INTEGER,
    subject BLOB NOT NULL,
    root BLOB NOT NULL,
    tail BLOB NOT NULL,
    bytes BLOB NOT NULL
);
CREATE UNIQUE INDEX state_subject ON state (subject);
CREATE INDEX state_root ON state (root);
CREATE INDEX state_wake ON state (wake_at, root) WHERE wake_at IS NOT NULL;

CREATE TABLE timeline (
    subject BLOB NOT NULL,
    first INTEGER NOT NULL,
    positions BLOB NOT NULL,
    PRIMARY KEY (subject, first)
) WITHOUT ROWID;

-- States of messages: 0 pending, 1 sending, 2 sent, 3 delivered, 4 bounced, 5 unknown, 6 dead,
-- 7 cancelled.
CREATE TABLE message (
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    state INTEGER NOT NULL,
    state_at INTEGER NOT NULL,
    decided_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    attempt_count INTEGER NOT NULL,
    person BLOB,
    subject BLOB NOT NULL,
    program TEXT NOT NULL,
    reason TEXT,
    intent BLOB NOT NULL
);
CREATE UNIQUE INDEX message_id ON message (id);
CREATE INDEX message_due ON message (due_at, id) WHERE state = 0;
CREATE INDEX message_decided ON message (decided_at, id);
CREATE INDEX message_program ON message (program, decided_at, id);
CREATE INDEX message_person ON message (person, decided_at, id) WHERE person IS NOT NULL;
CREATE INDEX message_subject ON message (subject, decided_at, id);
-- The other states (sent, delivered) are so common that the list by time finds them at once.
CREATE INDEX message_state ON message (state, decided_at, id) WHERE state NOT IN (2, 3);

CREATE TABLE task (
    id BLOB PRIMARY KEY,
    created_at INTEGER NOT NULL,
    completed_at INTEGER,
    subject BLOB NOT NULL,
    owner TEXT,
    outcome TEXT,
    intent BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX task_created ON task (created_at, id);
CREATE INDEX task_open ON task (created_at, id) WHERE completed_at IS NULL;
CREATE INDEX task_owner ON task (owner, created_at, id) WHERE owner IS NOT NULL;
CREATE INDEX task_subject ON task (subject, created_at, id);

-- Keyed by instant first: decisions come in that order, so inserting appends.
CREATE TABLE decision (
    at INTEGER NOT NULL,
    id BLOB NOT NULL,
    subject BLOB NOT NULL,
    program TEXT NOT NULL,
    outcome TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (at, id)
) WITHOUT ROWID;
CREATE INDEX decision_subject ON decision (subject, at, id);
CREATE INDEX decision_program ON decision (program, at, id);

CREATE TABLE membership (
    segment TEXT NOT NULL,
    subject BLOB NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY (segment, subject)
) WITHOUT ROWID;

-- Statuses: 0 active, 1 held out, 2 completed, 3 goal, 4 exited, 5 removed.
CREATE TABLE enrollment (
    id BLOB PRIMARY KEY,
    entered_at INTEGER NOT NULL,
    at INTEGER NOT NULL,
    subject BLOB NOT NULL,
    program TEXT NOT NULL,
    version INTEGER NOT NULL,
    status INTEGER NOT NULL,
    step TEXT,
    key TEXT
) WITHOUT ROWID;
CREATE INDEX enrollment_entered ON enrollment (entered_at, id);
CREATE INDEX enrollment_program ON enrollment (program, entered_at, id);
CREATE INDEX enrollment_subject ON enrollment (subject, entered_at, id);

-- Row counts by key, kept by every commit so that no page counts a table.
CREATE TABLE tally (
    kind INTEGER NOT NULL,
    key BLOB NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (kind, key)
) WITHOUT ROWID;

CREATE TABLE dead_letter (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    position INTEGER NOT NULL,
    at INTEGER NOT NULL,
    reason TEXT NOT NULL
);
CREATE INDEX dead_letter_at ON dead_letter (at, id);

CREATE TABLE suppression (
    key BLOB PRIMARY KEY,
    reason TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE plan (
    version INTEGER PRIMARY KEY,
    published_at INTEGER NOT NULL,
    author TEXT NOT NULL,
    sources BLOB NOT NULL
);
