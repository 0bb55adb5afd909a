// The allowance for sign-ins that name an organization: all names of the organization share it, and no answer reveals
// whether the organization exists.
import { randomUUID } from 'node:crypto';
import t from 'tap';
import type { Reply } from '../../support/client.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { openService } from '../../support/service.ts';

const database = await createDatabase(t);
const LIMITED = { RATE_LIMIT_ENABLED: 'true', RATE_LIMIT_SIGN_IN: '1000', RATE_LIMIT_ORGANIZATION: '3' };
const nobody = { email: 'nobody@example.com', password: 'wrong' };

t.test('id and slug of an organization share one allowance, in both fields and in any letter case', async (t) => {
  const { api } = await openService(t, database, LIMITED);
  const { organization } = await newAccount(api);
  const { id, slug } = organization;
  const login = (named: object) => api.post('/auth/login', { ...nobody, ...named });
  const ways = [{ organization: id }, { organizationSlug: slug }, { organization: slug.toUpperCase() }];
  for (const named of ways) t.equal((await login(named)).code, 'invalid_credentials');
  for (const named of [...ways, { organization: id.toUpperCase() }, { organizationSlug: id }]) {
    t.match(await login(named), { status: 429, code: 'too_many_requests' });
  }
  const another = await newAccount(api);
  t.equal((await login({ organization: another.organization.id })).code, 'invalid_credentials');
});

/** Returns an answer without the parts that differ from request to request. */
function told({ status, body, headers }: Reply) {
  const names = [...headers.keys()].filter((name) => /^(ratelimit|retry)/.test(name)).sort();
  return { status, body: { ...body, requestId: '' }, names, limit: headers.get('ratelimit-limit') };
}

t.test('an unknown organization is counted as typed, and gets the same answer', async (t) => {
  const { api } = await openService(t, database, LIMITED);
  const { organization } = await newAccount(api);
  const answers = async (named: string) => {
    const replies = [];
    for (let turn = 0; turn < 5; turn += 1) {
      replies.push(told(await api.post('/auth/login', { ...nobody, organization: named })));
    }
    return replies;
  };
  const known = await answers(organization.slug);
  t.same(
    known.map(({ status }) => status),
    [401, 401, 401, 429, 429],
  );
  t.same(await answers('no-such-organization'), known);
  t.same(await answers(randomUUID()), known);
});

t.test('no header shows that other users sign in to an organization', async (t) => {
  const { api } = await openService(t, database, LIMITED);
  const { organization } = await newAccount(api);
  const ask = (named: string) => api.post('/auth/login', { ...nobody, organization: named });
  await ask(organization.id);
  for (const named of [organization.slug, 'no-such-organization']) {
    t.equal(
      (await ask(named)).headers.get('ratelimit-limit'),
      '1000',
      'the header shows the limit of the caller’s own network',
    );
  }
});
