// The SQL that writes revocations. Each is one part of a WITH clause, so that a change and its revocation are one
// statement. The caller publishes the revocations after the commit: see publish.ts. The SQL that reads whether a key is
// revoked is here, too, because several wings have statements that ask PostgreSQL for the current state of a token.

/** The condition that a key has been revoked. `kid` is an SQL expression of type text, null for an unknown key. */
export const isKeyRevokedSql = (kid: string) => `EXISTS (SELECT FROM revoked_keys WHERE kid = ${kid})`;

/** Revokes the sessions that `from` selects. The rows of `from` have `id`. */
export const revokingSessions = (from: string) =>
  `INSERT INTO revocations (id, kind, subject) SELECT gen_random_uuid(), 'session', id FROM ${from}`;

/**
 * Revokes the tokens of users or clients that have a lower epoch. The rows of `from` have `id` and `epoch`. `causedIn`
 * is a column of these rows with the organization of the change. By default, it is the organization that the
 * transaction acts for.
 */
export const revokingEpochs = (kind: 'user' | 'client', from: string, causedIn?: string) =>
  `INSERT INTO revocations (id, kind, subject, epoch${causedIn ? ', caused_in' : ''})
  SELECT gen_random_uuid(), '${kind}', id, epoch${causedIn ? `, ${causedIn}` : ''} FROM ${from}`;

/**
 * Revokes the tokens that users have for one organization and that have a lower epoch. The rows of `from` have
 * `organization_id`, `user_id` and the `epoch` of the membership, which is the user's epoch after the change.
 */
export const revokingMemberships = (from: string) =>
  `INSERT INTO revocations (id, kind, subject, epoch, membership_organization_id)
  SELECT gen_random_uuid(), 'user', user_id, epoch, organization_id FROM ${from}`;

/**
 * Revokes the tokens for one organization that name a role and that have a lower epoch of the roles. The rows of `from`
 * have the `id` of the organization, the `epoch` of its roles, and `role_name`, the name of the role in older tokens.
 */
export const revokingRole = (from: string) =>
  `INSERT INTO revocations (id, kind, subject, epoch, membership_organization_id, role_name)
  SELECT gen_random_uuid(), 'user', id, epoch, id, role_name FROM ${from}`;
