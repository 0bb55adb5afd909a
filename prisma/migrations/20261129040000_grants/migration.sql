-- Whatever a member grants or creates checks in its own transaction that the member's session has not ended. That session
-- may act for another organization at the moment. So the scope of an organization also shows this one row, once the
-- transaction has named the session. It can be locked there, and not changed. The version before names no session, and
-- goes on seeing what it saw.
CREATE POLICY current_session ON sessions FOR SELECT TO tenantry_app
  USING (id = (SELECT NULLIF(current_setting('app.current_session_id', true), '')::uuid)
    AND user_id = (SELECT NULLIF(current_setting('app.current_user_id', true), '')::uuid));
-- FOR SHARE needs a policy for UPDATE. No row passes its check, so it allows the lock alone.
CREATE POLICY current_session_lock ON sessions FOR UPDATE TO tenantry_app
  USING (id = (SELECT NULLIF(current_setting('app.current_session_id', true), '')::uuid)
    AND user_id = (SELECT NULLIF(current_setting('app.current_user_id', true), '')::uuid))
  WITH CHECK (false);

-- A refresh token that comes again long after its child was handed out gets another child. The event of it is recorded
-- at most once an hour and network.
ALTER TABLE sessions
  ADD COLUMN replaced_child_at timestamptz,  -- set by the rotation that records the event: when the former child was handed out
  ADD COLUMN child_reissued_at timestamptz,  -- when the last such event was recorded
  ADD COLUMN child_reissued_to text;         -- the network that it names
