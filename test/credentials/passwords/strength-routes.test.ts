// Registrations, invitations and the command line refuse a password that is easy to guess. Existing passwords continue
// to work.
import t from 'tap';
import { createPasswords } from '../../../src/credentials/passwords/hashing.ts';
import { cliOn } from '../../cli/command-line.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { seedInvitation } from '../../support/fixtures/invitations.ts';
import { QUICK_HASH } from '../../support/quick-hash.ts';
import { FULL_STRENGTH, openService } from '../../support/service.ts';

const WEAK = ['Password123!', 'Admin@123', '1234567890123456', 'Tenantry2026', 'Grace Hopper', 'Hopper1906!'];
const GOOD = 'gravel umbrella tuesday';
const NAME = 'Grace Hopper';

t.test('registration and invitations refuse an easy password, and nothing is used up', async (t) => {
  const database = await createDatabase(t);
  const { api } = await openService(t, database, FULL_STRENGTH);
  const owner = await newAccount(api);
  const invitation = await seedInvitation(database, owner.organization.id, {
    email: 'grace@example.com',
    role: 'viewer',
    invitedBy: owner.userId,
  });
  for (const password of WEAK) {
    const registering = { email: 'hopper@example.com', name: NAME, password, organizationName: 'Navy' };
    const refused = await api.post('/auth/register', registering);
    t.match(refused, { status: 422, code: 'validation_failed', body: { issues: [{ path: 'password' }] } }, password);
    const accepting = await api.post('/invitations/accept', { token: invitation.token, name: NAME, password });
    t.match(accepting, { status: 422, code: 'validation_failed', body: { issues: [{ path: 'password' }] } }, password);
  }
  t.match(
    await api.post('/auth/register', {
      email: 'h@example.com',
      name: 'H',
      password: 'NavyYard1!',
      organizationName: 'Navy Yard',
    }),
    { status: 422, body: { issues: [{ path: 'password', message: /easy to guess/ }] } },
    'a password with the words of the organization is refused',
  );
  t.equal((await database.query('SELECT 1 FROM users')).length, 1);
  t.equal((await api.post('/invitations/accept', { token: invitation.token, name: NAME, password: GOOD })).status, 200);
  t.equal((await api.post('/auth/register', { email: 'h@example.com', name: NAME, password: GOOD })).status, 201);
});

t.test('operators cannot set an easy password, and an older one still works at a sign-in', async (t) => {
  const database = await createDatabase(t);
  const { api } = await openService(t, database);
  const cli = cliOn(database, { PASSWORD_HASH_MEMORY_KIB: '19456' });
  for (const password of ['Password123!', 'Hopper1906!']) {
    const made = await cli.fed(
      `${password}\n`,
      'users',
      'create',
      'grace@example.com',
      '--name',
      NAME,
      '--password-stdin',
    );
    t.equal(made.status, 1);
    t.match(made.stderr, /password: Choose another password/);
  }
  const create = ['users', 'create', 'grace@example.com', '--name', NAME, '--password-stdin'];
  t.equal((await cli.fed(`${GOOD}\n`, ...create)).status, 0);
  const set = ['users', 'set-password', 'grace@example.com', '--password-stdin', '--yes'];
  t.match(await cli.fed('Hopper1906!\n', ...set), { status: 1, stderr: /Choose another password/ });
  const signIn = (password: string) => api.post('/auth/login', { email: 'grace@example.com', password });
  t.equal((await signIn(GOOD)).status, 200, 'the refused ones have changed nothing');
  const passwords = createPasswords({ parameters: QUICK_HASH, concurrency: 1, queueMax: 1 });
  const hash = await passwords.hash('Password123!');
  await database.query('UPDATE passwords SET hash = $1', [hash]);
  t.equal((await signIn('Password123!')).status, 200, 'an older password is not checked');
});
