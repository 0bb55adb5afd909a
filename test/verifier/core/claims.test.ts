// createVerifier with tokens that have one wrong claim. The right key signs all of them.
import t from 'tap';
import { createVerifier, type VerificationError } from '../../../src/verifier/index.ts';
import { compact, rsa } from '../../support/forge.ts';
import {
  AUDIENCE,
  client,
  good,
  header,
  ISSUER,
  jti,
  member,
  NOW,
  org,
  privateKey,
  publicKey,
  refuses,
  sid,
  sub,
  token,
  user,
  verifier,
  verifierAt,
} from '../keys/material.ts';

t.test('a valid token of each kind returns its principal', async (t) => {
  t.match(await verifier.verify(good), {
    kind: 'user',
    id: sub,
    sessionId: sid,
    organizationId: org,
    organizationSlug: 'acme',
    roles: ['owner'],
    permissions: ['deals:*'],
    permissionsElsewhere: false,
    epoch: 3,
    authenticatedAt: NOW - 100,
    issuedAt: NOW - 60,
    expiresAt: NOW + 840,
  });
  t.match(await verifier.verify(token(user)), { kind: 'user', organizationId: null, permissions: [], roles: [] });
  t.match(await verifier.verify(token(client)), {
    kind: 'client',
    id: sub,
    organizationId: org,
    permissions: ['deals:read'],
  });
  const { org: _, org_slug: __, ...installation } = client;
  t.match(await verifier.verify(token(installation)), { kind: 'client', organizationId: null });
  const { permissions: ___, ...large } = member;
  t.match(await verifier.verify(token({ ...large, permissions_ref: true })), {
    permissionsElsewhere: true,
    permissions: [],
  });
  t.ok(await verifier.verify(token({ ...member, unknown: { claim: [1] } })), 'an unknown claim is ignored');
  t.ok(await verifier.verify(token({ ...member, roles: ['Geschäftsführung 🦊'] })), 'a role of any letters');
});

t.test('a token whose issuer or audience differs from the expected value is refused', async (t) => {
  const texts = (own: string) => [
    '',
    own.toUpperCase(),
    `${own}/`,
    ` ${own}`,
    `${own}\u0000`,
    own.slice(0, -1),
    null,
    1,
    true,
    undefined,
  ];
  for (const iss of [
    ...texts(ISSUER),
    [ISSUER],
    { iss: ISSUER },
    'http://auth.acme.test',
    'https://auth.acme.test.evil.test',
  ]) {
    await refuses(t, token({ ...member, iss }), `iss ${JSON.stringify(iss)}`);
  }
  for (const aud of [
    ...texts(AUDIENCE),
    [AUDIENCE],
    [AUDIENCE, 'other'],
    ['other'],
    [],
    { aud: AUDIENCE },
    ISSUER,
    '*',
  ]) {
    await refuses(t, token({ ...member, aud }), `aud ${JSON.stringify(aud)}`);
  }
  const several = verifierAt(NOW, { audience: ['api', 'crm'] });
  t.ok(await several.verify(good), 'one of several audiences');
  await refuses(t, token({ ...member, aud: 'web' }), 'none of several audiences', 'invalid_token', several);
});

t.test('an instant that is not a whole number, and a lifetime beyond the limit, are refused', async (t) => {
  for (const name of ['iat', 'exp', 'auth_time', 'epoch']) {
    for (const value of [undefined, null, '', String(NOW), NOW + 0.5, -1, 2 ** 53, true, [NOW], {}]) {
      await refuses(t, token({ ...member, [name]: value }), `${name} ${JSON.stringify(value)}`);
    }
  }
  for (const nbf of [null, '', String(NOW - 60), NOW - 0.5, true, [NOW]]) {
    await refuses(t, token({ ...member, nbf }), `nbf ${JSON.stringify(nbf)}`);
  }
  const payload = JSON.stringify({ ...member, exp: 0 }).replace('"exp":0', '"exp":1e999');
  await refuses(t, compact(JSON.stringify(header), payload, rsa(privateKey)), 'an infinite exp');
  await refuses(t, token({ ...member, iat: NOW - 60, exp: NOW - 60 }), 'no life');
  await refuses(t, token({ ...member, iat: NOW, exp: NOW - 1 }), 'a negative lifetime');
  await refuses(t, token({ ...member, exp: NOW - 60 + 901 }), 'a lifetime beyond the longest');
  t.ok(await verifier.verify(token({ ...member, exp: NOW - 60 + 900 })), 'the longest');
  const patient = verifierAt(NOW, { maxTokenLife: 3600 });
  t.ok(
    await patient.verify(token({ ...member, exp: NOW - 60 + 3600 })),
    'a longer lifetime is accepted if the options allow it',
  );
});

t.test('a token is valid from iat and nbf to exp, extended by the clock tolerance on both sides', async (t) => {
  const window = token({ ...member, iat: NOW, nbf: NOW + 10, exp: NOW + 100 });
  const at = async (offset: number, tolerance?: number) => {
    const by = verifierAt(NOW + offset, tolerance === undefined ? {} : { clockTolerance: tolerance });
    return by.verify(window).then(
      () => 'good',
      ({ code }: VerificationError) => code,
    );
  };
  t.equal(await at(4.9), 'invalid_token', 'before nbf');
  t.equal(await at(5), 'good', 'within the tolerance before nbf');
  t.equal(await at(104.9), 'good', 'within the tolerance after exp');
  t.equal(await at(105), 'token_expired');
  t.equal(await at(9.9, 0), 'invalid_token', 'before nbf, without tolerance');
  t.equal(await at(99.9, 0), 'good');
  t.equal(await at(100, 0), 'token_expired', 'at exp, without tolerance');
  t.equal(await at(159, 60), 'good', 'the longest tolerance');
  const future = token({ ...member, iat: NOW + 6, exp: NOW + 100 });
  await refuses(t, future, 'issued in the future');
  t.ok(await verifierAt(NOW + 1).verify(future), 'issued in the future within the clock tolerance');
});

t.test('the instants of a remembered token are checked like those of any other token', async (t) => {
  let now = NOW;
  const by = createVerifier({
    issuer: ISSUER,
    audience: AUDIENCE,
    keys: { find: () => publicKey },
    clock: { now: () => now * 1000 },
  });
  const principal = await by.verify(good);
  t.equal(await by.verify(good), principal, 'the remembered principal is the same object');
  t.equal(await by.verifyHeader(`Bearer ${good}`), principal);
  now = NOW - 66;
  await refuses(t, good, 'the clock was set back before iat', 'invalid_token', by);
  now = NOW;
  t.equal(await by.verify(good), principal, 'the refusal did not remove the token from memory');
  now = NOW + 845;
  t.equal(by.judge(principal), 'token_expired');
  await refuses(t, good, 'expired', 'token_expired', by);
  await refuses(t, good, 'still expired', 'token_expired', by);
});

t.test('a token with another claim of the wrong type is refused', async (t) => {
  const wrong: Record<string, readonly unknown[]> = {
    sub: [undefined, null, '', 'ada', 7, [sub], sub.toUpperCase(), `${sub} `],
    jti: [undefined, null, '', 7, [jti]],
    sid: [undefined, null, '', 'x', 7, [sid]],
    org: [null, '', 'acme', 7, [org]],
    org_slug: [undefined, null, 7],
    roles: [undefined, null, 'owner', [1], { 0: 'owner' }],
    permissions: [undefined, null, 'deals:*', [1], [null]],
    permissions_ref: [true],
    amr: [undefined, 'pwd', [1]],
    client_id: [undefined, null, 7],
  };
  for (const [name, values] of Object.entries(wrong)) {
    for (const value of values)
      await refuses(t, token({ ...member, [name]: value }), `${name} ${JSON.stringify(value)}`);
  }
  const { org: _, ...stray } = member;
  await refuses(t, token(stray), 'permissions without an organization');
});

t.test('a token that mixes the claims of two kinds is refused', async (t) => {
  for (const more of [{ sid }, { auth_time: NOW }, { amr: [] }, { roles: [] }, { permissions_ref: true }]) {
    await refuses(t, token({ ...client, ...more }), `a client with ${Object.keys(more)[0]}`);
  }
  await refuses(t, token({ ...member, client_id: sub }), 'a user with the id of a client');
  await refuses(t, token({ ...client, client_id: 'tenantry' }), 'a client with the id of the first party');
  const refresh = { iss: ISSUER, aud: ISSUER, sub, sid, jti, prt: jti, iat: NOW, exp: NOW + 600 };
  await refuses(t, token(refresh, { typ: 'rt+jwt' }), 'a refresh token');
  await refuses(t, token({ ...refresh, aud: AUDIENCE }), 'a refresh token with the header of an access token');
  const idToken = { iss: ISSUER, aud: AUDIENCE, sub, iat: NOW, exp: NOW + 600, nonce: 'n' };
  await refuses(t, token(idToken, { typ: 'JWT' }), 'an id token');
});
