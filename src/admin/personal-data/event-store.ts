// The queries that seal the one value in events that the previous version has written unsealed.
import { type SystemTx, statement } from '../../base/database/db.ts';
import type { SealedForPerson } from '../../base/secrets/person-keys.ts';

export const EVENTS_AT_ONCE = 200;

export interface ClearNetwork {
  readonly id: string;
  readonly userId: string;
  readonly network: string;
}

// $1 the id after which the events begin, so that all slices together read the table once.
const CLEAR = statement(`
SELECT e.id::text, e.actor_id::text AS "userId", e.data ->> 'network' AS network FROM events e
WHERE e.id > $1::uuid AND e.type = 'session.child_reissued' AND jsonb_typeof(e.data -> 'network') = 'string'
ORDER BY e.id LIMIT ${EVENTS_AT_ONCE}`);

export function listClearNetworks(tx: SystemTx, after: string): Promise<ClearNetwork[]> {
  return tx.rows(CLEAR, [after]);
}

// A user whose account is closed gets no key: then nobody can read the value, as after an erasure.
// $1 event, $2 user, $3 sealed network, $4 id of the key, $5 sealed secret of the key.
const SEAL = statement(`
WITH sealed AS (
  UPDATE events SET data = jsonb_set(data, '{network}', jsonb_build_object('key', $4::text, 'sealed', $3::text))
  WHERE id = $1::uuid AND jsonb_typeof(data -> 'network') = 'string' RETURNING id
)
INSERT INTO person_keys (id, user_id, secret_sealed)
SELECT $4::text::uuid, u.id, decode($5, 'base64') FROM sealed, users u WHERE u.id = $2::uuid AND u.status <> 'closed'`);

export async function sealEventNetwork(
  tx: SystemTx,
  { id, userId }: ClearNetwork,
  { key, sealed }: SealedForPerson,
): Promise<void> {
  await tx.rows(SEAL, [id, userId, sealed, key.id, key.sealed]);
}
