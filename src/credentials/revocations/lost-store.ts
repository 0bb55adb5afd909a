// The queries that bring back the epochs which a database has lost. New tokens get the epochs of the database.
// Processes and verifiers remember higher epochs, and would refuse these tokens as older than a change. So the epochs
// are raised to what is remembered, and the revocations are written again for processes that do not remember them. Each
// statement only raises epochs or adds missing revocations, so any number of processes may run it, any number of times.
import { type SystemReader, statement } from '../../base/database/db.ts';
import type { EpochRevocation } from '../../protocol/epoch-map.ts';

// An event may come from the stream, and anyone who can write to Redis may have put it there. A database cannot have
// lost this many changes, so an epoch that is further ahead is not genuine, and would leave no room below the largest
// integer. A restore raises epochs by a million, and its changes may be lost, too.
const LOST_MAX = 10_000_000;

// The rows are locked in the order of their ids, as in other statements, so that no two statements can deadlock. $1 ids
// and $2 epochs.
const raise = (table: 'users' | 'clients' | 'organizations', column: 'epoch' | 'roles_epoch') =>
  statement(`
WITH known AS (
  SELECT t.id, max(k.epoch) AS epoch FROM unnest($1::text[], $2::int[]) AS k (id, epoch)
  JOIN ${table} t ON t.id = k.id::uuid AND k.epoch - t.${column} BETWEEN 1 AND ${LOST_MAX} GROUP BY t.id
),
locked AS (
  SELECT t.id, k.epoch FROM ${table} t JOIN known k ON k.id = t.id
  WHERE t.${column} < k.epoch ORDER BY t.id FOR NO KEY UPDATE OF t
)
UPDATE ${table} t SET ${column} = l.epoch FROM locked l WHERE t.id = l.id AND t.${column} < l.epoch`);
const RAISE_USERS = raise('users', 'epoch');
const RAISE_CLIENTS = raise('clients', 'epoch');
const RAISE_ROLES = raise('organizations', 'roles_epoch');

// $1 users, $2 their organizations and $3 epochs.
const RAISE_MEMBERSHIPS = statement(`
WITH locked AS (
  SELECT m.user_id, m.organization_id, k.epoch
  FROM unnest($1::text[], $2::text[], $3::int[]) AS k (user_id, organization_id, epoch)
  JOIN memberships m ON m.user_id = k.user_id::uuid AND m.organization_id = k.organization_id::uuid
  JOIN users u ON u.id = m.user_id AND u.epoch >= k.epoch
  WHERE m.epoch < k.epoch ORDER BY m.user_id, m.organization_id FOR NO KEY UPDATE OF m
)
UPDATE memberships m SET epoch = l.epoch FROM locked l
WHERE m.user_id = l.user_id AND m.organization_id = l.organization_id AND m.epoch < l.epoch`);

// Writes only what is not above the epoch of its user, client or organization. $1 kinds, $2 subjects, $3 epochs,
// $4 organizations of memberships and roles, $5 names of roles.
const WRITE = statement(`
INSERT INTO revocations (id, kind, subject, epoch, membership_organization_id, role_name)
SELECT gen_random_uuid(), k.kind, k.subject::uuid, k.epoch, k.organization_id::uuid, k.role_name
FROM unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::text[]) AS k (kind, subject, epoch, organization_id, role_name)
WHERE NOT EXISTS (SELECT FROM revocations r
  WHERE r.kind = k.kind AND r.subject = k.subject::uuid AND r.epoch >= k.epoch
    AND r.membership_organization_id IS NOT DISTINCT FROM k.organization_id::uuid
    AND r.role_name IS NOT DISTINCT FROM k.role_name)
  AND k.epoch <= CASE WHEN k.kind = 'client' THEN (SELECT c.epoch FROM clients c WHERE c.id = k.subject::uuid)
    WHEN k.role_name IS NULL THEN (SELECT u.epoch FROM users u WHERE u.id = k.subject::uuid)
    ELSE (SELECT o.roles_epoch FROM organizations o WHERE o.id = k.subject::uuid) END`);

const INTEGER_MAX = 2_147_483_647;
/** A statement with more events could run into its time limit. */
const AT_ONCE = 1_000;

/**
 * Raises each epoch that is lower than its event says, unless the event is too far ahead to be genuine (LOST_MAX). Then
 * writes the events that the database does not have, except those whose epochs are still higher than the epochs of the
 * database.
 */
export async function writeLostEpochs(tx: SystemReader, events: readonly EpochRevocation[]): Promise<void> {
  const counted = events.filter(({ epoch }) => epoch <= INTEGER_MAX);
  for (let at = 0; at < counted.length; at += AT_ONCE) await writeSlice(tx, counted.slice(at, at + AT_ONCE));
}

async function writeSlice(tx: SystemReader, events: readonly EpochRevocation[]): Promise<void> {
  const rows = events.map(toRow);
  const ids = (...kinds: Row['of'][]) => rows.filter(({ of }) => kinds.includes(of));
  const columns = (listed: readonly Row[]) => [listed.map(({ subject }) => subject), listed.map(({ epoch }) => epoch)];
  // The epochs of memberships come from the counter of their users, which must not be lower.
  await tx.rows(RAISE_USERS, columns(ids('user', 'membership')));
  const members = ids('membership');
  const [users, epochs] = columns(members);
  await tx.rows(RAISE_MEMBERSHIPS, [users, members.map(({ organizationId }) => organizationId), epochs]);
  await tx.rows(RAISE_CLIENTS, columns(ids('client')));
  await tx.rows(RAISE_ROLES, columns(ids('role')));
  // The events come last: a person whose older tokens they refuse then gets tokens with the raised epoch.
  await tx.rows(WRITE, [
    ...[rows.map(({ of }) => (of === 'client' ? of : 'user')), ...columns(rows)],
    ...[rows.map(({ organizationId }) => organizationId), rows.map(({ role }) => role)],
  ]);
}

interface Row {
  readonly of: EpochRevocation['kind'];
  readonly subject: string;
  readonly epoch: number;
  readonly organizationId: string | null;
  readonly role: string | null;
}

/** The columns of the row from which `toRevocation` reads the event. */
function toRow(event: EpochRevocation): Row {
  const { kind: of, epoch } = event;
  if (of === 'client') return { of, subject: event.client_id, epoch, organizationId: null, role: null };
  if (of === 'role') return { of, subject: event.org, epoch, organizationId: event.org, role: event.role };
  return { of, subject: event.sub, epoch, organizationId: of === 'membership' ? event.org : null, role: null };
}
