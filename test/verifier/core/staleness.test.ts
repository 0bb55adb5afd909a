// The answers of a verifier while the feed is silent, and which tokens a verifier with a client of one organization
// accepts.
import { randomUUID } from 'node:crypto';
import t, { type Test } from 'tap';
import { createVerifier, type RevocationOptions, type VerificationError } from '../../../src/verifier/index.ts';
import { until } from '../../support/until.ts';
import { json } from '../local-server.ts';
import { CREDENTIALS, frames, openStandIn, PATHS, type StandIn } from '../stand-in.ts';

/** A verifier of the stand-in's tokens. The feed sends nothing unless `set` changes the stand-in. */
async function begin(t: Test, revocation: Partial<RevocationOptions> = {}, set = (_: StandIn) => {}) {
  const service = await openStandIn(t);
  service.endpoints.feed = (_, response) => response.flushHeaders();
  set(service);
  const errors: string[] = [];
  const { issuer, audience, now } = service.issuer;
  const verifier = createVerifier({
    issuer,
    audience,
    serviceUrl: service.url,
    revocation: { credentials: CREDENTIALS, ...revocation },
    clock: { now },
    onError: ({ message }) => errors.push(message),
  });
  t.teardown(() => verifier.close());
  const outcome = (token: string) =>
    verifier.verify(token).then(
      () => 'good',
      ({ code, status }: VerificationError) => `${status} ${code}`,
    );
  return { service, verifier, errors, outcome };
}

t.test('while the feed is silent, the policy "reject" answers 503 to a valid token and 401 to any other', async (t) => {
  const { service, verifier, outcome } = await begin(t, { onStale: 'reject' });
  const token = service.issuer.token();
  t.equal(await outcome(token), '503 revocations_stale');
  t.equal(await outcome(token), '503 revocations_stale', 'a remembered token is refused too');
  t.equal(await outcome(service.issuer.expiredToken()), '401 token_expired');
  t.equal(await outcome('x'), '401 invalid_token');
  const error = (await verifier.verify(token).catch((thrown) => thrown)) as VerificationError;
  t.equal(error.wwwAuthenticate, undefined, 'the answer has no challenge, so a client keeps its token');
  t.ok((error.retryAfterSeconds ?? 0) >= 1);
  t.equal(verifier.staleSeconds(), Number.POSITIVE_INFINITY);
  t.same(service.at(PATHS.introspect), []);
});

t.test('while the feed is silent, the policy "allow" accepts valid tokens', async (t) => {
  const { service, outcome } = await begin(t, { onStale: 'allow' });
  t.equal(await outcome(service.issuer.token()), 'good');
  t.equal(await outcome(service.issuer.expiredToken()), '401 token_expired');
});

t.test('while the feed is silent, the default policy introspects each token at most once a second', async (t) => {
  const { service, outcome } = await begin(t);
  const token = service.issuer.token();
  t.same(await Promise.all([outcome(token), outcome(token), outcome(token)]), ['good', 'good', 'good']);
  t.equal(await outcome(token), 'good');
  const [asked, ...others] = service.at(PATHS.introspect);
  t.same(others, [], 'once');
  t.equal(asked?.method, 'POST');
  t.equal(asked?.headers['content-type'], 'application/x-www-form-urlencoded');
  t.equal(new URLSearchParams(asked?.body).get('token'), token);
  const [scheme, value = ''] = asked?.headers.authorization?.split(' ') ?? [];
  t.equal(scheme, 'Basic');
  const [id = '', secret = ''] = Buffer.from(value, 'base64').toString().split(':');
  const plain = (text: string) => new URLSearchParams(`x=${text}`).get('x');
  t.same([plain(id), plain(secret)], [CREDENTIALS.clientId, CREDENTIALS.clientSecret], 'form-encoded, RFC 6749 §2.3.1');
  await until(() => Date.now() > 0 && service.at(PATHS.introspect).length > 0);
  service.endpoints.introspect = (_, response) => json(response, 200, { active: false });
  t.equal(await outcome(service.issuer.token()), '401 token_stale', 'an inactive token was revoked');
});

t.test('if introspection fails or its answer is unclear, the token gets 503 and introspection pauses', async (t) => {
  const answers: StandIn['endpoints']['introspect'][] = [
    (_, response) => json(response, 500, {}),
    (_, response) => json(response, 401, { error: 'invalid_client' }),
    (_, response) => json(response, 429, {}),
    (_, response) => json(response, 200, {}),
    (_, response) => json(response, 200, { active: 'true' }),
    (_, response) => json(response, 200, null),
    (_, response) => response.writeHead(200).end('active=true'),
    (_, response) => response.writeHead(302, { location: '/elsewhere' }).end(),
    (_, response) => response.destroy(),
    (_, response) => json(response, 200, { active: true, more: 'x'.repeat(70_000) }),
    (_, response) => json(response, 200, { active: true, jti: randomUUID() }),
    (_, response) => json(response, 200, { active: true, sub: randomUUID() }),
    (_, response) => json(response, 200, { active: true, iss: 'https://elsewhere.test' }),
    (_, response) => json(response, 200, { active: true, token_type: 'refresh_token' }),
  ];
  for (const [index, answer] of answers.entries()) {
    const { service, outcome, errors } = await begin(t, {}, ({ endpoints }) => {
      endpoints.introspect = answer;
    });
    t.equal(await outcome(service.issuer.token()), '503 revocations_stale', `answer ${index}`);
    service.endpoints.introspect = (_, response) => json(response, 200, { active: true });
    t.equal(
      await outcome(service.issuer.token()),
      '503 revocations_stale',
      `no second request is sent at once, ${index}`,
    );
    t.equal(service.at(PATHS.introspect).length, 1);
    t.match(errors.join(), /oauth\/introspect/);
    t.notMatch(errors.join(), /eyJ|secret/);
  }
});

t.test('while the feed is silent, the number of simultaneous introspection requests is limited', async (t) => {
  let most = 0;
  let now = 0;
  const { service, outcome } = await begin(t, {}, ({ endpoints }) => {
    endpoints.introspect = (_, response) => {
      now += 1;
      most = Math.max(most, now);
      setImmediate(() => {
        now -= 1;
        json(response, 200, { active: true });
      });
    };
  });
  t.equal(await outcome(service.issuer.expiredToken()), '401 token_expired', 'the keys are there');
  const tokens = Array.from({ length: 200 }, () => service.issuer.token());
  const outcomes = await Promise.all(tokens.map(outcome));
  t.same([...new Set(outcomes)].sort(), ['503 revocations_stale', 'good']);
  t.ok(most <= 64, `${most} at a time`);
});

t.test('once the feed works, no introspection is sent and revocations take effect at once', async (t) => {
  const { service, verifier, outcome } = await begin(t, {}, (service) => {
    service.endpoints.feed = (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      service.streams.push(response);
      response.write(frames.snapshot('c1'));
    };
  });
  await verifier.ready();
  t.ok(verifier.staleSeconds() < 5);
  const sid = randomUUID();
  const token = service.issuer.token({ sid });
  const principal = await verifier.verify(token);
  t.equal(verifier.judge(principal), null);
  const heard: unknown[] = [];
  verifier.onRevocation((revocation) => heard.push([revocation, verifier.judge(principal)]));
  service.send(frames.revocation('c2', { kind: 'session', sid }));
  await until(() => heard.length === 1);
  t.same(heard, [[{ kind: 'session', sid }, 'session_revoked']], 'a listener is called after the event was applied');
  t.equal(await outcome(token), '401 session_revoked');
  t.same(service.at(PATHS.introspect), []);
});

t.test('a revocation ends the tokens that it names, and no others', async (t) => {
  const { service, verifier, outcome } = await begin(t, {}, (service) => {
    service.endpoints.feed = (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      service.streams.push(response);
      response.write(frames.snapshot('c1'));
    };
  });
  await verifier.ready();
  const { issuer } = service;
  const [other, org] = [randomUUID(), randomUUID()];
  let count = 1;
  const tell = async (revocation: object) => {
    let isHeard = false;
    const stop = verifier.onRevocation(() => {
      isHeard = true;
    });
    service.send(frames.revocation(`c${++count}`, revocation));
    await until(() => isHeard);
    stop();
  };
  const user = issuer.token({ epoch: 4 });
  await tell({ kind: 'user', sub: issuer.userId, epoch: 4 });
  t.equal(await outcome(user), 'good', 'a token of that epoch');
  await tell({ kind: 'user', sub: issuer.userId, epoch: 5 });
  t.equal(await outcome(user), '401 token_stale');
  t.equal(await outcome(issuer.token({ epoch: 5 })), 'good');
  t.equal(await outcome(issuer.token({ sub: other })), 'good', 'another user');
  const client = issuer.clientToken();
  await tell({ kind: 'client', client_id: issuer.clientId, epoch: 2 });
  t.equal(await outcome(client), '401 token_stale');
  const member = issuer.token({ sub: other, org });
  await tell({ kind: 'organization', org, state: 'suspended', at: 2000 });
  t.equal(await outcome(member), '401 organization_suspended');
  await tell({ kind: 'organization', org, state: 'active', at: 3000 });
  t.equal(await outcome(member), 'good', 'active again');
  const before = issuer.token({ sub: other });
  issuer.advance(10);
  await tell({ kind: 'everything', not_before: Math.floor(issuer.now() / 1000) });
  t.equal(await outcome(before), '401 session_revoked');
  t.equal(await outcome(issuer.token({ sub: other })), 'good', 'issued since');
});

t.test('with a client of one organization the verifier refuses tokens of another or no organization', async (t) => {
  const own = randomUUID();
  const payload = Buffer.from(JSON.stringify({ org: own })).toString('base64url');
  const { service, verifier, outcome } = await begin(t, {}, (service) => {
    service.endpoints.token = (_, response) => {
      json(response, 200, { access_token: `e30.${payload}.x`, token_type: 'Bearer', expires_in: 900 });
    };
    service.endpoints.feed = (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(frames.snapshot('c1'));
    };
  });
  await verifier.ready();
  const { issuer } = service;
  t.equal(await outcome(issuer.token({ org: own })), 'good');
  t.equal(await outcome(issuer.clientToken({ org: own })), 'good');
  t.equal(await outcome(issuer.token()), '401 invalid_token', 'a token of another organization');
  t.equal(await outcome(issuer.token({ org: undefined })), '401 invalid_token', 'a token of no organization');
  await t.rejects(verifier.verify(issuer.token()), /an organization other than the one whose revocations are followed/);
});

t.test('ready waits for the keys and the snapshot, and its error names what is missing', async (t) => {
  const { service, verifier, outcome } = await begin(t);
  t.equal(await outcome(service.issuer.token()), 'good', 'the keys are known, so introspection accepts the token');
  await t.rejects(verifier.ready(0.05), { code: 'revocations_stale', status: 503 });
  const keyless = await begin(t, {}, ({ endpoints }) => {
    endpoints.jwks = (_, response) => json(response, 500, {});
  });
  await t.rejects(keyless.verifier.ready(0.05), { code: 'keys_unavailable', status: 503 });
});

t.test('a closed verifier verifies no token and sends no request', async (t) => {
  const { service, verifier, outcome } = await begin(t, { onStale: 'allow' });
  const token = service.issuer.token();
  t.equal(await outcome(token), 'good');
  verifier.close();
  t.equal(await outcome(token), '503 keys_unavailable');
  await t.rejects(verifier.verifyHeader(`Bearer ${token}`), { code: 'keys_unavailable' });
  await t.rejects(verifier.verify(token), /was closed/);
});

t.test('closing a verifier ends an introspection request in progress, and logs nothing', async (t) => {
  const silent = (service: StandIn) => Object.assign(service.endpoints, { introspect: () => {} });
  const { service, verifier, errors, outcome } = await begin(t, {}, silent);
  const asked = outcome(service.issuer.token());
  await until(() => service.at(PATHS.introspect).length === 1);
  verifier.close();
  t.equal(await asked, '503 revocations_stale');
  t.same(
    errors.filter((error) => error.includes(PATHS.introspect)),
    [],
  );
});
