// The testkit as a user of the verifier uses it in tests: no server, no network, and its own clock.
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import t from 'tap';
import { verifyJws } from '../../../src/verifier/index.ts';
import { createTestIssuer } from '../../../src/verifier/testkit/testkit.ts';
import { partsOf } from '../../support/forge.ts';

t.test('tokens of the testkit have the shape of the service’s tokens, and every claim can be set', async (t) => {
  const issuer = createTestIssuer({
    issuer: 'https://auth.test',
    audience: 'crm',
    now: new Date('2026-11-21T10:00:00Z'),
  });
  const token = issuer.token({ permissions: ['deals:read'], roles: ['member'] });
  const { header, claims } = partsOf(token);
  t.match(header, { alg: 'RS256', typ: 'at+jwt' });
  const iat = Date.parse('2026-11-21T10:00:00Z') / 1000;
  t.match(claims, {
    iss: 'https://auth.test',
    aud: 'crm',
    sub: issuer.userId,
    org: issuer.organizationId,
    iat,
    exp: iat + 900,
  });
  t.match(await issuer.verifier().verify(token), { kind: 'user', permissions: ['deals:read'], roles: ['member'] });
  t.match(await issuer.verifier().verify(issuer.clientToken({ permissions: ['x:y'] })), {
    kind: 'client',
    id: issuer.clientId,
  });
  t.match(await issuer.verifier().verify(issuer.token({ org: undefined })), { organizationId: null });
  t.ok(verifyJws(token, issuer.jwks()));
  t.not(partsOf(issuer.token()).claims.sid, claims.sid, 'each token has its own session');
  for (const wrong of [
    issuer.token({ aud: 'other' }),
    issuer.token({ sid: undefined }),
    issuer.token({}, { header: { typ: 'JWT' } }),
    issuer.token({}, { life: 1000 }),
  ]) {
    await t.rejects(issuer.verifier().verify(wrong), { code: 'invalid_token' });
  }
});

t.test('a call with an invalid id raises a TypeError', async (t) => {
  const issuer = createTestIssuer();
  for (const name of ['sub', 'sid', 'org']) {
    t.throws(() => issuer.token({ [name]: 'u1' }), {
      name: 'TypeError',
      message: new RegExp(`^${name} must be a UUID`),
    });
  }
  t.throws(() => issuer.clientToken({ sub: 'me' }), TypeError);
  t.throws(() => issuer.revoke({ kind: 'user', sub: 'u1', epoch: 2 }), TypeError);
  t.throws(() => issuer.revoke({ kind: 'all' } as never), TypeError);
});

t.test('the clock of the testkit does not move until the test advances it', async (t) => {
  const issuer = createTestIssuer();
  const verifier = issuer.verifier();
  const token = issuer.token();
  const principal = await verifier.verify(token);
  issuer.advance(904);
  t.equal(await verifier.verify(token), principal);
  issuer.advance(1);
  await t.rejects(verifier.verify(token), { code: 'token_expired' });
  await t.rejects(verifier.verify(issuer.expiredToken()), { code: 'token_expired' });
  t.ok(await verifier.verify(issuer.token()), 'new tokens have the new time');
});

t.test('a change of a membership ends the tokens of the user for this organization', async (t) => {
  const issuer = createTestIssuer();
  const verifier = issuer.verifier();
  const [token, older] = [issuer.token(), issuer.token({ mep: undefined })];
  const elsewhere = issuer.token({ org: issuer.clientId });
  t.match(await verifier.verify(token), { epoch: 1, membershipEpoch: 1 });
  t.match(await verifier.verify(older), { membershipEpoch: null });
  issuer.revoke({ kind: 'membership', sub: issuer.userId, org: issuer.organizationId, epoch: 2 });
  for (const refused of [token, older]) await t.rejects(verifier.verify(refused), { code: 'token_stale' });
  for (const good of [elsewhere, issuer.token({ mep: 2 }), issuer.token({ sub: issuer.clientId })]) {
    t.ok(await verifier.verify(good));
  }
  t.throws(() => issuer.revoke({ kind: 'membership', sub: issuer.userId, org: 'acme', epoch: 2 }), TypeError);
  await t.rejects(verifier.verify(issuer.token({ mep: '1' })), { code: 'invalid_token' });
  await t.rejects(verifier.verify(issuer.clientToken({ mep: 1 })), { code: 'invalid_token' });
});

t.test('revocations, silence and key rotation take effect in all verifiers of an issuer at once', async (t) => {
  const issuer = createTestIssuer();
  const [verifier, other] = [issuer.verifier(), issuer.verifier({ stale: { onStale: 'allow' } })];
  const token = issuer.token();
  const principal = await verifier.verify(token);
  const heard: unknown[] = [];
  const stop = verifier.onRevocation((revocation) => heard.push(revocation));
  issuer.revoke({ kind: 'user', sub: issuer.userId, epoch: 2 });
  t.same(heard, [{ kind: 'user', sub: issuer.userId, epoch: 2 }]);
  stop();
  await t.rejects(verifier.verify(token), { code: 'token_stale' });
  await t.rejects(other.verify(token), { code: 'token_stale' });
  t.equal(verifier.judge(principal), 'token_stale');
  issuer.revoke({ kind: 'session', sid: principal.kind === 'user' ? principal.sessionId : '' });
  t.equal(heard.length, 1, 'the listener is not called after it has unsubscribed');
  const fresh = issuer.token({ epoch: 2 });
  issuer.setStale(31);
  await t.rejects(verifier.verify(fresh), { code: 'revocations_stale', status: 503 });
  t.ok(await other.verify(fresh));
  issuer.setStale(true);
  t.equal(verifier.staleSeconds(), Number.POSITIVE_INFINITY);
  issuer.setStale(30);
  t.ok(await verifier.verify(fresh), 'the state is as old as the options allow');
  issuer.setStale(false);
  issuer.rotate();
  const rotated = issuer.token({ epoch: 2 });
  t.equal(issuer.jwks().keys.length, 2);
  t.ok(await verifier.verify(fresh));
  t.ok(await verifier.verify(rotated));
  issuer.rotate({ forgetOld: true });
  await t.rejects(verifier.verify(fresh), { code: 'invalid_token' });
  await t.rejects(verifier.verify(rotated), { code: 'invalid_token' });
  const [jwk] = issuer.jwks().keys;
  t.ok(jwk && createPublicKey({ key: { ...jwk }, format: 'jwk' }));
});

t.test('the check endpoint of the testkit grants what the test allows', async (t) => {
  const issuer = createTestIssuer();
  const verifier = issuer.verifier();
  const principal = await verifier.verify(issuer.token({ permissions_ref: true }));
  await t.rejects(verifier.authorize(principal, 'deals:write'), { code: 'permission_denied' });
  issuer.grant(issuer.userId, 'deals:*');
  await verifier.authorize(principal, 'deals:write');
  await t.rejects(verifier.authorize(principal, 'contacts:read'), { code: 'permission_denied' });
  issuer.advance(1000);
  await t.rejects(
    verifier.authorize(principal, 'deals:write'),
    { code: 'token_expired' },
    'the token of an old principal has expired',
  );
});

t.test('a verifier of the testkit is ready at once, and two issuers share no state', async (t) => {
  const [issuer, stranger] = [createTestIssuer(), createTestIssuer()];
  const verifier = issuer.verifier();
  await verifier.ready(0.1);
  await t.rejects(verifier.verify(stranger.token()), { code: 'invalid_token' });
  const sid = partsOf(issuer.token()).claims.sid;
  stranger.revoke({ kind: 'session', sid: String(sid) });
  t.ok(await verifier.verify(issuer.token({ sid })));
});

t.test('issuers with the same key have their own key ids, and verifiers refuse the tokens of the other', async (t) => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const [issuer, other] = [createTestIssuer({ privateKey }), createTestIssuer({ privateKey })];
  const [keys, others] = [issuer, other].map((one) => one.jwks().keys);
  t.equal(keys?.[0]?.n, createPublicKey(privateKey).export({ format: 'jwk' }).n);
  t.equal(keys?.[0]?.n, others?.[0]?.n);
  t.not(keys?.[0]?.kid, others?.[0]?.kid);
  await issuer.verifier().verify(issuer.token());
  await t.rejects(issuer.verifier().verify(other.token()), { code: 'invalid_token' });
  issuer.rotate();
  t.not(issuer.jwks().keys[0]?.n, keys?.[0]?.n, 'the next key is new');
});
