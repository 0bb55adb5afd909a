// What a principal is allowed to do: the answer comes from its token, or from a request to the service with that token.
import t, { type Test } from 'tap';
import { createVerifier, type VerificationError } from '../../../src/verifier/index.ts';
import { json } from '../local-server.ts';
import { openStandIn, PATHS, type StandIn } from '../stand-in.ts';

async function begin(t: Test, check?: StandIn['endpoints']['check']) {
  const service = await openStandIn(t);
  if (check) service.endpoints.check = check;
  const { issuer, audience, now } = service.issuer;
  const verifier = createVerifier({ issuer, audience, serviceUrl: `${service.url}/`, clock: { now } });
  t.teardown(() => verifier.close());
  return { service, verifier, issuer: service.issuer };
}

t.test('a permission in the token is granted without a request, by an equal text or by a wildcard', async (t) => {
  const { verifier, issuer, service } = await begin(t);
  const principal = await verifier.verify(issuer.token({ permissions: ['deals:write', 'contacts:*', '*:read'] }));
  for (const permission of ['deals:write', 'contacts:delete', 'invoices:read']) {
    t.equal(principal.has(permission), true, permission);
    t.doesNotThrow(() => principal.require(permission));
    await verifier.authorize(principal, permission);
  }
  const denied = {
    code: 'permission_denied',
    status: 403,
    wwwAuthenticate: 'Bearer error="insufficient_scope", scope="deals:delete"',
  };
  t.equal(principal.has('deals:delete'), false);
  t.throws(() => principal.require('deals:delete'), denied);
  await t.rejects(verifier.authorize(principal, 'deals:delete'), denied);
  const client = await verifier.verify(issuer.clientToken({ permissions: ['deals:read'] }));
  t.equal(client.has('deals:read'), true);
  await t.rejects(verifier.authorize(client, 'deals:write'), { code: 'permission_denied' });
  t.same(service.at(PATHS.check), []);
});

t.test('a principal without an organization gets an error that an organization is required', async (t) => {
  const { verifier, issuer } = await begin(t);
  const principal = await verifier.verify(issuer.token({ org: undefined }));
  t.equal(principal.has('deals:read'), false);
  t.throws(() => principal.require('deals:read'), { code: 'organization_required', status: 403 });
  await t.rejects(verifier.authorize(principal, 'deals:read'), { code: 'organization_required' });
});

t.test('an invalid permission raises a TypeError, and is never granted or refused', async (t) => {
  const { verifier, issuer } = await begin(t);
  const principal = await verifier.verify(issuer.token({ permissions: ['*:*'] }));
  for (const wrong of [
    '',
    'deals',
    'deals:',
    ':read',
    'deals:read:all',
    'Deals:read',
    'deals read',
    ' deals:read',
    'deals:read\n',
    undefined,
    null,
    7,
    ['deals:read'],
  ]) {
    t.throws(() => principal.has(wrong as string), TypeError, String(wrong));
    t.throws(() => principal.require(wrong as string), TypeError);
    await t.rejects(verifier.authorize(principal, wrong as string), TypeError);
  }
});

t.test('if the permissions do not fit into the token, the service is called with the same token', async (t) => {
  let allowed = true;
  const { verifier, issuer, service } = await begin(t, (_, response) =>
    json(response, 200, { data: { allowed, reason: 'x' } }),
  );
  const token = issuer.token({ permissions_ref: true });
  const principal = await verifier.verify(token);
  t.equal(principal.has('deals:write'), false);
  t.throws(() => principal.require('deals:write'), { code: 'check_unavailable', message: /authorize/ });
  await verifier.authorize(principal, 'deals:write');
  t.match(service.at(PATHS.check)[0], {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
  });
  t.same(JSON.parse(service.at(PATHS.check)[0]?.body ?? ''), { resource: 'deals', action: 'write' });
  allowed = false;
  await t.rejects(
    verifier.authorize(principal, 'deals:write'),
    { code: 'permission_denied', status: 403 },
    'the service is called each time',
  );
  await t.rejects(verifier.authorize(principal, 'deals:*'), TypeError, 'the service is never called for a wildcard');
  await t.rejects(
    verifier.authorize({ ...principal, has: () => false, require() {} }, 'deals:write'),
    TypeError,
    'a copy has no token',
  );
});

t.test('if the service refuses the token, the error is passed on, and any other answer becomes 503', async (t) => {
  for (const code of [
    'token_expired',
    'token_stale',
    'session_revoked',
    'organization_suspended',
    'invalid_token',
  ] as const) {
    const { verifier, issuer } = await begin(t, (_, response) => json(response, 401, { code }));
    const principal = await verifier.verify(issuer.token({ permissions_ref: true }));
    await t.rejects(verifier.authorize(principal, 'deals:write'), { code, status: 401 });
  }
  const answers: StandIn['endpoints']['check'][] = [
    (_, response) => json(response, 503, { code: 'database_unavailable' }),
    (_, response) => json(response, 429, {}),
    (_, response) => json(response, 403, {}),
    (_, response) => json(response, 404, {}),
    (_, response) => json(response, 200, {}),
    (_, response) => json(response, 200, { data: null }),
    (_, response) => json(response, 200, { data: { allowed: 'true' } }),
    (_, response) => json(response, 200, { data: { allowed: 1 } }),
    (_, response) => json(response, 200, null),
    (_, response) => json(response, 201, { data: { allowed: true } }),
    (_, response) => response.writeHead(307, { location: '/other' }).end(),
    (_, response) => response.writeHead(200).end('<html>'),
    (_, response) => response.destroy(),
  ];
  for (const [index, answer] of answers.entries()) {
    const { verifier, issuer } = await begin(t, answer);
    const principal = await verifier.verify(issuer.token({ permissions_ref: true }));
    const error = (await verifier.authorize(principal, 'deals:write').catch((thrown) => thrown)) as VerificationError;
    t.match(error, { code: 'check_unavailable', status: 503 }, `answer ${index}`);
    t.notMatch(String(error) + String(error.cause), /eyJ/);
  }
  const { verifier, issuer } = await begin(t, (_, response) => json(response, 401, { code: 'something_else' }));
  const principal = await verifier.verify(issuer.token({ permissions_ref: true }));
  await t.rejects(verifier.authorize(principal, 'deals:write'), { code: 'invalid_token', status: 401 });
});

t.test('a principal cannot be changed, and does not show its token', async (t) => {
  const { verifier, issuer } = await begin(t);
  const token = issuer.token({ permissions: ['deals:read'], roles: ['member'] });
  const principal = await verifier.verify(token);
  const target = principal as unknown as Record<string, unknown>;
  for (const change of [
    () => Object.assign(target, { permissions: ['*:*'] }),
    () => (principal.permissions as string[]).push('*:*'),
    () => principal.kind === 'user' && (principal.roles as string[]).push('owner'),
    () => Object.assign(target, { has: () => true }),
    () => Object.defineProperty(target, 'organizationId', { value: 'x' }),
    () => delete target.expiresAt,
  ]) {
    t.throws(change, TypeError);
  }
  t.equal(principal.has('deals:write'), false);
  t.notMatch(JSON.stringify(principal), token.slice(-20));
  t.same(Object.keys(JSON.parse(JSON.stringify(principal))).sort(), Object.keys(principal).sort());
  t.notOk(Object.keys(principal).includes('has'));
});

t.test(
  'after a pause of the process, the policy decides before a permission of an earlier principal counts',
  async (t) => {
    const service = await openStandIn(t);
    let isCurrent = true;
    const revocations = {
      judge: () => null,
      staleSeconds: () => 0,
      isCurrent: () => isCurrent,
      onRevocation: () => () => {},
    };
    const [rejecting, allowing] = (['reject', 'allow'] as const).map((onStale) =>
      service.issuer.verifier({ revocations, stale: { onStale } }),
    );
    if (!rejecting || !allowing) return t.fail();
    const principal = await rejecting.verify(service.issuer.token({ permissions: ['deals:read'] }));
    await rejecting.authorize(principal, 'deals:read');
    isCurrent = false;
    await t.rejects(rejecting.authorize(principal, 'deals:read'), { code: 'revocations_stale', status: 503 });
    await allowing.authorize(principal, 'deals:read');
    isCurrent = true;
    await rejecting.authorize(principal, 'deals:read');
  },
);
