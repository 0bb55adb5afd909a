-- A keyed hash of user, device and network. A sign-in compares it with the recent sessions of the user, and requests a
-- mail if none has it. Sessions of the version before have none; their user agents and addresses are compared when the
-- mail is due.
ALTER TABLE sessions ADD COLUMN device_lookup bytea;
