// What the commands say about revoked signing keys. The database keeps their revocations for good, because the file of
// a key may come back from a backup.
import type { Config } from '../base/config/config.ts';
import { findRunning } from '../base/embedded/running.ts';
import { listRevokedKeys, type RevokedKey } from '../credentials/revocations/key-store.ts';
import type { Invocation } from './line/invocation.ts';
import { embeddedDirectory, type Operator, withOperator } from './line/operator.ts';

/** What the work returned, or why the database could not be used. */
export type Besides<T> = { readonly found: T } | { readonly unknown: string };

/**
 * Runs work on the database for a command that also works without one. An embedded database is not started for this.
 * Never raises.
 */
export async function withOperatorIfAny<T>(
  invocation: Invocation,
  config: Config,
  work: (operator: Operator) => Promise<T>,
): Promise<Besides<T>> {
  try {
    const directory = embeddedDirectory(config);
    if (directory !== null && !(await findRunning(directory))) return { unknown: 'no database runs here' };
    return { found: await withOperator(invocation, work) };
  } catch (error) {
    return { unknown: (error as Error).message.replace(/\.?\s*$/, '') };
  }
}

/** Every key that was ever revoked, the newest first. */
export function findRevokedKeys(invocation: Invocation, config: Config): Promise<Besides<readonly RevokedKey[]>> {
  return withOperatorIfAny(invocation, config, ({ db }) => listRevokedKeys(db.systemReader()));
}
