// Every change checks in its own transaction that the session of the caller is live, except for the routes in
// WITHOUT_SESSION. In these tests the session has ended, and this process does not know it yet, as within the second
// after a logout at another replica.
import t from 'tap';
import { describedEndpoints } from '../../scripts/generate/endpoints.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { signInPerson } from '../support/fixtures/people.ts';
import { openService } from '../support/service.ts';
import { type Asked, REQUESTS, seedActors } from './requests.ts';

/** The POST, PUT, PATCH and DELETE routes that do not check the session of the caller, each with the reason. */
const WITHOUT_SESSION: Readonly<Record<string, string>> = {
  'POST /api/v1/auth/register': 'opens a session',
  'POST /api/v1/auth/login': 'opens a session',
  'POST /api/v1/auth/forgot-password': 'asks for a mail, and has no caller',
  'POST /api/v1/auth/reset-password': 'the token or the code of a mail, and has no caller',
  'POST /api/v1/auth/refresh': 'the statement of the rotation checks the session',
  'POST /api/v1/auth/logout': 'ends the session, and may be repeated',
  'POST /api/v1/auth/verify-email': 'the transaction of a signed-in user checks it: sign-in/verify-email',
  'POST /api/v1/invitations/accept': 'the switch of the session checks it: sign-in/accept-invitation',
  'POST /api/v1/auth/revert-email': 'the token of a mail',
  'POST /oauth/token': 'the credentials of a service client, and the rotation of a refresh token',
  'POST /oauth/introspect': 'changes nothing',
  'POST /oauth/revoke': 'the credentials of a service client',
  'POST /api/v1/authz/check': 'changes nothing',
  'POST /api/v1/authz/check/batch': 'changes nothing',
  'POST /verify/*': 'changes nothing',
  'PUT /verify/*': 'changes nothing',
  'PATCH /verify/*': 'changes nothing',
  'DELETE /verify/*': 'changes nothing',
};

const writes = describedEndpoints()
  .filter(({ method, wire }) => method !== 'GET' && wire !== 'page') // sign-in/browser tests the sessions of pages
  .map(({ method, url }) => ({ method, url, route: `${method} ${url}` }));

t.test('every exception from the check of the session is an existing route', async (t) => {
  const routes = writes.map(({ route }) => route);
  t.same(
    Object.keys(WITHOUT_SESSION).filter((route) => !routes.includes(route)),
    [],
  );
});

/** A hash of all rows of each table that the routes could change. */
async function contentOf(database: TestDatabase): Promise<unknown> {
  const tables =
    'events outbox organizations users memberships roles role_assignments invitations clients client_secrets revocations sessions';
  const rows = tables
    .split(' ')
    .map((table) => `(SELECT md5(string_agg(r::text, '' ORDER BY r::text)) FROM ${table} r) AS ${table}`);
  return (await database.query(`SELECT ${rows.join(', ')}`))[0];
}

for (const [how, end] of Object.entries({
  'has ended': `UPDATE sessions SET revoked_at = clock_timestamp(), revoked_reason = 'logout' WHERE user_id = $1`,
  'has expired': `UPDATE sessions SET idle_expires_at = clock_timestamp() WHERE user_id = $1`,
  'has reached its greatest age': `UPDATE sessions SET expires_at = clock_timestamp() WHERE user_id = $1`,
  'was removed': 'DELETE FROM sessions WHERE user_id = $1',
})) {
  t.test(`a route that checks the session changes nothing for a caller whose session ${how}`, async (t) => {
    const database = await createDatabase(t);
    const service = await openService(t, database);
    await service.app.parts.outbox.stop(); // otherwise the background sends a mail between the two readings
    const seeded = await seedActors(service, database);
    for (const { method, url, route } of writes) {
      if (route in WITHOUT_SESSION) continue;
      const actor = url.startsWith('/api/v1/admin/') ? 'platform' : 'owner';
      const asked: Asked = (await REQUESTS[route]?.(seeded, actor, service, database)) ?? {};
      const person = seeded.people[actor];
      const { accessToken: token } = await signInPerson(service.api, person);
      await database.query(end, [person.userId]);
      const before = await contentOf(database);
      const reply = await service.api.call(method, asked.path ?? url, asked.body, { token });
      t.match(reply, { status: 401, code: 'session_revoked' }, `${route}: ${reply.text.slice(0, 200)}`);
      t.match(reply.headers.get('www-authenticate'), /^Bearer error="invalid_token"/, `${route} sends the challenge`);
      t.strictSame(await contentOf(database), before, `${route} has changed nothing`);
    }
  });
}

t.test('a session allows changes, too, when it has switched to another organization', async (t) => {
  const database = await createDatabase(t);
  const service = await openService(t, database);
  const seeded = await seedActors(service, database);
  const { people, own, other } = seeded;
  await database.query(`INSERT INTO memberships (organization_id, user_id) VALUES ($1, $2)`, [
    other.id,
    people.owner.userId,
  ]);
  const { accessToken: token } = await signInPerson(service.api, people.owner, own.slug);
  const switched = await service.api.post('/auth/switch-organization', { organization: other.slug }, { token });
  t.equal(switched.status, 200);
  const made = await service.api.post('/clients', { name: 'exporter', permissions: ['contacts:read'] }, { token });
  t.equal(made.status, 201, made.text);
});
