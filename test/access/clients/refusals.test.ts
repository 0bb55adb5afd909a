// Which values a service client cannot have, and how each is refused. Also the refusal of callers without the
// permission to manage clients.
import { generateKeyPairSync } from 'node:crypto';
import t, { type Test } from 'tap';
import { seedClient } from '../../support/fixtures/clients.ts';
import { openTeam } from '../../support/fixtures/team.ts';
import { keyPair } from '../client-authentication/signing.ts';

async function open(t: Test) {
  const team = await openTeam(t);
  const { token } = await team.join('owner');
  const refused = async (t: Test, body: unknown, path: string, what: string) => {
    const reply = await team.api.post('/clients', body, { token });
    t.equal(reply.status, 422, what);
    t.equal(reply.body.issues?.[0]?.path, path, what);
    return reply.body.issues?.[0]?.message as string;
  };
  return { ...team, token, refused };
}

const GOOD = { name: 'exporter', permissions: ['deals:read'] };

t.test('only clients with valid values are created', async (t) => {
  const { api, database, token, refused } = await open(t);
  const bad: readonly (readonly [object, string])[] = [
    [{ name: '' }, 'name'],
    [{ name: '  ' }, 'name'],
    [{ name: 'x'.repeat(101) }, 'name'],
    [{ name: 'two\nlines' }, 'name'],
    [{ name: '\u202eexporter' }, 'name'],
    [{ name: 7 }, 'name'],
    [{ description: 'x'.repeat(501) }, 'description'],
    [{ description: null }, 'description'],
    [{ permissions: undefined }, 'permissions'],
    [{ permissions: 'deals:read' }, 'permissions'],
    [{ permissions: ['deals'] }, 'permissions.0'],
    [{ permissions: ['Deals:read'] }, 'permissions.0'],
    [{ permissions: ['deals:read', 'deals:re*'] }, 'permissions.1'],
    [{ permissions: ['deals:read\n'] }, 'permissions.0'],
    [{ permissions: ['deals:read deals:write'] }, 'permissions.0'],
    [{ permissions: [null] }, 'permissions.0'],
    [{ permissions: Array.from({ length: 201 }, (_, at) => `deals:r${at}`) }, 'permissions'],
    [{ audience: '' }, 'audience'],
    [{ audience: 'two words' }, 'audience'],
    [{ audience: 'é' }, 'audience'],
    [{ audience: 'x'.repeat(201) }, 'audience'],
    [{ audience: ['a'] }, 'audience'],
    [{ authentication: 'none' }, 'authentication'],
    [{ authentication: 'client_secret_basic' }, 'authentication'],
    [{ authentication: 'private_key_jwt' }, 'jwks'],
    [{ jwks: { keys: [keyPair('P-256').jwk] } }, 'jwks'],
    [{ jwks_uri: 'https://example.com/keys' }, 'jwks_uri'],
    [{ authentication: 'private_key_jwt', jwksUri: 'https://example.com/keys' }, 'jwksUri'],
    [{ clientSecret: 'mine' }, 'clientSecret'],
    [{ id: '019aa3f0-5c00-7a10-8b2f-3d6f1c2a4e01' }, 'id'],
    [{ organizationId: '019aa3f0-5c00-7a10-8b2f-3d6f1c2a4e01' }, 'organizationId'],
    [{ status: 'active' }, 'status'],
    [{ epoch: 7 }, 'epoch'],
  ];
  for (const [change, path] of bad) await refused(t, { ...GOOD, ...change }, path, JSON.stringify(change).slice(0, 80));
  t.same(await database.query('SELECT 1 FROM clients'), []);
  const most = { name: '😀'.repeat(100), description: '😀'.repeat(500) };
  const permissions = Array.from({ length: 200 }, (_, at) => `r${`${at}`.padEnd(39, 'x')}:${'a'.repeat(40)}`);
  t.equal((await api.post('/clients', { ...most, permissions }, { token })).status, 201, 'the largest valid values');
  t.equal((await api.post('/clients', { name: 'x', permissions: [] }, { token })).status, 201, 'the smallest');
  t.equal((await api.post('/clients', { ...GOOD, audience: null }, { token })).status, 201);
});

t.test('only public keys of accepted kinds are registered', async (t) => {
  const { api, token, refused } = await open(t);
  const [rsa, p256, ed] = [keyPair('rsa').jwk, keyPair('P-256').jwk, keyPair('ed25519').jwk];
  const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' });
  const k1 = generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey.export({ format: 'jwk' });
  const x25519 = generateKeyPairSync('x25519').publicKey.export({ format: 'jwk' });
  const ed448 = generateKeyPairSync('ed448').publicKey.export({ format: 'jwk' });
  const pair = keyPair('P-256').privateKey.export({ format: 'jwk' });
  const one: readonly (readonly [string, object, RegExp])[] = [
    ['a private key', pair, /private/],
    ['a private RSA key', keyPair('rsa').privateKey.export({ format: 'jwk' }), /private/],
    ['a key with a part of a private key', { ...rsa, qi: '' }, /private/],
    ['a shared secret', { kty: 'oct', k: 'c2VjcmV0' }, /private/],
    ['a shared secret without its value', { kty: 'oct' }, /RSA/],
    ['1024 bits', { ...short }, /2048/],
    ['16384 bits', { kty: 'RSA', n: Buffer.alloc(2048, 0xff).toString('base64url'), e: 'AQAB' }, /8192/],
    ['an exponent of 1', { ...rsa, e: 'AQ' }, /65537/],
    ['an exponent of 3', { ...rsa, e: 'Aw' }, /65537/],
    ['an even exponent', { ...rsa, e: 'AQAC' }, /65537/],
    ['a large exponent', { ...rsa, e: rsa.n }, /65537/],
    ['a curve that is not accepted', { ...k1 }, /P-256/],
    ['a key for key agreement', { ...x25519 }, /Ed25519/],
    ['Ed448', { ...ed448 }, /Ed25519/],
    ['a point off the curve', { ...p256, x: p256.y }, /valid/],
    ['half a point', { ...p256, y: undefined }, /valid/],
    ['a curve other than that of the point', { ...p256, crv: 'P-384' }, /valid/],
    ['a short Ed25519', { ...ed, x: 'AAAA' }, /valid/],
    ['no numbers', { kty: 'RSA' }, /valid/],
    ['members that are not text', { kty: 'RSA', n: 7, e: {} }, /valid/],
    ['for encryption', { ...rsa, use: 'enc' }, /use/],
    ['for signing', { ...rsa, key_ops: ['sign'] }, /key_ops/],
    ['an algorithm of another kind', { ...rsa, alg: 'ES256' }, /RS256/],
    ['a symmetric algorithm', { ...rsa, alg: 'HS256' }, /RS256/],
    ['no algorithm', { ...p256, alg: 'none' }, /ES256/],
    ['a kid that is not text', { ...rsa, kid: 7 }, /kid/],
    ['an empty kid', { ...rsa, kid: '' }, /kid/],
    ['a kid of 129 characters', { ...rsa, kid: 'x'.repeat(129) }, /kid/],
  ];
  const body = { ...GOOD, authentication: 'private_key_jwt' };
  for (const [what, jwk, message] of one) {
    t.match(await refused(t, { ...body, jwks: { keys: [p256, jwk] } }, 'jwks.keys.1', what), message, what);
  }
  const sets: readonly (readonly [string, unknown, string])[] = [
    [
      'a kid twice',
      {
        keys: [
          { ...rsa, kid: 'a' },
          { ...p256, kid: 'a' },
        ],
      },
      'jwks.keys',
    ],
    ['no key', { keys: [] }, 'jwks.keys'],
    ['eleven keys', { keys: Array(11).fill(p256) }, 'jwks.keys'],
    ['one key alone', p256, 'jwks.keys'],
    ['a list', [p256], 'jwks'],
    ['text', JSON.stringify({ keys: [p256] }), 'jwks'],
    ['a key that is not an object', { keys: [p256, 'x'] }, 'jwks.keys.1'],
    ['nothing', null, 'jwks'],
  ];
  for (const [what, jwks, path] of sets) await refused(t, { ...body, jwks }, path, what);
  const ten = Array.from({ length: 10 }, (_, at) => ({ ...rsa, kid: `${at}`.padStart(128, 'k') }));
  t.equal((await api.post('/clients', { ...body, jwks: { keys: ten } }, { token })).status, 201, 'ten can');
});

t.test('a change must name a field that can be changed, with a value that is valid for this client', async (t) => {
  const { api, database, organization, token } = await open(t);
  const { id } = await seedClient(database, { organizationId: organization.id });
  const patch = (body: unknown) => api.patch(`/clients/${id}`, body, { token });
  for (const body of [
    {},
    { authentication: 'private_key_jwt' },
    { status: 'suspended' },
    { name: null },
    { jwks: null },
    { permissions: null },
    { organizationId: organization.id },
    { epoch: 0 },
    { secrets: [] },
  ]) {
    t.equal((await patch(body)).status, 422, JSON.stringify(body));
  }
  const keys = await patch({ jwks: { keys: [keyPair('P-256').jwk] } });
  t.match(keys, { status: 422, body: { issues: [{ path: 'jwks', message: /private_key_jwt/ }] } });
  const [row] = await database.query('SELECT epoch, name, status FROM clients');
  t.same(row, { epoch: 0, name: 'seeded', status: 'active' });
});

t.test('a caller who does not manage clients is refused, and gets no information about them', async (t) => {
  const { api, database, organization, join } = await open(t);
  const { id } = await seedClient(database, { organizationId: organization.id });
  for (const role of ['viewer', 'agent', 'admin']) {
    const { token } = await join(role);
    const path = `/clients/${id}`;
    for (const reply of [
      await api.get('/clients', { token }),
      await api.get(path, { token }),
      await api.post('/clients', GOOD, { token }),
      await api.patch(path, { name: 'x' }, { token }),
      await api.post(`${path}/secret`, {}, { token }),
      await api.delete(`${path}/secret`, { token }),
      await api.delete(path, { token }),
    ]) {
      t.match(reply, { status: 403, code: 'permission_denied' }, role);
    }
  }
  t.equal((await api.get('/clients')).status, 401);
});
