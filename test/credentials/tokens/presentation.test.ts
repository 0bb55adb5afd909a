// An access token must be sent exactly once, in the Authorization header, with the Bearer scheme (RFC 6750 §2).
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { openService } from '../../support/service.ts';

/** Sends GET /me with exactly these header lines, even with lines that fetch would change or refuse. */
async function me(url: string, lines: readonly [string, string][]): Promise<{ status: number; code: unknown }> {
  const sent = request(`${url}/api/v1/me`, { headers: lines.flat() });
  sent.end();
  const [reply] = (await once(sent, 'response')) as [IncomingMessage];
  return { status: reply.statusCode ?? 0, code: JSON.parse(await text(reply)).code };
}

const HOST: [string, string] = ['host', 'localhost'];

t.test('the Bearer scheme is accepted in upper and lower case, and no other scheme is accepted', async (t) => {
  const { url, api } = await openService(t, await createDatabase(t));
  const { accessToken: token } = await newAccount(api);
  for (const good of [`Bearer ${token}`, `bearer ${token}`, `BEARER  ${token}`]) {
    t.equal((await me(url, [HOST, ['authorization', good]])).status, 200);
  }
  const refused = [
    token,
    `Basic ${token}`,
    `Token ${token}`,
    `DPoP ${token}`,
    `Bearer${token}`,
    `Bearer\t${token}`,
    'Bearer',
    'Bearer ',
    `Bearer "${token}"`,
    `Bearer ${token} ${token}`,
    `Bearer ${token}, Bearer ${token}`,
    `Basic YTpi, Bearer ${token}`,
    `Bearer ${token};`,
    `Bearer ${token.slice(0, 40)} ${token.slice(40)}`,
    `Bearer ${Buffer.from(`${token}é`).toString('latin1')}`,
    `Bearer ${Buffer.from('ｂearer‮').toString('latin1')}`,
    'Bearer null',
    `Bearer [object Object]`,
  ];
  for (const value of refused) {
    t.same(await me(url, [HOST, ['authorization', value]]), { status: 401, code: 'invalid_token' }, value.slice(0, 30));
  }
});

t.test('a request with two Authorization headers is refused, even if one of them is valid', async (t) => {
  const { url, api } = await openService(t, await createDatabase(t));
  const { accessToken: token } = await newAccount(api);
  for (const first of ['Basic YTpi', 'Bearer nonsense', '']) {
    const two: [string, string][] = [
      ['authorization', first],
      ['Authorization', `Bearer ${token}`],
    ];
    for (const pair of [two, two.toReversed()]) {
      t.same(await me(url, [HOST, ...pair]), { status: 400, code: 'bad_request' }, first);
    }
  }
});

t.test('a token in the query, the body, a cookie or another header is ignored', async (t) => {
  const { url, api } = await openService(t, await createDatabase(t));
  const { accessToken: token, organization } = await newAccount(api);
  const challenge = await api.get('/me');
  t.match(challenge, { status: 401, code: 'unauthenticated' });
  t.equal(challenge.headers.get('www-authenticate'), 'Bearer', 'without a token the challenge names no error');
  t.same((await api.get(`/me?access_token=${token}`)).code, 'unauthenticated');
  const body = { organization: organization.id, access_token: token };
  t.equal((await api.post('/auth/switch-organization', body)).code, 'unauthenticated');
  const form = { raw: `access_token=${token}`, headers: { 'content-type': 'application/x-www-form-urlencoded' } };
  t.equal((await api.post('/auth/switch-organization', undefined, form)).code, 'unauthenticated');
  for (const name of [
    'cookie',
    'x-access-token',
    'x-authorization',
    'proxy-authorization',
    'x-forwarded-authorization',
  ]) {
    const value = name === 'cookie' ? `access_token=${token}; authorization=${token}` : `Bearer ${token}`;
    t.same(await me(url, [HOST, [name, value]]), { status: 401, code: 'unauthenticated' }, name);
  }
});
