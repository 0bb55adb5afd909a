// The query that rotates refresh tokens. One statement checks a refresh token and updates the session that it belongs
// to.
import { type SystemReader, statement } from '../../base/database/db.ts';
import { newTokenId, type Random } from '../../base/platform/random.ts';
import type { Revoking } from '../../base/revoking/publish.ts';
import { isKeyRevokedSql, revokingSessions } from '../../base/revoking/sql.ts';
import { sealForPerson } from '../../base/secrets/person-keys.ts';
import { SUBJECT_COLUMNS, type Subject, subject, subjectOf } from './subject-store.ts';

// SQL: whether nobody may use the presented token any more. `s` is the row of the session. $5 jti and $6 parent of the
// token, $7 seconds of grace.
const isReused = (now: string) => `s.confirmed <> $5 AND s.confirmed <> $6
            AND NOT (s.previous IS NOT DISTINCT FROM $5 AND s.confirmed_at > ${now} - $7::float8 * interval '1 second')`;

/** The parts in which the two forms of the statement differ. `v` is the row with the verdict. */
interface Form {
  /** The condition on a session whose token was reused. */
  readonly reused: string;
  /** The verdict and `reissued`, from the row `k`. */
  readonly decided: string;
  readonly columns: string;
  readonly values: string;
  /** Common table expressions that write what `rotated` has done. */
  readonly records: string;
}

// Nearly every rotation writes nothing but the session. The form for these rotations has no other table to write to,
// because each makes a statement considerably more expensive, even if it gets no row.
const USUAL: Form = {
  reused: `NOT (${isReused('clock_timestamp()')})`,
  decided: `CASE WHEN k.reissued OR k.verdict = 'reuse' THEN 'undecided' ELSE k.verdict END AS verdict`,
  columns: 'replaced_child_at',
  values: `CASE WHEN v.verdict = 'undecided' THEN 'infinity'::timestamptz END`,
  records: '',
};

// $5 jti of the presented token, $10 keyed hash of the network, $12 whether the session acts for $2 from now on, $13
// whether the database has certainly lost no token of the session, $14 event `session.child_reissued`, $15 the network
// sealed for it, $16 id and $17 sealed secret of its key.
//
// Before a session ends because of reuse, the caller asks whether the database has lost its newest tokens. So only a
// second statement, with $13, ends it. Without $13, the statement changes nothing in this case.
const RECORDING: Form = {
  reused: `($13::boolean OR NOT (${isReused('clock_timestamp()')}))`,
  decided: 'k.verdict, k.reissued',
  columns: 'organization_id, revoked_at, revoked_reason, replaced_child_at, child_reissued_at, child_reissued_lookup',
  values: `
      CASE WHEN $12::boolean AND v.verdict NOT IN ('reuse', 'refused') THEN (SELECT id FROM chosen) ELSE s.organization_id END,
      CASE WHEN v.verdict = 'reuse' THEN v.now ELSE s.revoked_at END,
      CASE WHEN v.verdict = 'reuse' THEN 'reuse_detected' ELSE s.revoked_reason END,
      CASE WHEN v.reissued THEN s.successor_at END,
      CASE WHEN v.reissued THEN v.now ELSE s.child_reissued_at END,
      CASE WHEN v.reissued THEN decode($10, 'base64') ELSE s.child_reissued_lookup END`,
  records: `,
revoked AS (${revokingSessions('rotated WHERE revoked_at IS NOT NULL')}),
recorded AS (
  INSERT INTO events (id, organization_id, type, actor_id, target_id, data)
  SELECT gen_random_uuid(), organization_id, 'session.reuse_detected', user_id, id, json_build_object('jti', $5::uuid)::jsonb
  FROM rotated WHERE revoked_at IS NOT NULL
  UNION ALL
  SELECT gen_random_uuid(), organization_id, 'session.organization_switched', user_id, id, '{}'
  FROM rotated WHERE $12::boolean AND revoked_at IS NULL AND (SELECT ok FROM eligible)
  UNION ALL
  SELECT $14::uuid, organization_id, 'session.child_reissued', user_id, id,
    json_build_object('network', json_build_object('key', $16::uuid, 'sealed', $15::text),
      'ageSeconds', floor(extract(epoch FROM successor_at - replaced_child_at))::int)::jsonb
  FROM rotated WHERE replaced_child_at IS NOT NULL
),
locked_in AS (
  INSERT INTO person_keys (id, user_id, secret_sealed) SELECT $16::uuid, user_id, decode($17, 'base64')
  FROM rotated WHERE replaced_child_at IS NOT NULL
)`,
};

// A child is a token that a rotation returns. The first use of a child confirms the child. One UPDATE compares the
// presented token with the row and changes the row. After it has waited for the lock of the row, PostgreSQL computes
// the sub-select again for the newest version of the row. So requests at the same moment are decided one after the
// other, and each reads the clock once. `OFFSET 0` keeps PostgreSQL from copying the verdict into each column that
// depends on it, which would make the statement much slower. If the subject must not get a token, the statement changes
// nothing. If nobody may use the presented token any more, a copy of it is probably in use, so the statement ends the
// session. That end is committed with its event and its revocation. $1 user, $2 organization to act for (id or slug) or
// null, $3 session, $4 jti of a new child, $5 jti and $6 parent of the presented token, $7 seconds of grace, $8
// lifetime of a refresh token in seconds, $9 organization for which the session must act, or null for any, $10 keyed
// hash of the network of the request, $11 the key of the presented token.
//
// A confirmed token that is sent again after the grace period gets a new child, because the answer with the former
// child may have been lost. It may also be a stolen copy, so an event says so. `reissued` bounds the events: a client
// that never keeps its children causes at most one an hour, or at most one a minute if it also changes its network.
// `replaced_child_at` is null after every other rotation, so that the row itself says whether this rotation records the
// event. The usual form answers `undecided` where the other one has something to write, and leaves the session as it
// was but for `replaced_child_at`.
const rotation = ({ reused, decided, columns, values, records }: Form) =>
  statement(`
WITH ${subject('o.id = (SELECT organization_id FROM sessions WHERE id = $3)')},
eligible AS (
  SELECT p.status = 'active' AND CASE
    WHEN c.id IS NOT NULL THEN c.active AND c.member_active
    ELSE $2::text IS NULL AND NOT EXISTS (SELECT FROM sessions s
      JOIN organizations o ON o.id = s.organization_id AND o.deleted_at IS NULL WHERE s.id = $3) END AS ok
  FROM person p LEFT JOIN chosen c ON true
),
rotated AS (
  UPDATE sessions s SET (confirmed, previous, confirmed_at, successor, successor_at, idle_expires_at, last_seen_at,
    ${columns}) = (
    SELECT
      CASE WHEN v.verdict = 'first_use' THEN $5::uuid ELSE s.confirmed END,
      CASE WHEN v.verdict = 'first_use' THEN s.confirmed ELSE s.previous END,
      CASE WHEN v.verdict = 'first_use' THEN v.now ELSE s.confirmed_at END,
      CASE WHEN v.verdict IN ('first_use', 'new_child') THEN $4::uuid ELSE s.successor END,
      CASE WHEN v.verdict IN ('first_use', 'new_child') THEN v.now ELSE s.successor_at END,
      CASE WHEN v.verdict IN ('first_use', 'new_child')
        THEN least(v.now + $8::float8 * interval '1 second', s.expires_at) ELSE s.idle_expires_at END,
      CASE WHEN v.verdict IN ('reuse', 'refused', 'undecided') THEN s.last_seen_at ELSE v.now END,
      ${values}
    FROM (SELECT k.now, ${decided}
      FROM (SELECT j.now, j.verdict, j.verdict = 'new_child' AND s.successor_at IS NOT NULL
        AND (s.child_reissued_at IS NULL OR s.child_reissued_at < j.now - CASE
          WHEN s.child_reissued_lookup = decode($10, 'base64') THEN interval '1 hour' ELSE interval '1 minute' END) AS reissued
      FROM (SELECT i.now, CASE
          WHEN ${isReused('i.now')} THEN 'reuse'
          WHEN NOT (SELECT ok FROM eligible) THEN 'refused'
          WHEN s.organization_id IS DISTINCT FROM coalesce($9::uuid, s.organization_id) THEN 'refused'
          WHEN s.confirmed = $5 AND s.successor_at > i.now - $7::float8 * interval '1 second' THEN 'same_child'
          WHEN s.confirmed = $5 THEN 'new_child'
          WHEN s.confirmed = $6 THEN 'first_use'
          ELSE 'overtaken' END AS verdict
        FROM (SELECT clock_timestamp() AS now) i OFFSET 0) j) k OFFSET 0) v)
  WHERE s.id = $3 AND s.user_id = $1 AND s.revoked_at IS NULL AND NOT ${isKeyRevokedSql('$11::text')}
    AND s.idle_expires_at > clock_timestamp() AND s.expires_at > clock_timestamp() AND ${reused}
  RETURNING s.id, s.user_id, s.organization_id, s.confirmed, s.successor, s.successor_at, s.idle_expires_at,
    s.created_at, s.authenticated_at, s.amr, s.revoked_at, s.replaced_child_at
)${records}
SELECT ${SUBJECT_COLUMNS}, coalesce((SELECT ok FROM eligible), false)
    AND r.organization_id IS NOT DISTINCT FROM coalesce($9::uuid, r.organization_id) AS eligible,
  (SELECT row_to_json(k) FROM (SELECT revoked_at IS NOT NULL AS revoked, revoked_reason AS reason,
    idle_expires_at <= clock_timestamp() OR expires_at <= clock_timestamp() AS expired,
    extract(epoch FROM created_at)::float8 AS "beganAt"
    FROM sessions WHERE id = $3 AND user_id = $1) k) AS before,
  ${isKeyRevokedSql('$11::text')} AS "keyRevoked", r.replaced_child_at IS NOT DISTINCT FROM 'infinity' AS undecided,
  r.id IS NOT NULL AS live, r.revoked_at IS NOT NULL AS reused, r.confirmed, r.successor, r.successor_at,
  r.idle_expires_at, r.created_at, coalesce(r.authenticated_at, r.created_at) AS authenticated_at, r.amr
FROM person p LEFT JOIN rotated r ON true`);
const ROTATE = rotation(USUAL);
const ROTATE_AND_RECORD = rotation(RECORDING);

export interface Presented {
  readonly userId: string;
  readonly sessionId: string;
  readonly jti: string;
  readonly parent: string;
  /** The key that signed the token. */
  readonly kid: string;
  /** The jti of a new child. It is used if the rotation makes a new child. */
  readonly child: string;
  /** The id or slug of the organization to act for. With null, the session's organization is used. */
  readonly organization: string | null;
  /** Whether the session acts for that organization from now on. */
  readonly remember: boolean;
  /** With an id, a session that does not act for this organization is refused and does not change. */
  readonly actingFor: string | null;
  readonly graceSeconds: number;
  readonly refreshTtlSeconds: number;
  /** The network from which the token was sent. */
  readonly network: string;
  /** Whether the database has certainly lost no token of the session, so that a reused token ends the session. */
  readonly isWhole: boolean;
}

type Verdict =
  | { readonly verdict: 'bad_key' | 'unknown' | 'revoked' | 'expired' | 'reused' }
  /**
   * A token was reused, unless the database has lost newer tokens or the session has just ended. Nothing was changed.
   */
  | { readonly verdict: 'suspected'; readonly beganAt: number }
  | { readonly verdict: 'refused'; readonly subject: Subject }
  | {
      readonly verdict: 'rotated';
      readonly subject: Subject;
      readonly child: { jti: string; parent: string; issuedAt: Date; expiresAt: Date };
      readonly openedAt: Date;
      /** When the user last proved who they are. */
      readonly authenticatedAt: Date;
      readonly amr: readonly string[];
    };

/** The verdict on the token. If the token was reused, the verdict contains the revocation of the session. */
export type Rotation = Verdict & Revoking;

interface RotationRow extends Subject {
  eligible: boolean;
  before: { revoked: boolean; reason: string | null; expired: boolean; beganAt: number } | null;
  /** Whether the rotation has something to record. Then the usual form of the statement has not rotated. */
  undecided: boolean;
  keyRevoked: boolean;
  live: boolean;
  reused: boolean;
  confirmed: string;
  successor: string;
  successor_at: Date;
  idle_expires_at: Date;
  created_at: Date;
  authenticated_at: Date;
  amr: string[];
}

/**
 * Checks a refresh token and updates its session, in one statement. Only a rotation that records something, which is
 * known before or found out by that statement, takes another one.
 */
export async function rotateSession(tx: SystemReader, random: Random, presented: Presented): Promise<Rotation> {
  const isUsual = !presented.remember && !presented.isWhole;
  const usual = isUsual ? await rotate(tx, presented) : undefined;
  const row = !isUsual || usual?.undecided ? await rotateAndRecord(tx, random, presented) : usual;
  const judged = await verdictOf(tx, row, presented.isWhole);
  return { ...judged, revocations: judged.verdict === 'reused' ? [{ kind: 'session', sid: presented.sessionId }] : [] };
}

async function rotate(tx: SystemReader, presented: Presented): Promise<RotationRow | undefined> {
  return (await tx.rows<RotationRow>(ROTATE, valuesOf(tx, presented)))[0];
}

// The network is sealed for an event, which is rarely written.
async function rotateAndRecord(
  tx: SystemReader,
  random: Random,
  presented: Presented,
): Promise<RotationRow | undefined> {
  const eventId = newTokenId(random);
  const place = `events.network:${eventId}`;
  const { sealed, key } = sealForPerson(tx.personal, { random, place, text: presented.network });
  const recorded = [presented.remember, presented.isWhole, eventId, sealed, key.id, key.sealed];
  return (await tx.rows<RotationRow>(ROTATE_AND_RECORD, [...valuesOf(tx, presented), ...recorded]))[0];
}

function valuesOf({ personal }: SystemReader, presented: Presented) {
  const { userId, organization, sessionId, child, jti, parent, graceSeconds, refreshTtlSeconds } = presented;
  const network = personal.lookup('sessions.child_reissued', presented.network);
  return [
    ...[userId, organization, sessionId, child, jti, parent, graceSeconds, refreshTtlSeconds],
    ...[presented.actingFor, network, presented.kid],
  ];
}

async function verdictOf(tx: SystemReader, row: RotationRow | undefined, isWhole: boolean): Promise<Verdict> {
  if (row?.keyRevoked) return { verdict: 'bad_key' };
  if (!row?.before) return { verdict: 'unknown' };
  if (row.reused) return { verdict: 'reused' };
  if (!row.live) {
    if (row.before.revoked) return { verdict: row.before.reason === 'reuse_detected' ? 'reused' : 'revoked' };
    if (!isWhole && !row.before.expired) return { verdict: 'suspected', beganAt: row.before.beganAt };
    // The session was live when this statement began. So the session ended while this request waited for the row.
    return { verdict: row.before.expired ? 'expired' : 'revoked' };
  }
  if (!row.eligible) return { verdict: 'refused', subject: await subjectOf(tx, row) };
  return {
    verdict: 'rotated',
    subject: await subjectOf(tx, row),
    child: { jti: row.successor, parent: row.confirmed, issuedAt: row.successor_at, expiresAt: row.idle_expires_at },
    openedAt: row.created_at,
    authenticatedAt: row.authenticated_at,
    amr: row.amr,
  };
}
