-- What is refused is told with kind, person and time, so that it can be listed.
-- Kinds: 0 an address, 1 a topic, 2 a person. Rows of before have no time; choices are told by their reason.
ALTER TABLE suppression ADD COLUMN kind INTEGER NOT NULL DEFAULT 0;
ALTER TABLE suppression ADD COLUMN person BLOB;
ALTER TABLE suppression ADD COLUMN topic TEXT;
ALTER TABLE suppression ADD COLUMN at INTEGER NOT NULL DEFAULT 0;
UPDATE suppression SET kind = 1 WHERE reason = 'unsubscribed';
UPDATE suppression SET kind = 2 WHERE reason = 'the person is suppressed by hand';
CREATE INDEX suppression_at ON suppression (at, key);
CREATE INDEX suppression_person ON suppression (person, at, key) WHERE person IS NOT NULL;

-- What a human changed of a task; without `changed` due time is the intent's.
ALTER TABLE task ADD COLUMN due_at INTEGER;
ALTER TABLE task ADD COLUMN snoozed_until INTEGER;
ALTER TABLE task ADD COLUMN changed INTEGER NOT NULL DEFAULT 0;
