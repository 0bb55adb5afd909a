// The checks of the database after a kill: registrations are complete, and each session has one lineage.
import type { Personal } from '../../../src/base/secrets/personal.ts';
import type { Query } from '../database.ts';
import { demand } from '../proof.ts';
import { jtiOf, parentOf } from '../tokens.ts';

export interface Registration {
  readonly email: string;
  readonly password: string;
  readonly organizationName: string;
  wasSent: boolean;
  /** The content of the answer, if one arrived. */
  acknowledged?: { readonly userId: string; readonly organizationId: string; readonly sessionId: string };
}

interface Parts {
  lookup: string;
  user_id: string;
  organization_id: string | null;
  session_id: string | null;
  parts: Record<string, number>;
}

// Counts each part of a registration. Only the registration opens sessions here, because there is no other sign-in.
const PARTS = `
SELECT encode(u.email_lookup, 'base64') AS lookup, u.id AS user_id, m.organization_id, s.id AS session_id, json_build_object(
  'password', (SELECT count(*) FROM passwords p WHERE p.user_id = u.id),
  'membership', (SELECT count(*) FROM memberships x WHERE x.user_id = u.id),
  'organization', (SELECT count(*) FROM organizations o WHERE o.id = m.organization_id),
  'assignment', (SELECT count(*) FROM role_assignments a WHERE a.user_id = u.id AND a.organization_id = m.organization_id),
  'subscription', (SELECT count(*) FROM subscriptions x WHERE x.organization_id = m.organization_id),
  'session', (SELECT count(*) FROM sessions x WHERE x.user_id = u.id AND x.revoked_at IS NULL),
  'user.registered', (SELECT count(*) FROM events e WHERE e.type = 'user.registered' AND e.target_id = u.id),
  'organization.created',
    (SELECT count(*) FROM events e WHERE e.type = 'organization.created' AND e.target_id = m.organization_id),
  'session.opened', (SELECT count(*) FROM events e WHERE e.type = 'session.opened' AND e.target_id = s.id)) AS parts
FROM users u LEFT JOIN memberships m ON m.user_id = u.id LEFT JOIN sessions s ON s.user_id = u.id
WHERE u.email_lookup = ANY($1)`;

// Counts rows whose counterpart is missing, such as an organization without a member. An incomplete registration would
// leave such rows.
const ORPHANS = `
SELECT (SELECT count(*) FROM organizations o WHERE NOT EXISTS (SELECT FROM memberships m WHERE m.organization_id = o.id))
  + (SELECT count(*) FROM events e WHERE e.type = 'user.registered' AND NOT EXISTS (SELECT FROM users u WHERE u.id = e.target_id))
  + (SELECT count(*) FROM events e WHERE e.type = 'organization.created'
      AND NOT EXISTS (SELECT FROM organizations o WHERE o.id = e.target_id))
  + (SELECT count(*) FROM events e WHERE e.type = 'session.opened'
      AND NOT EXISTS (SELECT FROM sessions s WHERE s.id = e.target_id)) AS orphans`;

export interface Found {
  readonly whole: number;
  /** How many registrations were sent and not answered, and are absent from the database. */
  readonly absent: number;
  /** How many registrations are complete in the database, although no answer arrived. */
  readonly lostButThere: number;
}

/** Raises NotShown unless each registration has every part once or no part, and every acknowledged one is complete. */
export async function demandWholeRegistrations(
  query: Query,
  personal: Personal,
  registrations: readonly Registration[],
): Promise<Found> {
  const emails = new Map(registrations.map(({ email }) => [personal.lookup('users.email', email), email]));
  const rows = await query<Parts>(PARTS, [[...emails.keys()].map((lookup) => Buffer.from(lookup, 'base64'))]);
  const byEmail = new Map<string, Parts>();
  for (const row of rows) {
    const email = emails.get(row.lookup) ?? '';
    demand(!byEmail.has(email), `${email} has two memberships or sessions`);
    byEmail.set(email, row);
    const isWhole = Object.values(row.parts).every((count) => Number(count) === 1);
    demand(isWhole, `the registration of ${email} is incomplete: ${JSON.stringify(row.parts)}`);
  }
  const [left] = await query<{ orphans: string }>(ORPHANS);
  demand(Number(left?.orphans) === 0, `${left?.orphans} parts of incomplete registrations are left`);
  let absent = 0;
  let lostButThere = 0;
  for (const { email, acknowledged, wasSent } of registrations) {
    const row = byEmail.get(email);
    if (acknowledged) {
      demand(
        row?.user_id === acknowledged.userId &&
          row.organization_id === acknowledged.organizationId &&
          row.session_id === acknowledged.sessionId,
        `the acknowledged registration of ${email} is lost: ${JSON.stringify(row)}`,
      );
    } else if (row) lostButThere += 1;
    else if (wasSent) absent += 1;
  }
  return { whole: rows.length, absent, lostButThere };
}

/**
 * Raises NotShown unless the session is alive and its chain consists of the token just presented and the token that
 * replaced it.
 */
export async function demandOneLineage(
  query: Query,
  sessionId: string,
  presented: string,
  child: string,
): Promise<void> {
  const [row] = await query<{ confirmed: string; successor: string; revoked_at: Date | null }>(
    'SELECT confirmed, successor, revoked_at FROM sessions WHERE id = $1',
    [sessionId],
  );
  const isOne =
    row?.revoked_at === null &&
    row.confirmed === jtiOf(presented) &&
    row.successor === jtiOf(child) &&
    parentOf(child) === jtiOf(presented);
  demand(isOne, `session ${sessionId} does not have one lineage: ${JSON.stringify(row)}`);
}
