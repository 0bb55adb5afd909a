// Proves: a database of the previous version with many accounts is updated while both versions serve requests. No
// request fails, each version sees what the other writes, and at the end no personal data is stored in clear. The proof
// also measures the search. `prove:personal-data <checkout of the previous version> [accounts]`.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { FIRST, LAST, measureSearches } from '../../../bench/searches.ts';
import { type Api, openApi } from '../../../test/support/client.ts';
import { type Account, newAccount } from '../../../test/support/fixtures/accounts.ts';
import { asAdmin, type Query } from '../database.ts';
import { demand } from '../proof.ts';
import { ROOT, type Service, type Testbed, withTestbed } from '../testbed.ts';

const [before, accounts = '100000'] = process.argv.slice(2);
const COUNT = Number(accounts);
const SETTINGS = {
  TRIAL_TEAM_MEMBERS: '1000000',
  INVITATION_MAILS_PER_DAY: '100000',
  LOGIN_FAILURES_MAX: '1000',
  LOG_LEVEL: 'error',
};
const PAUSE_MILLISECONDS = 20;
const SEARCHES = 40;

// $1 organization, $2 people, $3 and $4 first and last names.
const SEED = `
WITH people AS (
  INSERT INTO users (id, email, email_key, name)
  SELECT gen_random_uuid(), 'Person' || n || '@example.com', 'person' || n || '@example.com',
    ($3::text[])[1 + n % cardinality($3)] || ' ' || ($4::text[])[1 + (n / 7) % cardinality($4)] || ' ' || n
  FROM generate_series(1, $2::int) n RETURNING id
)
INSERT INTO memberships (organization_id, user_id) SELECT $1::uuid, id FROM people`;

const LEFT = `
SELECT ((SELECT count(*) FROM users WHERE email_sealed IS NULL OR email_lookup IS NULL OR name_sealed IS NULL)
  + (SELECT count(*) FROM sessions WHERE ip IS NOT NULL AND ip_sealed IS NULL))::int AS left`;
const CLEAR = `
SELECT ((SELECT count(*) FROM users WHERE coalesce(email, email_key, name) IS NOT NULL)
  + (SELECT count(*) FROM sessions WHERE coalesce(user_agent, ip, child_reissued_to) IS NOT NULL)
  + (SELECT count(*) FROM invitations WHERE coalesce(email, email_key) IS NOT NULL)
  + (SELECT count(*) FROM outbox WHERE recipient_key IS NOT NULL))::int AS clear`;

/** Sends requests of several kinds until it is stopped. Every answer must be a success. */
function openLoad(apis: () => readonly Api[], owner: Account) {
  let [isOver, count, slowest] = [false, 0, 0];
  const problems: string[] = [];
  const ask = async (what: string, request: Promise<{ status: number; text: string }>) => {
    const begun = performance.now();
    try {
      const { status, text } = await request;
      if (status >= 300) problems.push(`${what} answered ${status}: ${text}`);
    } catch (error) {
      problems.push(`${what}: ${(error as Error).message}`);
    }
    slowest = Math.max(slowest, performance.now() - begun);
    count += 1;
  };
  async function round(turn: number): Promise<void> {
    const all = apis();
    const api = all[turn % all.length] as Api;
    const other = all[(turn + 1) % all.length] as Api;
    const { email, password } = owner;
    const signed = await api.post('/auth/login', { email, password });
    await ask('login', Promise.resolve(signed));
    if (signed.status !== 200) return;
    const { accessToken: token, refreshToken } = signed.body.data;
    const name = `Name ${turn}`;
    await ask('rename', api.patch('/me', { name }, { token }));
    const me = await other.get('/me', { token });
    if (me.body?.data?.name !== name) problems.push(`the other version shows ${me.text} instead of ${name}`);
    await ask('refresh', other.post('/auth/refresh', { refreshToken }));
    await ask('sessions', other.get('/me/sessions', { token }));
    await ask('members', api.get(`/users?q=${encodeURIComponent(name)}`, { token }));
    const invited = { email: `guest${turn}@example.com`, roles: [{ role: 'viewer' }] };
    await ask('invite', api.post('/invitations', invited, { token }));
    await ask('invite again', other.post('/invitations', invited, { token }));
    const account = { email: `new${turn}@example.com`, password: 'correct horse battery prove', name: 'New' };
    await ask('register', api.post('/auth/register', account));
    const { email: fresh, password: chosen } = account;
    await ask('login of the new', other.post('/auth/login', { email: fresh, password: chosen }));
    const twice = await other.post('/auth/register', account);
    if (twice.code !== 'email_taken') problems.push(`registering twice answered ${twice.text}`);
  }
  const running = (async () => {
    for (let turn = 1; !isOver; turn += 1) {
      await round(turn);
      await delay(PAUSE_MILLISECONDS);
    }
  })();
  return {
    problems,
    async stop() {
      isOver = true;
      await running;
      return { count, slowest };
    },
  };
}

async function sealByCommand(testbed: Testbed): Promise<void> {
  const child = spawn(process.execPath, ['src/main.ts', 'keys', 'seal', '--yes'], {
    cwd: ROOT,
    stdio: 'inherit',
    env: { PATH: process.env.PATH ?? '', DATABASE_URL: testbed.postgres.ownerUrl, KEYS_DIR: testbed.keysDirectory },
  });
  const [code] = await once(child, 'exit');
  demand(code === 0, `keys seal ended with ${code}`);
}

async function untilSealed(query: Query): Promise<void> {
  for (;;) {
    const [row] = await query<{ left: number }>(LEFT);
    if ((row?.left ?? 1) < 10) return;
    await delay(500);
  }
}

await withTestbed({ name: 'personal-data', disposable: true }, async (testbed) => {
  demand(before !== undefined, 'name the folder of a checkout of the previous version');
  const older = await testbed.startService({ root: before, settings: SETTINGS });
  const issuer = { PUBLIC_URL: `http://localhost:${older.port}` };
  const [olderApi] = [openApi(older.url)];
  const owner = await newAccount(olderApi);
  const services: { older?: Service; newer?: Service } = { older };
  return asAdmin(testbed, async (query) => {
    await query(SEED, [owner.organization.id, COUNT, FIRST, LAST]);
    // The owner may invite people only with a verified address.
    await query('UPDATE users SET email_verified_at = now() WHERE id = $1', [owner.userId]);
    await query('VACUUM (ANALYZE)');
    const apis = () => [services.older, services.newer].flatMap((each) => (each ? [openApi(each.url)] : []));
    const load = openLoad(apis, owner);
    await delay(3_000);
    const begun = performance.now();
    services.newer = await testbed.startService({ settings: { ...SETTINGS, ...issuer } });
    const migrated = performance.now() - begun;
    await untilSealed(query);
    const filled = performance.now() - begun - migrated;
    await delay(3_000);
    delete services.older;
    await delay(2_000); // the requests that are on their way
    await older.end('SIGTERM');
    await sealByCommand(testbed);
    await delay(3_000);
    const { count, slowest } = await load.stop();
    demand(
      load.problems.length === 0,
      `${load.problems.length} of ${count} requests, such as: ${[...new Set(load.problems.map((each) => each.slice(0, 160)))].slice(0, 5).join('; ')}`,
    );
    const [row] = await query<{ clear: number }>(CLEAR);
    demand(row?.clear === 0, `${row?.clear} rows have values in clear`);
    await query('VACUUM (ANALYZE)');
    const api = openApi(services.newer.url);
    const signed = await api.post('/auth/login', { email: owner.email, password: owner.password });
    const searches = await measureSearches(api, signed.body.data.accessToken, SEARCHES);
    return [
      `SHOWN: ${COUNT} accounts were updated beside the previous version: ${count} requests, none failed, the slowest took ${slowest.toFixed(0)} ms.`,
      `  ready after ${migrated.toFixed(0)} ms, everything sealed ${(filled / 1000).toFixed(0)} s later, nothing in clear at the end`,
      `  ${searches}`,
    ].join('\n');
  });
});
