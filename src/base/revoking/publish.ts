// Publishes revocations after their commit. Operations that revoke something use this file. The rows are written by the
// SQL in sql.ts. Remembering revocations belongs to credentials/revocations.
import type { Revocation } from '../../protocol/revocation.ts';

export interface PublishDeps {
  /** Makes this process refuse at once what a commit has revoked, and the other processes soon after. Never raises. */
  readonly publish: (revocations: readonly Revocation[]) => unknown;
}

/** The result of a statement or transaction that may have revoked something. */
export interface Revoking {
  readonly revocations: readonly Revocation[];
}

/** Waits for the commit and publishes its revocations. A failed commit has revoked nothing. */
export async function publishing<Done extends Revoking>(deps: PublishDeps, commit: Promise<Done>): Promise<Done> {
  const done = await commit;
  await deps.publish(done.revocations);
  return done;
}
