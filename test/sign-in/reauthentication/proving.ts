// Helpers for tests about the proof of who the user of a session is.
import type { App } from '../../../src/app/app.ts';
import { createLoginThrottle } from '../../../src/sign-in/password/throttle.ts';
import type { OwnPasswordDeps } from '../../../src/sign-in/reauthentication/own-password.ts';
import type { TestDatabase } from '../../support/database.ts';
import { partsOf } from '../../support/forge.ts';

/** Moves the start of a session and the last proof of its user back by this number of seconds. */
export async function age({ query }: TestDatabase, sessionId: string, seconds: number): Promise<void> {
  await query(
    `UPDATE sessions SET created_at = created_at - $2 * interval '1 second',
     authenticated_at = authenticated_at - $2 * interval '1 second' WHERE id = $1`,
    [sessionId, seconds],
  );
}

/** The claim auth_time of an access token, in seconds since 1970. */
export function authTimeOf(accessToken: string): number {
  return Number(partsOf(accessToken).claims.auth_time);
}

/** The dependencies of `assertFresh`. */
export function provingDeps({ parts }: App, failuresMax = 1000): OwnPasswordDeps {
  const { db, passwords, clock } = parts;
  return { db, passwords, throttle: createLoginThrottle({ clock, failuresMax }) };
}
