-- Counting the organizations of a status reads this index alone. It is built apart from the migration before, whose lock of
-- the table must be short. Only writes of organizations wait for it.
CREATE INDEX organizations_live_status_idx ON organizations (status, id) WHERE deleted_at IS NULL;
