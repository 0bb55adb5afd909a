// The query of the clients that have an audience of their own.
import { type SystemReader, statement } from '../../base/database/db.ts';

export interface ClientAudience {
  readonly id: string;
  readonly name: string;
  readonly organizationId: string | null;
  /** Null for a client of the installation. */
  readonly organizationSlug: string | null;
  readonly audience: string;
}

const OWN = statement(`
SELECT c.id::text AS id, c.name, c.organization_id::text AS "organizationId", o.slug AS "organizationSlug", c.audience
FROM clients c LEFT JOIN organizations o ON o.id = c.organization_id
WHERE c.audience IS NOT NULL AND c.audience <> ALL ($1::text[])
ORDER BY c.created_at, c.id`);

/** The clients of all organizations and of the installation that have an audience which is not in the list. */
export function listOwnAudiences(tx: SystemReader, audiences: readonly string[]): Promise<ClientAudience[]> {
  return tx.rows(OWN, [audiences]);
}
