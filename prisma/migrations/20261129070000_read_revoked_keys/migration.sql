-- A change checks in its own transaction that the key of the caller's token is not revoked, also in the scope of an
-- organization or a user. Which keys are revoked is no secret: the feed says it to every service client.

CREATE POLICY app_reads ON revoked_keys FOR SELECT TO tenantry_app USING (true);
GRANT SELECT ON revoked_keys TO tenantry_app;
