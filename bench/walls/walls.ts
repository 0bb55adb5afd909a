// `npm run bench:walls` measures the requests of one organization while another one is quiet, and while it sends
// much load, in turns within one run. load.ts sends the load. README.md explains the figures.
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { withTestbed } from '../../scripts/prove/testbed.ts';
import type { Personal } from '../../src/base/secrets/personal.ts';
import { type Api, openApi } from '../../test/support/client.ts';
import { personalIn } from '../../test/support/personal.ts';
import type { Tally, Task } from '../load.ts';
import { startWorker, type Worker } from '../worker.ts';
import { insertMembers } from './members.ts';

const { values: options } = parseArgs({
  options: {
    members: { type: 'string', default: '100000' },
    quick: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
  },
});
const ROUNDS = options.quick ? 1 : 3;
const MILLISECONDS = options.quick ? 1_500 : 4_000;
const RATIO_MAX = 3;

// $1 organization, $2 ids of people, $3 a role of the organization.
const SEED = `
WITH members AS (
  INSERT INTO memberships (organization_id, user_id) SELECT $1::uuid, unnest($2::uuid[]) RETURNING user_id
)
INSERT INTO role_assignments (id, organization_id, user_id, role_id, role_owner_key)
SELECT gen_random_uuid(), $1::uuid, user_id, $3::uuid, $1::uuid FROM members`;

interface Seeding {
  readonly admin: pg.Client;
  readonly personal: Personal;
}

interface Side {
  readonly token: string;
  readonly roleId: string;
}

/** Registers an owner with an organization, and inserts members who all have one role of the organization. */
async function openSide(api: Api, { admin, personal }: Seeding, name: string, members: number): Promise<Side> {
  const account = { email: `${name}@example.com`, password: 'correct horse battery walls', name };
  const { body } = await api.post('/auth/register', { ...account, organizationName: name });
  const token: string = body.data.accessToken;
  const role = await api.post('/roles', { name: 'sales', level: 1, permissions: ['deals:read'] }, { token });
  const roleId: string = role.body.data.id;
  const ids = await insertMembers(admin, personal, { name, count: members });
  await admin.query(SEED, [body.data.organization.id, ids, roleId]);
  return { token, roleId };
}

type Request = Pick<Task, 'method' | 'path' | 'turns' | 'bodies'>;
const settings = [{ settings: { color: 'red' } }, { settings: { color: 'blue' } }].map((body) => JSON.stringify(body));
const roleChanges = [['deals:read'], ['deals:read', 'deals:write']].map((permissions) =>
  JSON.stringify({ permissions }),
);

const floodsOf = ({ roleId }: Side): Record<string, Request & { connections: number }> => ({
  '20 searches': { method: 'GET', path: '/api/v1/users?q=nobody', connections: 20 },
  '600 changes': { method: 'PATCH', path: '/api/v1/organizations/current', bodies: settings, connections: 600 },
  '4 role changes': { method: 'PATCH', path: `/api/v1/roles/${roleId}`, bodies: roleChanges, connections: 4 },
});
const MEASURED: Record<string, Request> = {
  reads: { method: 'GET', path: '/x', turns: [{ path: '/api/v1/me' }, { path: '/api/v1/users' }] },
  writes: { method: 'PATCH', path: '/api/v1/organizations/current', bodies: settings },
};

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
const at = (durations: readonly number[], share: number) => durations[Math.floor(durations.length * share)] ?? 0;

interface Pair {
  readonly quiet: Tally;
  readonly loaded: Tally;
  readonly flood: Tally;
}

function line(name: string, pairs: readonly Pair[]): { readonly text: string; readonly isGood: boolean } {
  const of = (side: 'quiet' | 'loaded', share: number) => median(pairs.map((pair) => at(pair[side].durations, share)));
  const ratio = median(pairs.map(({ quiet, loaded }) => at(loaded.durations, 0.99) / at(quiet.durations, 0.99)));
  const failures = pairs.reduce((sum, { loaded }) => sum + loaded.failures, 0);
  const ofFlood = pairs.map(({ flood }) => `${flood.operations - flood.failures}+${flood.failures}`).join(' ');
  const figures = [of('quiet', 0.5), of('quiet', 0.99), of('loaded', 0.5), of('loaded', 0.99), ratio];
  const cells = figures.map((figure) => figure.toFixed(2).padStart(9));
  return {
    text: `${name.padEnd(24)}${cells.join('')}  ${String(failures).padStart(8)}  ${ofFlood}`,
    isGood: failures === 0 && ratio <= RATIO_MAX,
  };
}

await withTestbed({ name: 'walls', disposable: true }, async (testbed) => {
  const service = await testbed.startService();
  const url = new URL(testbed.postgres.adminUrl);
  url.pathname = new URL(testbed.postgres.ownerUrl).pathname;
  const admin = new pg.Client({ connectionString: url.href });
  await admin.connect();
  const [flooders, callers] = [startWorker('load.ts'), startWorker('load.ts')];
  try {
    const api = openApi(service.url);
    const seeding = { admin, personal: await personalIn(testbed.keysDirectory) };
    const a = await openSide(api, seeding, 'large', Number(options.members));
    const b = await openSide(api, seeding, 'small', 20);
    await admin.query('VACUUM (ANALYZE)');
    const ask = (worker: Worker, { token }: Side, task: Request & { connections: number }) =>
      worker.ask<Tally>({
        ...{ port: service.port, headers: { authorization: `Bearer ${token}` } },
        ...{ milliseconds: MILLISECONDS, keepDurations: true, goesOn: true, ...task },
      });
    const measured = (request: Request) => ask(callers, b, { ...request, connections: 2 });
    for (const request of Object.values(MEASURED)) await measured(request); // warms up
    console.log(`${''.padEnd(24)} quiet p50   p99  loaded p50   p99 ms   ratio  B failed  A answered + refused`);
    let isGood = true;
    for (const [flood, load] of Object.entries(floodsOf(a)).filter(([name]) => name.includes(options.only))) {
      for (const [what, request] of Object.entries(MEASURED)) {
        const pairs: Pair[] = [];
        for (let round = 0; round < ROUNDS; round += 1) {
          const quiet = await measured(request);
          const flooding = ask(flooders, a, load);
          const loaded = await measured(request);
          pairs.push({ quiet, loaded, flood: await flooding });
        }
        const row = line(`${flood}: ${what}`, pairs);
        console.log(row.text);
        isGood &&= row.isGood;
      }
    }
    return `${availableParallelism()} cores: ${isGood ? 'every aim is met' : 'an aim is missed'}`;
  } finally {
    for (const worker of [flooders, callers]) worker.end();
    await admin.end();
  }
});
