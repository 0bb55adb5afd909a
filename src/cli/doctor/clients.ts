// Finds the service clients that get no token, because their audience is not one that the operator lists.
import { listRefusedAudiences } from '../../access/clients/audiences.ts';
import type { Finding } from '../../base/database/examine.ts';
import type { Invocation } from '../line/invocation.ts';
import { withOperator } from '../line/operator.ts';

/** This many clients are named. The others are only counted. */
const NAMED_MAX = 10;

/** Returns no finding when the audience of every client is allowed. */
export function examineClients(invocation: Invocation): Promise<Finding[]> {
  return withOperator(invocation, async (operator) => {
    const refused = await listRefusedAudiences(operator);
    if (refused.length === 0) return [];
    const named = refused.slice(0, NAMED_MAX).map(({ id, name, organizationSlug, audience }) => {
      return `${name} (${id}, ${organizationSlug ?? 'installation'}) has ${audience}`;
    });
    const others = refused.length > NAMED_MAX ? ` and ${refused.length - NAMED_MAX} more` : '';
    const detail = `get no token, because their audience is not in TOKEN_AUDIENCES: ${named.join(', ')}${others}; add it there, or run tenantry clients set-audience`;
    return [{ name: 'service clients', status: 'warn', detail }];
  });
}
