// From the commit of what revokes to the processes that refuse it: every operation that ends something goes this way. The
// rows are written by sql.ts; what a process remembers of them is credentials/revocations' matter.
import type { Revocation } from '../../protocol/revocation.ts';

export interface PublishDeps {
  /** Makes this process refuse at once, and others in a moment, what a commit has revoked. Never raises. */
  readonly publish: (revocations: readonly Revocation[]) => unknown;
}

/** What a statement or transaction gives that may have revoked something. */
export interface Revoking {
  readonly revocations: readonly Revocation[];
}

/** Waits for the commit and publishes what it has revoked. What fails has revoked nothing. */
export async function publishing<Done extends Revoking>(deps: PublishDeps, commit: Promise<Done>): Promise<Done> {
  const done = await commit;
  await deps.publish(done.revocations);
  return done;
}
