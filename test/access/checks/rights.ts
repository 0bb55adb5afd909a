// Changes of a member's rights as the service makes them: with the epoch, in one transaction, published after it.
import type { App } from '../../../src/app/app.ts';
import { raiseEpochs } from '../../../src/directory/users/epoch-store.ts';

/** Writes by SQL ($1: the organization, $2: the user) what changes the user's rights there, with the epoch. */
export async function changeRights(
  { parts }: { readonly parts: Pick<App['parts'], 'db' | 'publish'> },
  { organizationId, userId }: { readonly organizationId: string; readonly userId: string },
  sql: string,
): Promise<void> {
  const raised = await parts.db.organization({ organizationId }, async (tx) => {
    const revocations = await raiseEpochs(tx, [userId]);
    await tx.models.$executeRawUnsafe(sql, organizationId, userId);
    return revocations;
  });
  parts.publish(raised);
}
