// What an OAuth endpoint accepts as a request (RFC 6749 §3.2), and the format of its refusals (§5.2).
import t from 'tap';
import { seedClient } from '../../support/fixtures/clients.ts';
import { openTeam } from '../../support/fixtures/team.ts';
import { partsOf } from '../../support/forge.ts';
import { requestHead, sendRaw } from '../../support/raw.ts';
import { basic, ENDPOINTS, FORM, flawsOfOAuthError, goodParameters, post, postRaw, refusedByOAuth } from './calls.ts';

const { api, database, organization } = await openTeam(t);
const client = await seedClient(database, { organizationId: organization.id, permissions: ['contacts:read'] });
const authorization = basic(client);

t.test('a form is accepted, with or without a charset and with unknown parameters', async (t) => {
  for (const type of [
    FORM,
    `${FORM};charset=UTF-8`,
    `${FORM}; charset="utf-8"`,
    'Application/X-WWW-Form-Urlencoded',
    `${FORM} ; charset=utf-8`,
  ]) {
    for (const path of ENDPOINTS) {
      const body = `${new URLSearchParams(goodParameters(path))}&unknown=1&__proto__=x&constructor=y`;
      const reply = await postRaw(api, path, body, { authorization, 'content-type': type });
      t.equal(reply.status, 200, `${path} as ${type}`);
      t.equal(reply.headers.get('cache-control'), 'no-store');
      t.equal(reply.headers.get('pragma'), 'no-cache');
    }
  }
});

t.test('a body of another media type (JSON included) and a compressed body are refused', async (t) => {
  for (const path of ENDPOINTS) {
    const form = new URLSearchParams(goodParameters(path)).toString();
    for (const type of [
      'application/json',
      'text/plain',
      'multipart/form-data; boundary=x',
      `${FORM}; charset=latin1`,
      `${FORM}; charset=utf-8; charset=utf-8`,
      `${FORM},application/json`,
      'x',
      `x${FORM}`,
    ]) {
      const reply = await postRaw(api, path, form, { authorization, 'content-type': type });
      refusedByOAuth(t, reply, 'invalid_request', `${path} as ${type}`, 415);
    }
    const packed = await postRaw(api, path, form, { authorization, 'content-encoding': 'gzip' });
    refusedByOAuth(t, packed, 'invalid_request', 'packed', 415);
    const bare = await sendRaw(
      api.url,
      requestHead('POST', path, `Content-Length: ${form.length}`, `Authorization: ${authorization}`) + form,
    );
    t.equal(bare.status, 415, 'a request without a media type');
  }
});

t.test('a repeated parameter is refused, even if it is unknown or empty', async (t) => {
  for (const path of ENDPOINTS) {
    const form = new URLSearchParams(goodParameters(path)).toString();
    const name = form.split('=')[0];
    for (const more of [
      form,
      `${name}=`,
      `%${name?.charCodeAt(0).toString(16)}${name?.slice(1)}=x`,
      'u=1&u=2',
      'u&u',
    ]) {
      const reply = await postRaw(api, path, `${form}&${more}`, { authorization });
      refusedByOAuth(t, reply, 'invalid_request', `${path} with ${more}`);
    }
  }
});

t.test('a form that is malformed or not UTF-8 is refused', async (t) => {
  const broken = ['%', '%4', '%zz', '%u0041', '%00', 'a%00b', '%ff', '%c3', '%ed%a0%80', '%c0%af', '%f4%90%80%80'];
  for (const path of ENDPOINTS) {
    const form = new URLSearchParams(goodParameters(path)).toString();
    for (const text of broken) {
      for (const pair of [`u=${text}`, `${text}=u`]) {
        const reply = await postRaw(api, path, `${form}&${pair}`, { authorization });
        refusedByOAuth(t, reply, 'invalid_request', `${path} with ${pair}`);
      }
    }
    for (const bytes of [[0xff], [0xc3, 0x28], [0], [0xed, 0xa0, 0x80]]) {
      const body = new Uint8Array([...Buffer.from(`${form}&u=`), ...bytes]);
      refusedByOAuth(t, await postRaw(api, path, body, { authorization }), 'invalid_request', `bytes ${bytes}`);
    }
  }
});

t.test('an empty parameter counts as missing, and the refusal names a missing required parameter', async (t) => {
  const empty = await post(api, '/oauth/token', { grant_type: 'client_credentials', scope: '', resource: '' }, client);
  t.equal(empty.status, 200);
  t.equal(empty.body.scope, 'contacts:read', 'the empty scope counts as missing');
  for (const path of ENDPOINTS) {
    for (const body of ['', '&', 'grant_type=&token=', 'grant_type&token', 'Grant_Type=x&TOKEN=y', '=x']) {
      const reply = await postRaw(api, path, body, { authorization });
      refusedByOAuth(t, reply, 'invalid_request', `${path} with '${body}'`);
      t.match(
        reply.body.error_description,
        path === '/oauth/token' ? /grant_type/ : /token/,
        'the refusal names the parameter',
      );
    }
    const none = await api.call('POST', path, undefined, { headers: { authorization } });
    refusedByOAuth(t, none, 'invalid_request', `${path} without a body`);
  }
});

t.test('a space between scopes may be sent as "+", as "%20" or as a plain space', async (t) => {
  const broad = await seedClient(database, { organizationId: organization.id, permissions: ['a:read', 'b:read'] });
  for (const blank of ['+', '%20', ' ']) {
    const body = `grant_type=client_credentials&scope=a:read${blank}b%3aread`;
    const reply = await postRaw(api, '/oauth/token', body, { authorization: basic(broad) });
    t.same(partsOf(reply.body.access_token).claims.permissions, ['a:read', 'b:read'], `'${blank}'`);
  }
});

t.test('no parameter is read from the query string, and no credential either', async (t) => {
  for (const path of ENDPOINTS) {
    const parameters = { ...goodParameters(path), client_id: client.id, client_secret: client.secret };
    const query = new URLSearchParams(parameters).toString();
    refusedByOAuth(
      t,
      await postRaw(api, `${path}?${query}`, ''),
      'invalid_request',
      `${path}: all parameters in the query`,
    );
    refusedByOAuth(t, await postRaw(api, `${path}?x=1`, query), 'invalid_request', `${path}: anything`);
    t.equal((await postRaw(api, `${path}?`, query)).status, 200, 'an empty query is allowed');
  }
});

t.test('a body over the limit is refused: 16 KiB for a token request, more where a token is sent', async (t) => {
  for (const [path, bytes] of [
    ['/oauth/token', 16_384],
    ['/oauth/introspect', 40_960],
    ['/oauth/revoke', 40_960],
  ] as const) {
    const form = `${new URLSearchParams(goodParameters(path))}&u=`;
    const filled = (length: number) => form + 'x'.repeat(length - form.length);
    t.equal((await postRaw(api, path, filled(bytes), { authorization })).status, 200, path);
    const reply = await postRaw(api, path, filled(bytes + 1), { authorization });
    refusedByOAuth(t, reply, 'invalid_request', path, 413);
  }
  const longest = await post(api, '/oauth/introspect', { token: 'x'.repeat(24_577) }, client);
  t.strictSame(longest.body, { active: false }, 'a value longer than any token is not a token');
});

t.test('another method is refused in the same format, and Allow lists the accepted method', async (t) => {
  for (const path of ENDPOINTS) {
    for (const method of ['GET', 'PUT', 'PATCH', 'DELETE']) {
      const reply = await api.call(method, path, undefined, { headers: { authorization } });
      refusedByOAuth(t, reply, 'invalid_request', `${method} ${path}`, 405);
      t.equal(reply.headers.get('allow'), 'POST');
    }
    t.equal((await api.call('HEAD', path)).status, 405);
    t.match((await api.call('POST', `${path}/`)).code, 'not_found', 'an unknown path is refused as in the API');
    const spelled = await fetch(`${api.url}${path.replace('oauth', 'oa%75th')}`, { method: 'POST' });
    const { status, headers } = spelled;
    t.strictSame(
      flawsOfOAuthError({ status, headers, text: await spelled.text() }),
      [],
      'another spelling of the path',
    );
  }
});

t.test('the API accepts no forms', async (t) => {
  const reply = await postRaw(api, '/api/v1/auth/login', 'email=a&password=b');
  t.strictSame([reply.status, reply.code], [415, 'unsupported_media_type']);
});
