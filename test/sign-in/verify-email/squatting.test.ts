// Somebody registers the address of another person and prepares everything to keep a way in. The owner of the mailbox
// proves it, and nothing of the attacker works any more.
import t from 'tap';
import { atOnce } from '../../support/client.ts';
import { refused } from '../../support/raw.ts';
import { eventsAbout } from '../../support/rows.ts';
import { openProving } from './proving.ts';

const proving = await openProving(t);
const { api, database, verify, isProven, register } = proving;

/** The token of a service client. */
async function clientToken(client: { clientId: string; clientSecret: string }) {
  const credentials = Buffer.from(`${client.clientId}:${client.clientSecret}`).toString('base64');
  const reply = await fetch(`${proving.service.url}/oauth/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${credentials}`, 'content-type': 'application/x-www-form-urlencoded' },
    body: 'grant_type=client_credentials',
  });
  return { status: reply.status, token: ((await reply.json()) as { access_token?: string }).access_token ?? '' };
}

t.test('the owner of a mailbox gets the account without what the attacker has set up in it', async (t) => {
  const attacker = await register({ name: 'Win money' });
  const { accessToken: token, email, password, userId } = attacker;
  const second = (await api.post('/auth/login', { email, password })).body.data;
  const made = await api.post('/clients', { name: 'Backdoor', permissions: ['users:read'] }, { token });
  t.equal(made.status, 201);
  const client = made.body.data;
  const before = await clientToken(client);
  t.equal((await api.get('/users', { token: before.token })).status, 200);
  const further = await api.post('/organizations', { name: 'Second one' }, { token });
  t.equal(further.status, 201);
  await database.query(
    `INSERT INTO one_time_tokens (id, user_id, purpose, token_hash, about_at, created_at, expires_at)
     VALUES (gen_random_uuid(), $1, 'change_email', sha256('planted'), now(), now(), now() + interval '1 day')`,
    [userId],
  );

  const reply = await verify({ token: attacker.token });
  t.match(reply, { status: 200, body: { data: { emailVerified: true, alreadyVerified: false, passwordSet: false } } });
  t.match(reply.body.data.resetToken, /^[\w-]{43}$/);
  t.ok(await isProven(userId));
  for (const old of [attacker, second]) {
    t.equal((await api.get('/me', { token: old.accessToken })).status, 401, 'an access token');
    t.equal((await api.post('/auth/refresh', { refreshToken: old.refreshToken })).status, 401, 'a refresh token');
  }
  refused(t, await api.post('/auth/login', { email, password }), 'invalid_credentials', 'the password');
  t.equal((await api.get('/users', { token: before.token })).status, 401, 'the token of the client');
  t.equal((await clientToken(client)).status, 401, 'the client');
  t.same(
    await database.query(
      'SELECT 1 FROM memberships m JOIN organizations o ON o.id = m.organization_id AND o.deleted_at IS NULL WHERE m.user_id = $1',
      [userId],
    ),
    [],
    'organizations without another member are deleted',
  );
  const open = await database.query<{ purpose: string }>(
    'SELECT purpose FROM one_time_tokens WHERE user_id = $1 AND used_at IS NULL AND ended_at IS NULL',
    [userId],
  );
  t.same(open, [{ purpose: 'reset_password' }], 'the change of the e-mail is dropped');
  const events = await eventsAbout(database, userId);
  t.same(events.filter((type) => ['user.claimed', 'user.email_verified'].includes(type)).sort(), [
    'user.claimed',
    'user.email_verified',
  ]);
  t.same(await database.query('SELECT 1 FROM passwords WHERE user_id = $1', [userId]), []);
  refused(t, await verify({ token: attacker.token }), 'invalid_or_expired_token', 'a second use');
});

t.test(
  'an organization with another member stays, and the clients that the attacker made there are gone',
  async (t) => {
    const attacker = await register();
    const other = await register();
    const { id: organizationId } = attacker.organization;
    const { body } = await api.post(
      '/clients',
      { name: 'Backdoor', permissions: ['users:read'] },
      { token: attacker.accessToken },
    );
    await database.query('INSERT INTO memberships (organization_id, user_id) VALUES ($1, $2)', [
      organizationId,
      other.userId,
    ]);
    t.equal((await verify({ token: attacker.token })).status, 200);
    const kept = await database.query('SELECT user_id FROM memberships WHERE organization_id = $1', [organizationId]);
    t.equal(kept.length, 2, 'the account of the mailbox is still a member');
    t.same(
      await database.query('SELECT 1 FROM organizations WHERE id = $1 AND deleted_at IS NOT NULL', [organizationId]),
      [],
    );
    t.equal((await clientToken(body.data)).status, 401, 'the client');
  },
);

t.test('an attacker who has made thousands of clients cannot keep the account from its owner', async (t) => {
  const attacker = await register();
  const { body } = await api.post(
    '/clients',
    { name: 'Backdoor', permissions: ['users:read'] },
    { token: attacker.accessToken },
  );
  await database.query(
    `INSERT INTO clients (id, organization_id, owner_key, name, permissions, authentication, created_by)
     SELECT gen_random_uuid(), organization_id, owner_key, name || n, permissions, authentication, created_by
     FROM clients, generate_series(1, 3000) AS n WHERE id = $1::uuid`,
    [body.data.id],
  );
  t.equal((await verify({ token: attacker.token })).status, 200);
  t.same(await database.query('SELECT 1 FROM clients WHERE created_by = $1', [attacker.userId]), []);
  const [ended] = await database.query<{ clients: number; events: number }>(
    `SELECT (SELECT count(*)::int FROM revocations WHERE kind = 'client' AND caused_in = $1) AS clients,
       (SELECT count(*)::int FROM events WHERE type = 'client.deleted' AND organization_id = $1) AS events`,
    [attacker.organization.id],
  );
  t.same(ended, { clients: 3001, events: 3001 });
  t.equal((await clientToken(body.data)).status, 401);
});

t.test('an organization that concerns somebody else, or is paid for, is not deleted', async (t) => {
  const cases: Readonly<Record<string, string>> = {
    'a suspended member': `INSERT INTO memberships (organization_id, user_id, status) VALUES ($1, $2, 'suspended')`,
    'a member with a disabled account': `WITH disabled AS (UPDATE users SET status = 'disabled' WHERE id = $2)
      INSERT INTO memberships (organization_id, user_id) VALUES ($1, $2)`,
    'a subscription': `UPDATE subscriptions SET status = 'past_due' WHERE organization_id = $1 AND $2::uuid IS NOT NULL`,
    nothing: `SELECT $1::uuid, $2::uuid`,
  };
  for (const [what, change] of Object.entries(cases)) {
    const [attacker, other] = [await register(), await register()];
    const { id } = attacker.organization;
    await database.query(change, [id, other.userId]);
    t.equal((await verify({ token: attacker.token })).status, 200, what);
    const kept = await database.query('SELECT 1 FROM organizations WHERE id = $1 AND deleted_at IS NULL', [id]);
    t.equal(kept.length, what === 'nothing' ? 0 : 1, what);
  }
});

t.test(
  'if both prove the address at once, one wins, and the account is either wholly claimed or wholly kept',
  async (t) => {
    for (let round = 0; round < 5; round += 1) {
      const user = await register();
      const [kept, claimed] = await atOnce(2, (index) =>
        verify({ token: user.token }, index === 0 ? user.accessToken : undefined),
      );
      t.ok(await isProven(user.userId));
      const me = await api.get('/me', { token: user.accessToken });
      const login = await api.post('/auth/login', { email: user.email, password: user.password });
      if (claimed?.status === 200) {
        t.equal(me.status, 401);
        t.equal(login.status, 401);
        t.not(kept?.status, 200);
      } else {
        t.equal(kept?.status, 200);
        t.equal(me.status, 200);
        t.equal(login.status, 200);
      }
    }
  },
);

t.test('a link whose account was proven in another way takes nothing away', async (t) => {
  const user = await register();
  await database.query('UPDATE users SET email_verified_at = now() WHERE id = $1', [user.userId]);
  t.match((await verify({ token: user.token })).body.data, { alreadyVerified: true, resetToken: null });
  t.equal((await api.get('/me', { token: user.accessToken })).status, 200);
});

t.test('a disabled account cannot be proven', async (t) => {
  const user = await register();
  await database.query(`UPDATE users SET status = 'disabled' WHERE id = $1`, [user.userId]);
  refused(t, await verify({ token: user.token }), 'invalid_or_expired_token', 'by the link');
  refused(
    t,
    await verify({ token: user.token, password: user.password }),
    'invalid_or_expired_token',
    'by the password',
  );
  t.notOk(await isProven(user.userId));
});
