// private_key_jwt: which assertions authenticate their client. Each assertion works only once, and altered assertions
// are refused.
import { createHmac, createPublicKey, randomUUID, sign } from 'node:crypto';
import t, { type Test } from 'tap';
import { authenticateClient } from '../../../src/access/client-authentication/authenticate.ts';
import { removeExpiredAssertions } from '../../../src/access/client-authentication/remove-expired.ts';
import { atOnce } from '../../support/client.ts';
import { seedClient } from '../../support/fixtures/clients.ts';
import { openTeam } from '../../support/fixtures/team.ts';
import { rounds } from '../../support/thorough.ts';
import { assertionOf, ISSUER, type KeyKind, keyPair } from './signing.ts';

const { privateKey, jwk } = keyPair('P-256');

async function open(t: Test, keys: readonly object[] = [jwk]) {
  const team = await openTeam(t);
  const { app } = team.service;
  const { id } = await seedClient(team.database, { organizationId: team.organization.id, keys });
  const enter = async (assertion: string, clientId?: string) =>
    (
      await authenticateClient(app.parts, {
        method: 'assertion',
        assertion,
        ...(clientId === undefined ? {} : { clientId }),
      })
    )?.id ?? null;
  return { ...team, app, id, enter };
}

const seconds = () => Math.floor(Date.now() / 1000);
const part = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

t.test('an assertion of each key algorithm authenticates the client', async (t) => {
  const table: readonly (readonly [KeyKind, string])[] = [
    ['rsa', 'RS256'],
    ['rsa', 'PS256'],
    ['P-256', 'ES256'],
    ['P-384', 'ES384'],
    ['P-521', 'ES512'],
    ['ed25519', 'EdDSA'],
    ['ed25519', 'Ed25519'],
  ];
  const { id, enter } = await open(
    t,
    [...new Set(table.map(([kind]) => kind))].map((kind) => keyPair(kind).jwk),
  );
  for (const [kind, alg] of table) {
    t.equal(await enter(await assertionOf(id, keyPair(kind).privateKey, { alg })), id, alg);
  }
});

t.test('the forms that client libraries send are accepted', async (t) => {
  const { id, enter } = await open(t);
  const good: Readonly<Record<string, Parameters<typeof assertionOf>[2]>> = {
    'for the token endpoint': { claims: { aud: `${ISSUER}/oauth/token` } },
    'of the type JWT': { header: { typ: 'JWT' } },
    'of the type client-authentication+jwt': { header: { typ: 'client-authentication+jwt' } },
    'without iat': { claims: { iat: undefined } },
    'with nbf': { claims: { nbf: seconds() } },
    'five minutes long': { claims: { exp: seconds() + 300 } },
    'of a client whose clock is ahead': { claims: { iat: seconds() + 50, nbf: seconds() + 50, exp: seconds() + 340 } },
    'with a jti of 256 characters': { claims: { jti: 'é'.repeat(256) } },
    'with unknown claims': { claims: { note: 'x', nested: { a: [1] } } },
    'with a key in its header, which is ignored': {
      header: { jwk: keyPair('P-256', 'second').jwk, jku: 'https://x' },
    },
  };
  for (const [what, changes] of Object.entries(good)) {
    t.equal(await enter(await assertionOf(id, privateKey, changes)), id, what);
  }
  t.equal(
    await enter(await assertionOf(id, privateKey), id),
    id,
    'an assertion with the same client_id in the body is accepted',
  );
});

t.test('an altered assertion authenticates no client', async (t) => {
  const { id, enter, database, organization } = await open(t);
  const other = await seedClient(database, { organizationId: organization.id, keys: [jwk] });
  const now = seconds();
  const bent: Readonly<Record<string, Parameters<typeof assertionOf>[2]>> = {
    'expired a moment ago': { claims: { exp: now - 1, iat: now - 60 } },
    'without exp': { claims: { exp: undefined } },
    'exp as text': { claims: { exp: `${now + 60}` } },
    'longer than five minutes': { claims: { exp: now + 310 } },
    'longer than five minutes, without iat': { claims: { iat: undefined, exp: now + 310 } },
    'for ever': { claims: { exp: Number.MAX_SAFE_INTEGER } },
    'made long ago and valid later': { claims: { iat: now - 3600 } },
    'with iat in the future': { claims: { iat: now + 90, exp: now + 120 } },
    'with nbf in the future': { claims: { nbf: now + 90 } },
    'iat as text': { claims: { iat: 'now' } },
    'without jti': { claims: { jti: undefined } },
    'an empty jti': { claims: { jti: '' } },
    'a jti of 257 characters': { claims: { jti: 'x'.repeat(257) } },
    'a jti that is a number': { claims: { jti: 7 } },
    'without aud': { claims: { aud: undefined } },
    'for another audience': { claims: { aud: 'https://elsewhere.example' } },
    'for several': { claims: { aud: [ISSUER, 'https://elsewhere.example'] } },
    'aud as a list of one': { claims: { aud: [ISSUER] } },
    'for almost the issuer': { claims: { aud: `${ISSUER}/` } },
    'for another endpoint': { claims: { aud: `${ISSUER}/oauth/introspect` } },
    'with another iss': { claims: { iss: other.id } },
    'with another sub': { claims: { sub: other.id } },
    'without iss': { claims: { iss: undefined } },
    'of nobody': { claims: { iss: undefined, sub: undefined } },
    'of another type': { header: { typ: 'at+jwt' } },
    'with a type that is not text': { header: { typ: 7 } },
    'with an unknown kid': { header: { kid: 'x' } },
    'with a kid that is not text': { header: { kid: 7 } },
    'too long': { claims: { padding: 'x'.repeat(8192) } },
  };
  for (const [what, changes] of Object.entries(bent)) {
    t.equal(await enter(await assertionOf(id, privateKey, changes)), null, what);
  }
  const second = keyPair('P-256', 'second').privateKey;
  t.equal(await enter(await assertionOf(id, second)), null, 'a key that is not registered');
  t.equal(
    await enter(await assertionOf(id, second, { header: { jwk: keyPair('P-256', 'second').jwk } })),
    null,
    'a key that only its header has',
  );
  t.equal(await enter(await assertionOf(id, privateKey), other.id), null, 'another client_id in the body');
  t.equal(await enter(await assertionOf(id, privateKey), ''), null, 'an empty client_id in the body');
  t.equal(await enter(await assertionOf(id.toUpperCase(), privateKey)), null, 'another spelling of the id');
  t.equal(await enter(await assertionOf(randomUUID(), privateKey)), null, 'an unknown client');
  t.same(await database.query('SELECT 1 FROM client_assertions'), [], 'no refused assertion was stored');
});

t.test('only the algorithm of the registered key is accepted', async (t) => {
  const rsa = keyPair('rsa');
  const { id, enter } = await open(t, [{ ...rsa.jwk, alg: 'PS256' }, jwk]);
  const now = seconds();
  const claims = part({ iss: id, sub: id, aud: ISSUER, jti: randomUUID(), iat: now, exp: now + 60 });
  for (const alg of ['none', 'None', 'NONE', ''])
    t.equal(await enter(`${part({ alg })}.${claims}.`), null, `${alg}, bare`);
  for (const alg of ['none', 'HS256']) t.equal(await enter(`${part({ alg })}.${claims}.${part('x')}`), null, alg);
  const pem = createPublicKey({ key: rsa.jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' }) as string;
  for (const secret of [pem, JSON.stringify(rsa.jwk), `${rsa.jwk.n}`]) {
    const signed = `${part({ alg: 'HS256' })}.${claims}`;
    const mac = createHmac('sha256', secret).update(signed).digest('base64url');
    t.equal(await enter(`${signed}.${mac}`), null, 'the public key as a shared secret');
  }
  t.equal(
    await enter(await assertionOf(id, rsa.privateKey, { alg: 'RS256' })),
    null,
    'the key names another algorithm',
  );
  t.equal(await enter(await assertionOf(id, rsa.privateKey, { alg: 'PS256' })), id);
  for (const alg of ['RS384', 'RS512', 'PS384', 'PS512']) {
    t.equal(await enter(await assertionOf(id, rsa.privateKey, { alg })), null, alg);
  }
});

t.test('an assertion has one accepted spelling, and a critical header is refused', async (t) => {
  const { id, enter, database } = await open(t);
  const [header = '', payload = '', signature = ''] = (await assertionOf(id, privateKey)).split('.');
  for (const bent of [
    '',
    '.',
    '..',
    header,
    `${header}.${payload}`,
    `${header}.${payload}.`,
    `${header}.${payload}.${signature}.`,
    `${header}.${payload}.${signature}=`,
    ` ${header}.${payload}.${signature}`,
    `${header}.${payload}.${signature}\n`,
    `${part('[]')}.${payload}.${signature}`,
    `${part('{"alg":"ES256","alg":"ES256"}')}.${payload}.${signature}`,
    `${header}.${part('null')}.${signature}`,
    `${'A'.repeat(20_000)}.${payload}.${signature}`,
  ]) {
    t.equal(await enter(bent), null, bent.slice(0, 40));
  }
  // The right key signs these assertions, so only the parser can refuse them. The last one is accepted.
  const now = seconds();
  const good = { iss: id, sub: id, aud: ISSUER, jti: 'j', exp: now + 60 };
  const signed = (head: string, body: string) => {
    const text = `${part(head)}.${part(body)}`;
    return `${text}.${sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
  };
  const head = '{"alg":"ES256"}';
  const twice = JSON.stringify(good).replace('{', '{"sub":"x",');
  t.equal(await enter(signed(head, twice)), null, 'a claim twice');
  t.equal(await enter(signed('{"alg":"ES256","crit":["exp"],"exp":1}', JSON.stringify(good))), null, 'crit');
  t.equal(await enter(signed('{"alg":"ES256","b64":true}', JSON.stringify(good))), null, 'b64');
  t.equal(await enter(signed('{"alg":"ES256","crit":[]}', JSON.stringify(good))), null, 'an empty crit');
  t.same(await database.query('SELECT 1 FROM client_assertions'), []);
  t.equal(await enter(signed(` {"alg" : "ES256"}`, JSON.stringify(good))), id, 'white space makes no difference');
});

t.test('the kid selects the key; without a kid each key of the algorithm is tried', async (t) => {
  const second = keyPair('P-256', 'second');
  const { id, enter } = await open(t, [
    { ...jwk, kid: 'a' },
    { ...second.jwk, kid: 'b' },
  ]);
  const by = (key: typeof privateKey, kid?: string) =>
    assertionOf(id, key, kid === undefined ? {} : { header: { kid } });
  t.equal(await enter(await by(privateKey, 'a')), id);
  t.equal(await enter(await by(second.privateKey, 'b')), id);
  t.equal(await enter(await by(second.privateKey)), id);
  t.equal(await enter(await by(privateKey, 'b')), null);
  t.equal(await enter(await by(privateKey, 'A')), null);
});

t.test('an assertion works once: of six uses at the same time exactly one succeeds', async (t) => {
  const { id, enter, database, organization } = await open(t);
  const once = await assertionOf(id, privateKey);
  t.same([await enter(once), await enter(once)], [id, null]);
  const taken: number[] = [];
  for (let round = 0; round < rounds(50); round += 1) {
    const assertion = await assertionOf(id, privateKey);
    const answers = await atOnce(6, () => enter(assertion));
    taken.push(answers.filter((answer) => answer !== null).length);
  }
  t.same([...new Set(taken)], [1]);
  const jti = randomUUID();
  const same = (clientId: string) => assertionOf(clientId, privateKey, { claims: { jti } });
  t.equal(await enter(await same(id)), id);
  t.equal(await enter(await same(id)), null, 'another assertion with the same jti');
  const other = await seedClient(database, { organizationId: organization.id, keys: [jwk] });
  t.equal(await enter(await same(other.id)), other.id, 'the same jti of another client is another assertion');
});

t.test('a used assertion is deleted after its expiry, and not before', async (t) => {
  const { app, id, enter, database } = await open(t);
  const assertion = await assertionOf(id, privateKey);
  await enter(assertion);
  const count = async () => (await database.query('SELECT 1 FROM client_assertions')).length;
  await removeExpiredAssertions(app.parts.db);
  t.equal(await count(), 1);
  await database.query(`UPDATE client_assertions SET expires_at = expires_at - interval '11 minutes 1 second'`);
  await removeExpiredAssertions(app.parts.db);
  t.equal(await count(), 0);
});

t.test('replaced keys authenticate no client, and neither do the keys of a suspended or disabled client', async (t) => {
  const { api, join, id, enter, database } = await open(t);
  const { token } = await join('owner');
  const second = keyPair('P-256', 'second');
  t.equal((await api.patch(`/clients/${id}`, { jwks: { keys: [second.jwk] } }, { token })).status, 200);
  t.equal(await enter(await assertionOf(id, privateKey)), null);
  t.equal(await enter(await assertionOf(id, second.privateKey)), id);
  const [row] = await database.query('SELECT epoch FROM clients WHERE id = $1', [id]);
  t.same(row, { epoch: 1 }, 'the earlier tokens have ended');
  await api.patch(`/clients/${id}`, { status: 'disabled' }, { token });
  t.equal(await enter(await assertionOf(id, second.privateKey)), null);
  await api.patch(`/clients/${id}`, { status: 'active' }, { token });
  await database.query(`UPDATE organizations SET status = 'suspended'`);
  t.equal(await enter(await assertionOf(id, second.privateKey)), null);
  t.same((await database.query('SELECT 1 FROM client_assertions')).length, 1);
});
