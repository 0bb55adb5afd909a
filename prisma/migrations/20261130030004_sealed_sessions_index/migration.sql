-- The rows that are not sealed yet. Once there are none, the index is empty.
CREATE INDEX sessions_unsealed_idx ON sessions (id)
  WHERE user_agent IS NOT NULL AND user_agent_sealed IS NULL OR ip IS NOT NULL AND ip_sealed IS NULL;
