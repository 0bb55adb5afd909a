// The commands that close accounts, prove addresses, export data, delete organizations and revoke invitations.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { sharedKeysDirectory } from '../support/data-keys.ts';
import { createDatabase } from '../support/database.ts';
import { newAccount } from '../support/fixtures/accounts.ts';
import { seedInvitation } from '../support/fixtures/invitations.ts';
import { seedMembership } from '../support/fixtures/people.ts';
import { openService, PROGRAM_ENVIRONMENT, ROOT } from '../support/service.ts';
import { cliOn } from './command-line.ts';

const database = await createDatabase(t);
const { api } = await openService(t, database);
const cli = cliOn(database);

t.test('users delete names the organizations that prevent it, and can delete them with the account', async (t) => {
  const account = await newAccount(api);
  const { slug, id } = account.organization;
  const refused = await cli('users', 'delete', account.email, '--yes', '--json');
  t.match([refused.status, refused.json.error.code], [1, 'last_owner']);
  t.match(refused.json.error.detail, `or add --delete-organizations ${slug}`);
  const unconfirmed = await cli('users', 'delete', account.email, '--delete-organizations', slug);
  t.equal(unconfirmed.status, 2);
  const done = await cli('users', 'delete', account.email, '--delete-organizations', slug, '--yes', '--json');
  t.match(
    [done.status, done.json.data],
    [0, { id: account.userId, organizationsDeleted: [{ id, slug }] }],
    done.stderr,
  );
  for (const command of ['delete', 'disable', 'enable', 'verify', 'export']) {
    const gone = await cli(
      'users',
      command,
      account.userId,
      ...(['verify', 'enable', 'export'].includes(command) ? [] : ['--yes']),
      '--json',
    );
    t.equal(gone.json.error.code, 'not_found', command);
  }
  t.notOk((await cli('users', 'list', '--limit', '100')).stdout.includes(account.userId));
  t.match(
    await database.query(`SELECT actor_id FROM events WHERE target_id = $1 AND type = 'user.closed'`, [account.userId]),
    [{ actor_id: null }],
  );
});

t.test('users verify marks an address as proven, once', async (t) => {
  const account = await newAccount(api);
  for (const changed of [true, false]) {
    t.match((await cli('users', 'verify', account.email, '--json')).json.data, {
      changed,
      user: { emailVerified: true },
    });
  }
  const proven = await database.query(`SELECT 1 FROM events WHERE target_id = $1 AND type = 'user.email_verified'`, [
    account.userId,
  ]);
  t.equal(proven.length, 1);
});

t.test('users export writes the whole document, and overwrites no file', async (t) => {
  const account = await newAccount(api);
  await database.query(
    `INSERT INTO events (id, type, actor_id, target_id, at)
     SELECT gen_random_uuid(), 'user.renamed', $1, $1, now() - n * interval '1 second' FROM generate_series(1, 4100) AS n`,
    [account.userId],
  );
  const folder = mkdtempSync(join(tmpdir(), 'leaving-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'export.json');
  const written = await cli('users', 'export', account.email, '--output', file, '--json');
  t.equal(written.json.data.file, file, written.stderr);
  t.equal(statSync(file).mode & 0o777, 0o600);
  const document = JSON.parse(readFileSync(file, 'utf8'));
  t.match(document.data.account, { id: account.userId, email: account.email });
  t.match(document.data.memberships, [{ organization: account.organization, roles: [{ name: 'owner' }] }]);
  t.equal(document.data.sessions.length, 1);
  const ids = new Set(document.data.events.map(({ id }: { id: string }) => id));
  t.ok(ids.size > 4100 && ids.size === document.data.events.length);
  t.same(document.pagination, { nextCursor: null, hasMore: false });
  const again = await cli('users', 'export', account.email, '--output', file, '--json');
  t.equal(again.json.error.code, 'file_exists');
  const shown = await cli('users', 'export', account.email);
  t.equal(JSON.parse(shown.stdout).data.account.id, account.userId);
});

t.test('users export leaves no file when the disk has no room for it', async (t) => {
  const account = await newAccount(api);
  await database.query(
    `INSERT INTO events (id, type, actor_id, target_id) SELECT gen_random_uuid(), 'user.renamed', $1, $1
     FROM generate_series(1, 1000)`,
    [account.userId],
  );
  const folder = mkdtempSync(join(tmpdir(), 'leaving-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  // No file of this process may be longer than 32 KiB.
  const limited = ['-c', 'ulimit -f 64; exec "$0" "$@"', process.execPath, join(ROOT, 'src', 'main.ts')];
  const command = ['users', 'export', account.email, '--output', join(folder, 'export.json'), '--json'];
  const child = spawn('/bin/sh', [...limited, ...command], {
    env: {
      ...PROGRAM_ENVIRONMENT,
      ...{ NODE_ENV: 'test', DATABASE_URL: database.ownerUrl, KEYS_DIR: sharedKeysDirectory() },
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [[status], stdout, stderr] = await Promise.all([once(child, 'close'), text(child.stdout), text(child.stderr)]);
  t.equal(status, 1, stderr);
  t.equal(stdout, '');
  t.match(JSON.parse(stderr).error, { code: 'file_not_written', detail: /cannot be written: EFBIG$/ });
  t.same(readdirSync(folder), []);
});

t.test('orgs delete deletes an organization with its members', async (t) => {
  const [owner, member] = [await newAccount(api), await newAccount(api)];
  const { slug, id } = owner.organization;
  await seedMembership(database, { organizationId: id, userId: member.userId, role: 'agent' });
  t.equal((await cli('orgs', 'delete', slug)).status, 2, 'without a confirmation nothing happens');
  const done = await cli('orgs', 'delete', slug, '--yes', '--json');
  t.match(done.json.data, { id, slug }, done.stderr);
  t.same(await database.query('SELECT 1 FROM organizations WHERE id = $1', [id]), []);
  t.same(await database.query('SELECT 1 FROM memberships WHERE organization_id = $1', [id]), []);
  t.equal((await cli('orgs', 'delete', slug, '--yes', '--json')).json.error.code, 'not_found');
});

t.test('invitations are listed in pages, and revoked by their id', async (t) => {
  const { organization } = await newAccount(api);
  const ids: string[] = [];
  for (const email of ['a@example.com', 'b@example.com', 'c@example.com']) {
    ids.push((await seedInvitation(database, organization.id, { email, role: 'viewer' })).id);
  }
  const page = await cli('invitations', 'list', '--org', organization.slug, '--limit', '2', '--json');
  t.match(page.json, { pagination: { total: 3, limit: 2, hasMore: true } });
  const revoke = () => cli('invitations', 'revoke', ids[1] ?? '', '--org', organization.id, '--json');
  t.match((await revoke()).json.data, { id: ids[1], status: 'revoked' });
  t.equal((await revoke()).json.error.code, 'not_found');
  const revoked = await cli('invitations', 'list', '--org', organization.slug, '--status', 'revoked', '--json');
  t.match(revoked.json, { data: [{ id: ids[1], email: 'b@example.com' }], pagination: { total: 1 } });
  const foreign = await newAccount(api);
  const other = await cli('invitations', 'revoke', ids[0] ?? '', '--org', foreign.organization.id, '--json');
  t.equal(other.json.error.code, 'not_found', 'of another organization');
});
