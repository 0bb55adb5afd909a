// Every change that must end tokens does end them. The change writes its revocations in its own transaction, every
// replica refuses exactly these tokens, and a verifier that reads the feed refuses the same tokens.
import t, { type Test } from 'tap';
import { EVENT_TYPES } from '../../../../src/base/events/catalogue.ts';
import { principalOf } from '../../../../src/protocol/caller.ts';
import type { AccessClaims, ClientClaims } from '../../../../src/protocol/claims.ts';
import { type Revocation, revocationOf } from '../../../../src/protocol/revocation.ts';
import { createRevocationMap } from '../../../../src/protocol/revocation-map.ts';
import { openEventCheck } from '../../../base/events/rows.ts';
import { createDatabase, type TestDatabase } from '../../../support/database.ts';
import { seedClientWithToken } from '../../../support/fixtures/clients.ts';
import { partsOf } from '../../../support/forge.ts';
import { openService, type Service } from '../../../support/service.ts';
import { openKeyFolders } from '../key-folders.ts';
import { CAUSES, type Cause } from './causes.ts';
import { ENDS_NOTHING } from './ends-nothing.ts';
import {
  HOLDERS,
  type Holder,
  latestTx,
  openTokenHolders,
  type TokenHolders,
  verdicts,
  writtenSince,
} from './token-holders.ts';

const GOOD = Object.fromEntries(HOLDERS.map((holder) => [holder, 'good'])) as Record<Holder, string>;

/** Returns the answers of a verifier that has received only these events. */
function judged(holders: TokenHolders, events: readonly Revocation[]): Record<Holder, string> {
  const map = createRevocationMap(() => 0, 960);
  for (const event of events) map.add(event);
  const verdictOf = (holder: Holder) => {
    const held = holders[holder];
    const { header, claims } = partsOf('token' in held ? held.token : held.accessToken);
    return map.judge(principalOf(claims as unknown as AccessClaims | ClientClaims, String(header.kid))) ?? 'good';
  };
  return Object.fromEntries(HOLDERS.map((holder) => [holder, verdictOf(holder)])) as Record<Holder, string>;
}

/** Returns the snapshot for a client of the organization, or for a client of the installation if the id is null. */
async function toldTo(
  holders: TokenHolders,
  { api }: Service,
  organizationId: string | null,
): Promise<readonly Revocation[] | null> {
  const { app, database } = holders;
  const { token } = await seedClientWithToken(app, database, { organizationId, permissions: ['revocations:read'] });
  const { status, body } = await api.get('/revocations', { token });
  return status === 200 ? body.data.events.map(revocationOf) : null;
}

// Tables whose rows the causes change. The number of rows and the newest transaction show whether a row has changed.
const STATE = ['sessions', 'users', 'clients', 'organizations', 'memberships', 'roles', 'revocations', 'events'].map(
  (table) => `SELECT '${table}' AS name, count(*)::int AS rows, max(xmin::text::bigint)::text AS latest FROM ${table}`,
);
const stateOf = (database: TestDatabase) => database.query(STATE.join(' UNION ALL '));

/** Tries the change while no revocation can be written. Checks that the change is not made either. */
async function cannotHappen(t: Test, cause: Cause, holders: TokenHolders): Promise<void> {
  const { database } = holders;
  await database.query('ALTER TABLE revocations ADD CONSTRAINT nothing_is_revoked CHECK (false) NOT VALID');
  const before = await stateOf(database);
  const outcome = await cause.happen(holders).then(
    (reply) => (reply as { status?: number } | undefined)?.status ?? 'done',
    () => 500,
  );
  t.equal(outcome, 500, 'it fails');
  t.same(await stateOf(database), before, 'it has changed nothing');
  await database.query('ALTER TABLE revocations DROP CONSTRAINT nothing_is_revoked');
}

async function happens(t: Test, cause: Cause, holders: TokenHolders, replica: Service): Promise<void> {
  const { app, api, database, here } = holders;
  const synchronize = async () => {
    await app.parts.revocations.synchronize();
    await replica.app.parts.revocations.synchronize();
  };
  await synchronize();
  t.same(await verdicts(replica.api, holders), GOOD);
  await cause.before?.(holders);
  if (!cause.follows) await cannotHappen(t, cause, holders);
  const tx = await latestTx(database);
  const reply = (await cause.happen(holders)) as { status?: number | string } | undefined;
  if (typeof reply?.status === 'number' && cause.event !== 'session.reuse_detected') t.ok(reply.status < 300);
  const written = await writtenSince(database, tx);
  t.ok(written.length > 0, 'the revocation is written');
  for (const { events, together } of written) {
    t.ok(events.includes(cause.event), `the transaction also records ${cause.event}`);
    t.ok(together, 'which made the change itself');
  }
  await synchronize();
  const expected = { ...GOOD, ...cause.refused };
  t.same(await verdicts(api, holders), expected, 'these tokens and no others are refused here');
  t.same(await verdicts(replica.api, holders), expected, 'these tokens and no others are refused by another replica');
  const everything = await toldTo(holders, replica, null);
  t.same(judged(holders, everything ?? []), expected, 'these tokens and no others are refused by a verifier');
  const isThere = await database.query('SELECT 1 FROM organizations WHERE id = $1', [here.id]);
  const own = isThere.length > 0 && (await toldTo(holders, replica, here.id));
  if (!own) return; // a suspended or deleted organization has no client that can read the feed
  const ofHere = ({ there, outsider, otherClient, ...rest }: Record<Holder, string>) => rest;
  t.same(
    ofHere(judged(holders, own)),
    ofHere(expected),
    'these tokens and no others are refused by a verifier of the organization',
  );
}

t.test('every change that must end tokens ends exactly the listed tokens', async (t) => {
  const database = await createDatabase(t);
  const { directory: KEYS_DIR } = await openKeyFolders(t);
  const service = await openService(t, database, { SESSIONS_PER_USER_MAX: '2', KEYS_DIR });
  const replica = await openService(t, database, { KEYS_DIR });
  const check = openEventCheck(database);
  for (const [title, cause] of Object.entries(CAUSES)) {
    const holders = await openTokenHolders(service, database);
    await check.readIds();
    await t.test(title, (t) => happens(t, cause, holders, replica));
    await check.readIds();
  }
  t.strictSame(await check.unfitEvents(), [], 'every event is recorded as in the catalogue');
});

t.test('every event of the catalogue is listed as ending tokens or not', async (t) => {
  const known = [...Object.values(CAUSES).map(({ event }) => event), ...Object.keys(ENDS_NOTHING)];
  t.strictSame([...new Set(known)].sort(), [...EVENT_TYPES].sort());
});
