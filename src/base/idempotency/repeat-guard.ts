// How the rights of the caller of a repeat are checked before the caller gets a kept answer, which may contain a
// secret. The statement that finds the answer also reads what the check needs, so no replica answers a session that has
// ended elsewhere.

/** The rights of a member at the moment of the repeat. */
export interface Held {
  readonly level: number;
  readonly permissions: readonly string[];
}

/**
 * What the route needs. With an organization, the caller must be an active member of it. With a permission, the caller
 * must have that permission, too.
 */
export interface Needed {
  readonly organizationId: string | null;
  readonly permission: string | null;
}

export interface RepeatGuard {
  /**
   * A SELECT of one row about the caller. $1 is the id of the organization or null, $2 of the user, $3 of the session,
   * and $4 of the key that signed the caller's token.
   */
  readonly sql: string;
  /**
   * Checks the row. Raises what a first request would raise. Returns the rights of the caller in the organization, or
   * null without an organization.
   */
  assertAllowed(found: unknown, needed: Needed): Held | null;
}

/** A kept answer whose body is `{ data }`. */
export interface KeptBody {
  readonly data: Readonly<Record<string, unknown>>;
}

/** A further check of one operation, about what its kept answer contains. Raises what a first request would raise. */
export type AssertMayRepeat = (held: Held, kept: KeptBody) => Promise<void>;
