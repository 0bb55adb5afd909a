// Sends a table of changed access tokens to the guard. Nearly all of them are signed with the service's own key, so
// that their signature is valid.
import { constants, createHmac, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import t, { type Test } from 'tap';
import { createDatabase } from '../../support/database.ts';
import { type Account, newAccount } from '../../support/fixtures/accounts.ts';
import { base64url, compact, forge, type Members, type Parts, partsOf, rsa, serviceKey } from '../../support/forge.ts';
import { openService } from '../../support/service.ts';

interface Material extends Parts {
  readonly token: string;
  readonly account: Account;
  readonly access: KeyObject;
  readonly refresh: KeyObject;
  readonly refreshKid: unknown;
}

type Table = Record<string, string>;

async function opened(t: Test) {
  const service = await openService(t, await createDatabase(t));
  const account = await newAccount(service.api);
  const material: Material = {
    ...partsOf(account.accessToken),
    token: account.accessToken,
    account,
    access: serviceKey(service.keysDirectory, 'access'),
    refresh: serviceKey(service.keysDirectory, 'refresh'),
    refreshKid: partsOf(account.refreshToken).header.kid,
  };
  return { ...service, material };
}

function withHeader({ header, claims, access }: Material, changes: Members): string {
  return forge({ header: { ...header, ...changes }, claims }, rsa(access));
}

function withClaims({ header, claims, access }: Material, changes: Members): string {
  return forge({ header, claims: { ...claims, ...changes } }, rsa(access));
}

function withPayload({ header, access }: Material, payload: string): string {
  return compact(JSON.stringify(header), payload, rsa(access));
}

function algorithms(m: Material): Table {
  const publicPem = createPublicKey(m.access).export({ type: 'spki', format: 'pem' });
  const hmac = (secret: string | Buffer) => (input: string) => createHmac('sha256', secret).update(input).digest();
  const pss = (input: string) =>
    sign('sha256', Buffer.from(input), { key: m.access, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 });
  const { privateKey: ec } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const es = (input: string) => sign('sha256', Buffer.from(input), { key: ec, dsaEncoding: 'ieee-p1363' });
  const { privateKey: stranger } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const of = (alg: unknown, signature: (input: string) => Buffer) =>
    forge({ header: { ...m.header, alg }, claims: m.claims }, signature);
  return {
    'alg none, no signature': of('none', () => Buffer.alloc(0)),
    'alg none, signed': of('none', rsa(m.access)),
    'alg NONE': of('NONE', () => Buffer.alloc(0)),
    'HS256 with the public key as the secret': of('HS256', hmac(publicPem)),
    'HS256 with the kid as the secret': of('HS256', hmac(String(m.header.kid))),
    'HS256 with an empty secret': of('HS256', hmac('')),
    RS384: of('RS384', rsa(m.access, 'sha384')),
    RS512: of('RS512', rsa(m.access, 'sha512')),
    RS1: of('RS1', rsa(m.access, 'sha1')),
    PS256: of('PS256', pss),
    ES256: of('ES256', es),
    'rs256 in lower case': of('rs256', rsa(m.access)),
    'RS256 that says RS256 and is PS256': of('RS256', pss),
    'RS256 with SHA-1 below it': of('RS256', rsa(m.access, 'sha1')),
    'an array of algorithms': of(['RS256'], rsa(m.access)),
    'no alg': of(undefined, rsa(m.access)),
    'another RSA key under our kid': of('RS256', rsa(stranger)),
    'an empty signature': of('RS256', () => Buffer.alloc(0)),
    'a signature of zeros': of('RS256', () => Buffer.alloc(256)),
    'a signature one byte too long': of('RS256', (input) => Buffer.concat([rsa(m.access)(input), Buffer.alloc(1)])),
    'a signature behind a zero byte': of('RS256', (input) => Buffer.concat([Buffer.alloc(1), rsa(m.access)(input)])),
  };
}

function headers(m: Material): Table {
  const { privateKey: own, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwk = publicKey.export({ format: 'jwk' });
  const smuggled = (changes: Members) => forge({ header: { ...m.header, ...changes }, claims: m.claims }, rsa(own));
  return {
    'no kid': withHeader(m, { kid: undefined }),
    'an empty kid': withHeader(m, { kid: '' }),
    'a kid of 10,000 characters': withHeader(m, { kid: 'k'.repeat(10_000) }),
    'an unknown kid': withHeader(m, { kid: 'A'.repeat(43) }),
    'a kid that is a path': withHeader(m, { kid: '../../dev/null' }),
    'a kid that is a member of every object': withHeader(m, { kid: '__proto__' }),
    'a kid that is no string': withHeader(m, { kid: 1 }),
    'a kid in an array': withHeader(m, { kid: [m.header.kid] }),
    'no typ': withHeader(m, { typ: undefined }),
    'typ JWT': withHeader(m, { typ: 'JWT' }),
    'typ of a refresh token': withHeader(m, { typ: 'rt+jwt' }),
    'typ in upper case': withHeader(m, { typ: 'AT+JWT' }),
    crit: withHeader(m, { crit: ['exp'] }),
    'an empty crit': withHeader(m, { crit: [] }),
    'b64 false': withHeader(m, { b64: false, crit: ['b64'] }),
    zip: withHeader(m, { zip: 'DEF' }),
    cty: withHeader(m, { cty: 'JWT' }),
    'a jwk of ours': withHeader(m, { jwk: createPublicKey(m.access).export({ format: 'jwk' }) }),
    'a jwk of the sender': smuggled({ jwk }),
    'a jwk of the sender and no kid': smuggled({ jwk, kid: undefined }),
    'a jku': smuggled({ jku: 'http://127.0.0.1:9/jwks.json' }),
    'an x5u': smuggled({ x5u: 'http://127.0.0.1:9/cert.pem' }),
    'an x5c': smuggled({ x5c: ['MIIB'] }),
    'the refresh key under its own kid': forge(
      { header: { ...m.header, kid: m.refreshKid }, claims: m.claims },
      rsa(m.refresh),
    ),
    'the refresh key under our kid': forge(m, rsa(m.refresh)),
    'the refresh token itself': m.account.refreshToken,
    'a header that is an array': compact(JSON.stringify([m.header]), JSON.stringify(m.claims), rsa(m.access)),
    'a repeated alg': compact(
      JSON.stringify(m.header).replace('{', '{"alg":"none",'),
      JSON.stringify(m.claims),
      rsa(m.access),
    ),
  };
}

function claims(m: Material): Table {
  const { iat, exp } = m.claims as { iat: number; exp: number };
  const table: Table = {
    'another issuer': withClaims(m, { iss: 'https://elsewhere.example' }),
    'our issuer with a slash': withClaims(m, { iss: `${m.claims.iss}/` }),
    'another audience': withClaims(m, { aud: 'another-service' }),
    'an array of our audience': withClaims(m, { aud: ['tenantry'] }),
    'an array with our audience': withClaims(m, { aud: ['another-service', 'tenantry'] }),
    'the audience of refresh tokens': withClaims(m, { aud: m.claims.iss }),
    'an nbf in the future': withClaims(m, { nbf: iat + 3600 }),
    'an nbf in words': withClaims(m, { nbf: 'now' }),
    'an iat far in the future': withClaims(m, { iat: iat + 600, exp: exp + 600 }),
    'a life of an hour': withClaims(m, { exp: iat + 3600 }),
    'a life of 901 s': withClaims(m, { exp: iat + 901 }),
    'an exp before its iat': withClaims(m, { iat: exp, exp: iat }),
    'an exp that is no whole number': withClaims(m, { exp: exp - 0.5 }),
    'a negative iat': withClaims(m, { iat: -1 }),
    'permissions beside permissions_ref': withClaims(m, { permissions_ref: true }),
    'permissions in one string': withClaims(m, { permissions: '*:*' }),
    'roles in one string': withClaims(m, { roles: 'owner' }),
    'org claims without org': withClaims(m, { org: undefined }),
    'an org that is a slug': withClaims(m, { org: m.account.organization.slug }),
    'a sub that is no id': withClaims(m, { sub: 'admin' }),
    'a negative epoch': withClaims(m, { epoch: -1 }),
  };
  for (const claim of ['iss', 'aud', 'sub', 'sid', 'epoch', 'exp', 'iat', 'jti', 'auth_time', 'client_id', 'amr']) {
    table[`no ${claim}`] = withClaims(m, { [claim]: undefined });
    table[`${claim} null`] = withClaims(m, { [claim]: null });
    table[`${claim} in an object`] = withClaims(m, { [claim]: { value: m.claims[claim] } });
  }
  for (const claim of ['epoch', 'exp', 'iat', 'auth_time']) {
    table[`${claim} as a string`] = withClaims(m, { [claim]: String(m.claims[claim]) });
    table[`${claim} beyond all numbers`] = withPayload(
      m,
      JSON.stringify({ ...m.claims, [claim]: 0 }).replace(`"${claim}":0`, `"${claim}":1e999`),
    );
  }
  return table;
}

function payloads(m: Material): Table {
  const text = JSON.stringify(m.claims);
  return {
    'an array': withPayload(m, JSON.stringify([m.claims])),
    'a string': withPayload(m, JSON.stringify(text)),
    'a number': withPayload(m, '7'),
    null: withPayload(m, 'null'),
    nothing: withPayload(m, ''),
    'no JSON': withPayload(m, text.slice(0, -1)),
    'two objects': withPayload(m, text + text),
    'a repeated sub': withPayload(m, text.replace('{', '{"sub":"01970000-0000-7000-8000-000000000000",')),
    'a repeated sub in escapes': withPayload(
      m,
      text.replace('{', '{"\\u0073ub":"01970000-0000-7000-8000-000000000000",'),
    ),
    'a byte order mark': withPayload(m, `\uFEFF${text}`),
    'bytes that are no UTF-8': compactBytes(m, Buffer.from(text.replace('pwd', 'p\xffd'), 'latin1')),
    'a claim beyond all bounds': withClaims(m, { padding: 'x'.repeat(20_000) }),
  };
}

function compactBytes({ header, access }: Material, payload: Buffer): string {
  const input = `${base64url(JSON.stringify(header))}.${base64url(payload)}`;
  return `${input}.${base64url(rsa(access)(input))}`;
}

function forms({ token, header, claims, access }: Material): Table {
  const [head = '', body = '', signature = ''] = token.split('.');
  const { length } = signature;
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  // A signature of 256 bytes does not use the last four bits of the last character. So another last character decodes
  // to the same bytes.
  const last = alphabet[alphabet.indexOf(signature[length - 1] ?? 'A') ^ 1];
  return {
    'a signature in another spelling': `${head}.${body}.${signature.slice(0, -1)}${last}`,
    padding: `${head}.${body}.${signature}==`,
    'padding within': `${head}=.${body}.${signature}`,
    'plain base64': `${head}.${body}.${signature.slice(0, -2)}+/`,
    'two parts': `${head}.${body}`,
    'two parts and a dot': `${head}.${body}.`,
    'four parts': `${token}.${signature}`,
    'five parts': `${head}..${body}.${body}.${signature}`,
    'an empty part': `.${body}.${signature}`,
    'a dot before': `.${token}`,
    'the JSON serialization': base64url(JSON.stringify({ protected: head, payload: body, signature })),
    'a token within a token': forge({ header, claims: { ...claims, nested: token } }, rsa(access))
      .split('.')
      .slice(0, 2)
      .join('.'),
    'a huge token': `${head}.${body}.${'A'.repeat(24_000)}`,
    'one character': 'a',
    dots: '..',
  };
}

for (const [what, table] of Object.entries({
  algorithm: algorithms,
  header: headers,
  claim: claims,
  payload: payloads,
  form: forms,
})) {
  t.test(`a token with a wrong ${what} is refused as invalid, even with a valid signature`, async (t) => {
    const { api, material } = await opened(t);
    t.equal(
      (await api.get('/me', { token: forge(material, rsa(material.access)) })).status,
      200,
      'the unchanged token is valid',
    );
    for (const [title, token] of Object.entries(table(material))) {
      const reply = await api.get('/me', { token });
      t.same([reply.status, reply.code], [401, 'invalid_token'], title);
      t.equal(reply.headers.get('www-authenticate'), 'Bearer error="invalid_token"', title);
    }
    t.equal((await api.get('/me', { token: material.token })).status, 200, 'the valid token is still accepted');
  });
}

t.test(
  'an expired token differs from an invalid one, and a clock ahead by less than a minute does no harm',
  async (t) => {
    const { api, material } = await opened(t);
    const { iat } = material.claims as { iat: number };
    const expired = withClaims(material, { iat: iat - 1000, exp: iat - 100 });
    t.match(await api.get('/me', { token: expired }), { status: 401, code: 'token_expired' });
    t.equal((await api.get('/me', { token: withClaims(material, { iat: iat + 45, exp: iat + 600 }) })).status, 200);
  },
);

t.test('a token acts for the user, session and organization that it names, and ends with each of them', async (t) => {
  const { api, app, material } = await opened(t);
  app.parts.revocations.publish([{ kind: 'user', sub: material.account.userId, epoch: 1 }]);
  t.match(await api.get('/me', { token: material.token }), { status: 401, code: 'token_stale' });
  const newer = withClaims(material, { epoch: 1 });
  t.equal((await api.get('/me', { token: newer })).status, 200, 'a token of the new epoch is valid');
  const { id: org } = material.account.organization;
  app.parts.revocations.publish([{ kind: 'organization', org, state: 'suspended', at: 0 }]);
  t.equal((await api.get('/me', { token: newer })).code, 'organization_suspended');
  app.parts.revocations.publish([{ kind: 'session', sid: material.account.sessionId }]);
  t.equal((await api.get('/me', { token: newer })).code, 'session_revoked');
});
