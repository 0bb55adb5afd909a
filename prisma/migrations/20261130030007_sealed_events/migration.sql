-- An event never changes. The version before has written one value in clear, the network of a reissued child. Sealing it is
-- the one change that is possible.
CREATE FUNCTION events_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.type = 'session.child_reissued' AND jsonb_typeof(OLD.data -> 'network') = 'string'
    AND jsonb_typeof(NEW.data -> 'network') = 'object'
    AND to_jsonb(NEW) - 'data' = to_jsonb(OLD) - 'data' AND NEW.data - 'network' = OLD.data - 'network' THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'an event never changes' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER events_guard BEFORE UPDATE ON events FOR EACH ROW EXECUTE FUNCTION events_guard();
GRANT UPDATE (data) ON events TO tenantry_system;
