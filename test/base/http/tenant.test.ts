// The organization that a request acts for. Tests every way to name an organization in the headers, for every kind of
// token, at each kind of route that reads these headers.
import t, { type Test } from 'tap';
import type { Reply } from '../../support/client.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccountWithoutOrganization } from '../../support/fixtures/accounts.ts';
import { seedOrganizationOf } from '../../support/fixtures/people.ts';
import { refused, requestHead, sendRaw } from '../../support/raw.ts';
import { openService } from '../../support/service.ts';
import {
  type Outcome,
  onNeeds,
  onSignedIn,
  onSignIn,
  type Person,
  populate,
  UNKNOWN,
  type Value,
  valuesFor,
} from './tenant-headers.ts';

const database = await createDatabase(t);
const { api } = await openService(t, database);
const { people, foreign } = await populate(database, api);

/** Sends every pair of header values and compares the answers with the rule. */
async function everyPair(
  t: Test,
  call: (person: Person, headers: Record<string, string>) => Promise<Reply>,
  expected: (person: Person, values: readonly Value[]) => Outcome,
  actsFor: (reply: Reply) => string | null,
) {
  for (const [who, person] of Object.entries(people)) {
    const wrong: string[] = [];
    const values = Object.entries(valuesFor(person, foreign));
    for (const [first, tenant] of values) {
      for (const [second, slug] of values) {
        const headers = {
          ...(tenant ? { 'x-tenant-id': tenant.sent } : {}),
          ...(slug ? { 'x-organization-slug': slug.sent } : {}),
        };
        const reply = await call(person, headers);
        const outcome = expected(person, [tenant, slug]);
        const told = reply.status === 200 ? actsFor(reply) : `${reply.status} ${reply.code}`;
        const wanted = 'acts' in outcome ? (outcome.acts?.id ?? null) : `${outcome.status} ${outcome.code}`;
        if (told !== wanted) wrong.push(`${first} / ${second}: ${told}, not ${wanted}`);
      }
    }
    t.strictSame(wrong, [], `${who}: ${values.length ** 2} pairs of headers`);
  }
}

t.test('the headers must name the organization of the token, or select one if the token has no organization', (t) =>
  everyPair(
    t,
    ({ token }, headers) => api.get('/me', { token, headers }),
    onSignedIn,
    (reply) => reply.body.data.organization?.id ?? null,
  ),
);

t.test('a route that needs a permission checks it in the organization that the headers name', (t) =>
  everyPair(
    t,
    ({ token }, headers) => api.get('/organizations/current', { token, headers }),
    onNeeds,
    (reply) => reply.body.data.id,
  ),
);

t.test('the headers of a refresh select the organization, and a refused refresh does not use up its token', (t) => {
  const held = new Map<Person, string>();
  return everyPair(
    t,
    async (person, headers) => {
      const { email, password } = person;
      const refreshToken =
        held.get(person) ?? (await api.post('/auth/login', { email, password })).body.data.refreshToken;
      const reply = await api.post('/auth/refresh', { refreshToken }, { headers });
      held.set(person, reply.body.data?.refreshToken ?? refreshToken);
      return reply;
    },
    onSignIn,
    (reply) => reply.body.data.organization?.id ?? null,
  );
});

t.test('the headers of a sign-in select the organization', (t) =>
  everyPair(
    t,
    ({ email, password }, headers) => api.post('/auth/login', { email, password }, { headers }),
    onSignIn,
    (reply) => reply.body.data.organization?.id ?? null,
  ),
);

t.test('a registration accepts the headers and ignores them', async (t) => {
  let count = 0;
  const register = (headers: Record<string, string>) => {
    count += 1;
    const email = `new-${count}@example.com`;
    return api.post('/auth/register', { email, password: 'correct horse battery', name: 'New' }, { headers });
  };
  for (const reference of [foreign.id, foreign.slug, UNKNOWN.id, UNKNOWN.slug]) {
    const reply = await register({ 'x-tenant-id': reference });
    t.match([reply.status, reply.body.data], [201, { organization: null, memberships: [] }], reference);
  }
  t.equal((await register({ 'x-tenant-id': foreign.id, 'x-organization-slug': foreign.slug })).status, 201);
  refused(t, await register({ 'x-tenant-id': 'a', 'x-organization-slug': 'b' }), 'bad_request', 'two slugs');
  refused(t, await register({ 'x-tenant-id': '' }), 'bad_request', 'none');
});

t.test('a header that is sent twice is refused, even with the same value', async (t) => {
  const { token, own } = people['a token of an own organization'] as Person;
  const once = `X-Tenant-ID: ${own?.id}`;
  const get = (...lines: string[]) =>
    sendRaw(api.url, requestHead('GET', '/api/v1/me', `Authorization: Bearer ${token}`, ...lines));
  t.equal((await get(once)).status, 200);
  refused(t, await get(once, once), 'bad_request', 'X-Tenant-ID');
  refused(
    t,
    await get(`X-Organization-Slug: ${own?.slug}`, `X-Organization-Slug: ${own?.slug}`),
    'bad_request',
    'the slug',
  );
});

t.test('a header cannot select a suspended organization, or one in which the user is suspended', async (t) => {
  const person = await newAccountWithoutOrganization(api);
  const id = await seedOrganizationOf(database, person.userId, { slug: 'umbrella', role: 'admin' });
  const read = () =>
    api.get('/organizations/current', { token: person.accessToken, headers: { 'x-tenant-id': 'umbrella' } });
  t.equal((await read()).status, 200);
  await database.query("UPDATE memberships SET status = 'suspended' WHERE user_id = $1", [person.userId]);
  refused(t, await read(), 'organization_access_denied', 'a suspended member');
  await database.query("UPDATE memberships SET status = 'active' WHERE user_id = $1", [person.userId]);
  await database.query("UPDATE organizations SET status = 'suspended' WHERE id = $1", [id]);
  refused(t, await read(), 'organization_suspended', 'a suspended organization');
  await database.query("UPDATE organizations SET status = 'active' WHERE id = $1", [id]);
  await database.query('DELETE FROM memberships WHERE user_id = $1', [person.userId]);
  refused(t, await read(), 'organization_access_denied', 'not a member any more');
});
