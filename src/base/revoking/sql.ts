// The SQL by which the statements that end something write its revocation: parts of WITH, so that the change and its
// revocation are one statement. Whoever runs one publishes what it has revoked after the commit: see publish.ts.

/** Revokes the sessions of the rows of `from`, which have `id`. */
export const revokingSessions = (from: string) =>
  `INSERT INTO revocations (id, kind, subject) SELECT gen_random_uuid(), 'session', id FROM ${from}`;

/**
 * Revokes the tokens with a lower epoch of the users or clients of the rows of `from`, which have `id` and `epoch`. With
 * `causedIn`, a column of them, it was done in that organization; by default in the one that the transaction acts for.
 */
export const revokingEpochs = (kind: 'user' | 'client', from: string, causedIn?: string) =>
  `INSERT INTO revocations (id, kind, subject, epoch${causedIn ? ', caused_in' : ''})
  SELECT gen_random_uuid(), '${kind}', id, epoch${causedIn ? `, ${causedIn}` : ''} FROM ${from}`;
