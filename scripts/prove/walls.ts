// Proves: a caller who may change a member in one organization cannot lock this member out of another organization. Nor
// can changes of roles lock the member out of the first organization. An owner of organization A changes the member's
// roles, the member's status and a role that the member has, as fast as the service allows, while the member works in
// the organizations A and B with one session. `prove:walls [seconds]`.
import { setTimeout as delay } from 'node:timers/promises';
import { type Api, openApi, type Reply } from '../../test/support/client.ts';
import { type Account, newAccount } from '../../test/support/fixtures/accounts.ts';
import { asAdmin } from './database.ts';
import { demand } from './proof.ts';
import { type Testbed, withTestbed } from './testbed.ts';

const [seconds = 75] = process.argv.slice(2).map(Number);
const WORK_EVERY_MILLISECONDS = 200;
/** A careful client refreshes long before its token expires. This one refreshes far more often. */
const REFRESH_EVERY_MILLISECONDS = 5_000;
/** A change may fall between a refresh and the next request, as long as the budgets allow several changes in a row. */
const LOCKED_OUT_MILLISECONDS = 3_000;
/** After this many tries in a row, the client waits before the next one. */
const QUICK_TRIES = 4;
const TRY_AGAIN_MILLISECONDS = 250;
/** The fraction of the run after which the owner also suspends and reactivates the person. */
const STATUS_AFTER = 0.7;
/** How long the client requests nothing from A after an answer that it has no access there. */
const DENIED_MILLISECONDS = 5_000;

interface Walls {
  readonly api: Api;
  readonly owner: Account;
  readonly person: Account;
  /** A role of A that the person holds in addition to another one. */
  readonly roleId: string;
}

/** Counts answers by their code, or by their status if they have no code. */
function createTally() {
  const counts = new Map<string, number>();
  return {
    add({ status, code }: Reply) {
      const name = code ?? `${status}`;
      counts.set(name, (counts.get(name) ?? 0) + 1);
    },
    of: (name: string) => counts.get(name) ?? 0,
    shown: () => [...counts].map(([name, count]) => `${count} × ${name}`).join(', '),
  };
}

/** A is the organization of `owner`. B is the person's own. */
async function openWalls(testbed: Testbed): Promise<Walls> {
  const service = await testbed.startService({ settings: { RATE_LIMIT_ENABLED: 'true', TRIAL_TEAM_MEMBERS: '100' } });
  const api = openApi(service.url);
  const [owner, person] = [await newAccount(api), await newAccount(api)];
  const made = await api.post(
    '/roles',
    { name: 'worker', level: 1, permissions: ['deals:read'] },
    { token: owner.accessToken },
  );
  demand(made.status === 201, `POST /roles answered ${made.status}: ${made.text}`);
  await asAdmin(testbed, async (query) => {
    const member = [owner.organization.id, person.userId];
    await query('INSERT INTO memberships (organization_id, user_id) VALUES ($1, $2)', member);
    await query(
      `INSERT INTO role_assignments (id, organization_id, user_id, role_id, role_owner_key)
       SELECT gen_random_uuid(), $1, $2, id, owner_key FROM roles WHERE name IN ('agent', 'worker')`,
      member,
    );
  });
  return { api, owner, person, roleId: made.body.data.id };
}

/** The attacks of the owner, each in a loop of its own. */
function attacks({ api, owner, person, roleId }: Walls): Record<string, () => Promise<Reply>> {
  const turns = { member: 0, role: 0 };
  const token = { token: owner.accessToken };
  const path = `/users/${person.userId}`;
  const keeping = { role: roleId };
  return {
    'roles of the member': async () => {
      const role = turns.member % 2 === 0 ? 'viewer' : 'agent'; // never the role that the person has
      const reply = await api.patch(path, { roles: [{ role }, keeping] }, token);
      if (reply.status === 200) turns.member += 1;
      return reply;
    },
    'a role of the member': () => {
      turns.role += 1;
      return api.patch(`/roles/${roleId}`, { permissions: [`deals:read${turns.role}`] }, token);
    },
    'status of the member': async () => {
      await api.patch(path, { status: 'suspended' }, token);
      return api.patch(path, { status: 'active' }, token);
    },
  };
}

async function until(end: number, everyMilliseconds: number, step: () => Promise<unknown>): Promise<void> {
  while (performance.now() < end) {
    await step();
    await delay(everyMilliseconds);
  }
}

/** The person's session, shared by two tabs: one works in A, the other in B. Refreshes run one after another. */
function openSession({ api, person }: Walls) {
  const refreshes = createTally();
  let { refreshToken } = person;
  let last: Promise<unknown> = Promise.resolve();
  const exchange = async (organization: string) => {
    const reply = await api.post('/auth/refresh', { refreshToken, organization });
    refreshes.add(reply);
    if (reply.status === 200) refreshToken = reply.body.data.refreshToken;
    return reply;
  };
  return {
    refreshes,
    refresh(organization: string): Promise<Reply> {
      const next = last.then(() => exchange(organization));
      last = next.catch(() => undefined);
      return next;
    },
  };
}

await withTestbed({ name: 'walls', disposable: true }, async (testbed) => {
  demand(seconds > 0, 'usage: prove:walls [seconds]');
  const walls = await openWalls(testbed);
  const { api, owner, person } = walls;
  const [a, b] = [owner.organization.id, person.organization.id];
  const session = openSession(walls);
  const [inA, inB, made] = [createTally(), createTally(), createTally()];
  const lockedOut: string[] = [];
  let longest = 0;
  const suspended = 'organization_access_denied';
  const tokens = { a: '', b: person.accessToken };
  const first = await session.refresh(a);
  demand(first.status === 200, `the first refresh for A answered ${first.status}: ${first.text}`);
  tokens.a = first.body.data.accessToken;
  const end = performance.now() + seconds * 1000;

  const workInB = until(end, WORK_EVERY_MILLISECONDS, async () => inB.add(await api.get('/me', { token: tokens.b })));
  const renewInB = until(end, REFRESH_EVERY_MILLISECONDS, async () => {
    const reply = await session.refresh(b);
    inB.add(reply);
    if (reply.status === 200) tokens.b = reply.body.data.accessToken;
  });
  const workInA = until(end, WORK_EVERY_MILLISECONDS, async () => {
    const from = performance.now();
    for (let tries = 1; performance.now() - from < LOCKED_OUT_MILLISECONDS; tries += 1) {
      const reply = await api.get('/me', { token: tokens.a });
      inA.add(reply);
      if (reply.status === 200) {
        longest = Math.max(longest, tries === 1 ? 0 : performance.now() - from);
        return;
      }
      const refreshed = await session.refresh(a);
      // While the member is suspended, A has no token for them. That is a decision of A and concerns nothing else.
      if (refreshed.code === suspended) return void (await delay(DENIED_MILLISECONDS));
      if (refreshed.status !== 200) lockedOut.push(`a refresh answered ${refreshed.status} ${refreshed.code}`);
      else tokens.a = refreshed.body.data.accessToken;
      if (tries >= QUICK_TRIES) await delay(TRY_AGAIN_MILLISECONDS);
    }
    lockedOut.push(`no good token for ${LOCKED_OUT_MILLISECONDS} ms`);
  });
  const attacking = Object.entries(attacks(walls)).map(async ([name, attack]) => {
    const tally = createTally();
    // A suspended person cannot work in A at all, so the status is changed in the last part only.
    if (name.startsWith('status')) await delay(seconds * STATUS_AFTER * 1000);
    await until(end, 0, async () => {
      const reply = await attack();
      tally.add(reply);
      made.add(reply);
    });
    return `${name}: ${tally.shown()}`;
  });
  const [, , , ...attacked] = await Promise.all([workInB, renewInB, workInA, ...attacking]);

  for (const line of attacked) console.log(`the owner of A changes ${line}`);
  console.log(`the person in A: ${inA.shown()}`);
  console.log(`the person in B: ${inB.shown()}; refreshes of the session: ${session.refreshes.shown()}`);
  demand(made.of('200') > 0 && made.of('too_many_requests') > 0, 'the owner changed nothing, or met no limit');
  demand(inB.shown() === `${inB.of('200')} × 200`, `in B something was refused: ${inB.shown()}`);
  demand(session.refreshes.of('too_many_requests') === 0, 'a refresh was refused with 429');
  demand(lockedOut.length === 0, `in A: ${lockedOut.length} × locked out: ${lockedOut[0]}`);
  return `SHOWN: for ${seconds} s an owner of A made ${made.of('200')} changes of a member and met ${made.of('too_many_requests')} refusals; in B, with the same session, ${inB.of('200')} requests and refreshes of this person were all answered 200; in A each stale token was renewed within ${longest.toFixed(0)} ms (${inA.of('200')} × 200, ${session.refreshes.of('200')} refreshes, none 429)`;
});
