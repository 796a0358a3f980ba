-- Whether an enrollment is, or was until it ended, in a hold-out. Of those that ended before this
-- migration only the decisions say so. The index is partial, so it is empty at first.
ALTER TABLE enrollment ADD COLUMN held_out INTEGER NOT NULL DEFAULT 0;
UPDATE enrollment SET held_out = 1 WHERE status = 1;
CREATE INDEX enrollment_held_out ON enrollment (entered_at, id) WHERE held_out = 1;
