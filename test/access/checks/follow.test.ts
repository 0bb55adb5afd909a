// How a check sees the changes of other processes: two processes with one database, and one process that loses its
// database.
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { startEmbedded } from '../../../src/base/embedded/embedded.ts';
import type { Api, Reply } from '../../support/client.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { seedMember } from '../../support/fixtures/people.ts';
import { assignRole, seedRole } from '../../support/fixtures/roles.ts';
import { fillPostgresFolder } from '../../support/servers/postgres.ts';
import { openService, spawnService } from '../../support/service.ts';
import { until } from '../../support/until.ts';
import { changeRights } from './rights.ts';

const QUESTION = { resource: 'deals', action: 'write' };
const TAKE_AWAY = 'DELETE FROM role_assignments WHERE organization_id = $1::uuid AND user_id = $2::uuid';

/** Repeats the request until an answer matches `fits`, and returns that answer. Earlier answers must match `others`. */
async function asked(t: Test, ask: () => Promise<Reply>, fits: Kind, others: Kind, about: string): Promise<Reply> {
  const wrong: Reply[] = [];
  let reply = await ask();
  await until(async () => {
    if (fits(reply)) return true;
    if (!others(reply)) wrong.push(reply);
    reply = await ask();
    return false;
  });
  t.same(wrong, [], about);
  return reply;
}

function asker(api: Api, token: string, userId: string) {
  return () => api.post('/authz/check', { ...QUESTION, userId }, { token });
}

type Kind = (reply: Reply) => boolean;
const isYes: Kind = (reply) => reply.status === 200 && reply.body.data.allowed === true;
const isNo: Kind = (reply) => reply.status === 200 && reply.body.data.allowed === false;

t.test('another process reads each change, or queries the database for each check while it cannot', async (t) => {
  const database = await createDatabase(t);
  const here = await openService(t, database);
  const there = await spawnService(t, {
    DATABASE_URL: database.ownerUrl,
    DATABASE_APP_URL: database.appUrl,
    DATABASE_SYSTEM_URL: database.systemUrl,
  });
  const owner = await newAccount(here.api);
  const organizationId = owner.organization.id;
  const userId = await seedMember(database, organizationId, 'agent');
  const roleId = await seedRole(database, organizationId, { name: 'closer', permissions: ['deals:write'] });
  const [askHere, askThere] = [here, there].map(({ api }) => asker(api, owner.accessToken, userId)) as [
    () => Promise<Reply>,
    () => Promise<Reply>,
  ];
  for (const ask of [askHere, askThere]) t.ok(isYes(await ask()));

  await changeRights(here.app, { organizationId, userId }, TAKE_AWAY);
  t.ok(isNo(await askHere()), 'the process that made the change uses it at once');
  await asked(t, askThere, isNo, isYes, 'the other process has read the change');

  await assignRole(database, { organizationId, userId, roleId });
  await changeRights(here.app, { organizationId, userId }, 'SELECT $1::uuid, $2::uuid');
  await asked(t, askThere, isYes, isNo, 'the other process reads the opposite change too');
  // From now on PostgreSQL refuses to read revocations. All other queries work.
  await database.query('REVOKE SELECT ON revocations FROM tenantry_system');
  t.teardown(() => database.query('GRANT SELECT ON revocations TO tenantry_system'));
  await changeRights(here.app, { organizationId, userId }, TAKE_AWAY);
  await asked(t, askThere, isNo, isYes, 'once the last read is too old, memory is not used');
  await assignRole(database, { organizationId, userId, roleId });
  t.ok(isYes(await askThere()), 'now each check queries PostgreSQL');
});

t.test('without PostgreSQL a check is refused with 503 and never answered from outdated memory', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tenantry-checks-'));
  chmodSync(folder, 0o755); // PostgreSQL runs as a user other than root and needs access
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const directory = fillPostgresFolder(join(folder, 'postgres'));
  const postgres = await startEmbedded({ directory, disposable: true });
  t.teardown(() => postgres.stop());
  const { api } = await spawnService(t, { DATABASE_URL: postgres.ownerUrl });
  const owner = await newAccount(api);
  const ask = asker(api, owner.accessToken, owner.userId);
  t.ok(isYes(await ask()));
  await postgres.stop();
  const isRefused: Kind = ({ status }) => status !== 200;
  const refused = await asked(t, ask, isRefused, isYes, 'memory may answer while it is fresh enough');
  t.match(refused, { status: 503, code: 'database_unavailable' });
  t.ok(Number(refused.headers.get('retry-after')) > 0);
  t.match(await ask(), { status: 503 }, 'later requests are refused too');
  t.match(await asker(api, owner.accessToken, crypto.randomUUID())(), { status: 503 });
});
