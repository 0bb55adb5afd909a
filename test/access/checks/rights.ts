// Changes a member's rights as the service does: with a new epoch, in one transaction, and published after the commit.
import type { App } from '../../../src/app/app.ts';
import { raiseEpochs } from '../../../src/directory/users/epoch-store.ts';

/**
 * Runs SQL that changes a user's rights, and raises the user's epoch. In the SQL, $1 is the id of the organization and
 * $2 the id of the user.
 */
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
