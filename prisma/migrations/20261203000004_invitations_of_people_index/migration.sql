-- Finds the invitations that a person has sent or accepted.
CREATE INDEX invitations_accepted_by_idx ON invitations (accepted_by, id) WHERE accepted_by IS NOT NULL;
CREATE INDEX invitations_sent_by_idx ON invitations (invited_by, id) WHERE invited_by IS NOT NULL;
