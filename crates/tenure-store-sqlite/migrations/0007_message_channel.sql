-- The outbox is looked through by channel, so that one that stands still holds up no other. Messages from before are
-- found under e-mail; dispatch goes by what the message itself says.
ALTER TABLE message ADD COLUMN channel TEXT NOT NULL DEFAULT 'email';
-- Key of the address an attempt went to, kept when the address itself is forgotten.
ALTER TABLE message ADD COLUMN sent_to BLOB;
DROP INDEX message_due;
CREATE INDEX message_due ON message (channel, due_at, id) WHERE state = 0;
