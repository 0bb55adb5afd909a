ALTER TABLE sessions
  ADD COLUMN user_agent_sealed bytea,
  ADD COLUMN ip_sealed bytea,
  ADD COLUMN child_reissued_lookup bytea;

-- The version before changes one value of a session: the network to which a child was reissued.
CREATE FUNCTION sessions_personal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (SELECT phase FROM public.personal_data) = 'sealed' THEN
    IF NEW.user_agent IS NOT NULL AND NEW.user_agent_sealed IS NULL OR NEW.ip IS NOT NULL AND NEW.ip_sealed IS NULL
      OR TG_OP = 'UPDATE' AND NEW.child_reissued_to IS DISTINCT FROM OLD.child_reissued_to
        AND NEW.child_reissued_to IS NOT NULL THEN
      RAISE EXCEPTION 'personal data is sealed: the version before cannot write it any more'
        USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    NEW.user_agent := NULL;
    NEW.ip := NULL;
    NEW.child_reissued_to := NULL;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER sessions_personal BEFORE INSERT OR UPDATE ON sessions FOR EACH ROW
  WHEN (NEW.user_agent IS NOT NULL OR NEW.ip IS NOT NULL OR NEW.child_reissued_to IS NOT NULL)
  EXECUTE FUNCTION sessions_personal();
