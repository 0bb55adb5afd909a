// The organization that a sign-in or refresh names, in the body and in the headers: all names must agree, and the
// answers do not reveal which organizations exist. test/base/http/tenant.test.ts has the table of the headers alone.
import t from 'tap';
import { type Person, populate, UNKNOWN } from '../../base/http/tenant-headers.ts';
import type { Reply } from '../../support/client.ts';
import { createDatabase } from '../../support/database.ts';
import { refused } from '../../support/raw.ts';
import { openService } from '../../support/service.ts';

const database = await createDatabase(t);
const { api } = await openService(t, database);
const { people, foreign } = await populate(database, api);

t.test('body and headers of a sign-in or refresh must name the same organization', async (t) => {
  const { email, password, memberships } = people['a token of none, with two memberships'] as Person;
  const [one = UNKNOWN, two = UNKNOWN] = memberships;
  const signIn = (body: object, headers: Record<string, string>) =>
    api.post('/auth/login', { email, password, ...body }, { headers });
  let { refreshToken } = (await signIn({}, {})).body.data;
  const renew = async (body: object, headers: Record<string, string>) => {
    const reply = await api.post('/auth/refresh', { refreshToken, ...body }, { headers });
    refreshToken = reply.body.data?.refreshToken ?? refreshToken;
    return reply;
  };
  const header = (reference: string) => ({ 'x-tenant-id': reference });
  for (const ask of [signIn, renew]) {
    for (const [inBody, inHeader] of [
      [one.id, one.id],
      [one.slug, one.slug],
      [one.id, one.slug],
      [one.slug, one.id.toUpperCase()],
    ] as const) {
      const reply = await ask({ organization: inBody }, header(inHeader));
      t.equal(reply.body.data?.organization?.id, one.id, `${inBody} and ${inHeader}`);
    }
    for (const [inBody, inHeader] of [
      [one.id, two.id],
      [one.slug, two.slug],
      [one.id, two.slug],
      [two.slug, one.id],
      [one.slug, foreign.id],
      [foreign.slug, one.id],
    ] as const) {
      refused(t, await ask({ organization: inBody }, header(inHeader)), 'bad_request', `${inBody} and ${inHeader}`);
    }
    refused(
      t,
      await ask({ organization: foreign.id }, header(foreign.slug)),
      'organization_access_denied',
      'a foreign organization',
    );
    const three = { ...header(one.id), 'x-organization-slug': one.slug };
    t.equal(
      (await ask({ organization: one.id }, three)).body.data?.organization?.id,
      one.id,
      'the same organization is named three times',
    );
    refused(t, await ask({ organization: two.id }, three), 'bad_request', 'one of the three names differs');
  }
  t.equal((await signIn({ organizationSlug: one.slug }, header(one.id))).body.data?.organization.id, one.id);
  refused(t, await signIn({ organizationSlug: two.slug }, header(one.slug)), 'bad_request', 'organizationSlug');
});

/** Returns an answer without the parts that differ from request to request. */
const told = ({ status, body }: Reply) => ({ status, body: { ...body, requestId: '' } });

t.test(
  'without the password no answer reveals whether an organization exists or which id and slug match',
  async (t) => {
    const person = people['a token of an own organization'] as Person;
    const plain = told(await api.post('/auth/login', { email: person.email, password: 'wrong' }));
    t.equal(plain.status, 401);
    const { own = foreign } = person;
    const known = own ?? foreign;
    for (const [tenant, slug] of [
      [known.id, known.slug],
      [known.id, foreign.slug],
      [foreign.id, foreign.slug],
      [foreign.id, UNKNOWN.slug],
      [UNKNOWN.id, UNKNOWN.slug],
    ] as const) {
      const headers = { 'x-tenant-id': tenant, 'x-organization-slug': slug };
      for (const email of [person.email, 'nobody@example.com']) {
        t.strictSame(told(await api.post('/auth/login', { email, password: 'wrong' }, { headers })), plain);
      }
    }
    const right = { email: person.email, password: person.password };
    const asked = async (tenant: string, slug: string) =>
      told(await api.post('/auth/login', right, { headers: { 'x-tenant-id': tenant, 'x-organization-slug': slug } }));
    const denied = await asked(foreign.id, foreign.slug);
    t.match(denied, { status: 403, body: { code: 'organization_access_denied' } });
    t.strictSame(
      await asked(foreign.id, UNKNOWN.slug),
      denied,
      'the right password does not reveal it for a foreign organization',
    );
    t.strictSame(await asked(UNKNOWN.id, UNKNOWN.slug), denied);
  },
);
