// The guarantees of the HTTP adapters of the verifier, as one list of cases over real HTTP. The test of each adapter
// starts its server with the routes that are listed in this file.
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import type { Test } from 'tap';
import type { Verifier } from '../../../src/verifier/core/contract.ts';
import type { TestIssuer } from '../../../src/verifier/testkit/testkit.ts';
import { openIssuer } from '../../support/issuer.ts';

/**
 * A server with `GET /me` (authenticated), `/maybe` (optionally), `/deals` (authenticated and deals:write),
 * `/forgotten` (deals:write without authentication). Each answers { id } with the id of the principal, or null.
 */
export interface Guarded {
  readonly port: number;
  close(): Promise<unknown>;
}

export type StartGuarded = (verifier: Verifier) => Promise<Guarded>;

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Record<string, unknown>;
}

/** Sends a request with exactly these headers, repeated headers included. */
export function get(
  port: number,
  path: string,
  headers: readonly string[] = [],
  agent?: Agent,
  method = 'GET',
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: '127.0.0.1', port, path, method, headers: ['Host', 'x', ...headers], agent },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (piece: string) => {
          text += piece;
        });
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: JSON.parse(text || '{}') });
        });
      },
    );
    sent.on('error', reject);
    sent.end();
  });
}

/** Returns the Authorization header for a token. */
export const bearer = (token: string) => ['Authorization', `Bearer ${token}`] as const;

/** Runs every case against a server that `start` starts. */
export async function holdHttpCases(t: Test, start: StartGuarded): Promise<void> {
  const begin = async (t: Test, make = (issuer: TestIssuer) => issuer.verifier()) => {
    const issuer = openIssuer();
    const verifier = make(issuer);
    const { port, close } = await start(verifier);
    t.teardown(async () => {
      verifier.close();
      await close();
    });
    return { issuer, port };
  };

  await t.test('a request with a valid token is accepted as the user or client of the token', async (t) => {
    const { issuer, port } = await begin(t);
    t.match(await get(port, '/me', bearer(issuer.token())), { status: 200, body: { id: issuer.userId } });
    t.match(await get(port, '/me', bearer(issuer.clientToken())), { status: 200, body: { id: issuer.clientId } });
    t.match(await get(port, '/me', ['authorization', `bearer ${issuer.token()}`]), { status: 200 }, 'any case');
  });

  await t.test('a request without a token is refused, and the answer describes how to send a token', async (t) => {
    const { port } = await begin(t);
    const { status, headers, body } = await get(port, '/me');
    t.equal(status, 401);
    t.equal(headers['www-authenticate'], 'Bearer');
    t.equal(headers['content-type'], 'application/problem+json; charset=utf-8');
    t.equal(headers['cache-control'], 'no-store');
    t.match(body, { type: '/problems/unauthenticated', title: String, status: 401, code: 'unauthenticated' });
    t.equal(body.detail, body.error);
  });

  await t.test('a header that is not one bearer token is refused, even if a token is optional', async (t) => {
    const { issuer, port } = await begin(t);
    const token = issuer.token();
    const bad = [`Basic ${token}`, token, 'Bearer', `Bearer ${token} ${token}`, `Bearer ${token},Bearer ${token}`, ''];
    for (const header of [...bad, `Bearer ${token}x`, `Bearer ${token.slice(0, -3)}`, 'Bearer a.b.c', 'Bearer null']) {
      for (const path of ['/me', '/maybe', '/deals']) {
        const { status, headers, body } = await get(port, path, ['Authorization', header]);
        t.equal(status, 401, `${path} ${header.slice(0, 12)}`);
        t.equal(headers['www-authenticate'], 'Bearer error="invalid_token"');
        t.equal(body.code, 'invalid_token');
        t.notOk(JSON.stringify(body).includes(token), 'the answer does not repeat the token');
      }
    }
  });

  await t.test('two Authorization headers are refused, whatever they contain', async (t) => {
    const { issuer, port } = await begin(t);
    const good = bearer(issuer.token());
    const others = [good, bearer(issuer.token()), ['authorization', 'Basic eDp5'], ['AUTHORIZATION', '']] as const;
    for (const other of others) {
      for (const headers of [
        [...good, ...other],
        [...other, 'X-Between', '1', ...good],
      ]) {
        for (const path of ['/me', '/maybe', '/deals']) {
          t.match(await get(port, path, headers), { status: 401, body: { code: 'invalid_token' } }, path);
        }
      }
    }
  });

  await t.test('an expired or revoked token is refused with the reason', async (t) => {
    const { issuer, port } = await begin(t);
    const refused = async (token: string, code: string) => {
      const { status, headers, body } = await get(port, '/me', bearer(token));
      t.match({ status, code: body.code }, { status: 401, code });
      t.equal(headers['www-authenticate'], 'Bearer error="invalid_token"', code);
    };
    await refused(issuer.expiredToken(), 'token_expired');
    const [sid, sub, org] = Array.from({ length: 3 }, () => crypto.randomUUID());
    const tokens = [issuer.token({ sid }), issuer.token({ sub }), issuer.token({ org })];
    for (const token of tokens) t.equal((await get(port, '/me', bearer(token))).status, 200);
    issuer.revoke({ kind: 'session', sid: sid ?? '' });
    issuer.revoke({ kind: 'user', sub: sub ?? '', epoch: 2 });
    issuer.revoke({ kind: 'organization', org: org ?? '', state: 'suspended', at: 1 });
    const codes = ['session_revoked', 'token_stale', 'organization_suspended'];
    for (const [index, code] of codes.entries()) await refused(tokens[index] ?? '', code);
    const token = issuer.token();
    t.equal((await get(port, '/me', bearer(token))).status, 200);
    issuer.advance(906);
    await refused(token, 'token_expired');
  });

  await t.test('while revocations are unknown the answer is 503 with Retry-After, never 401', async (t) => {
    const { issuer, port } = await begin(t);
    const token = issuer.token({ permissions: ['deals:write'] });
    issuer.setStale(true);
    for (const path of ['/me', '/maybe', '/deals']) {
      const { status, headers, body } = await get(port, path, bearer(token));
      t.match({ status, code: body.code }, { status: 503, code: 'revocations_stale' }, path);
      t.match(headers['retry-after'], /^[1-9][0-9]*$/);
      t.notOk('www-authenticate' in headers);
    }
    t.equal((await get(port, '/me')).status, 401, 'a request without a token still gets 401');
    issuer.setStale(false);
    t.equal((await get(port, '/me', bearer(token))).status, 200);
  });

  await t.test('a missing permission gets 403 insufficient_scope, and a matching wildcard is enough', async (t) => {
    const { issuer, port } = await begin(t);
    for (const permissions of [[], ['deals:read'], ['Deals:write'], ['deals:writer'], ['contacts:*']]) {
      const { status, headers, body } = await get(port, '/deals', bearer(issuer.token({ permissions })));
      t.match({ status, code: body.code }, { status: 403, code: 'permission_denied' }, permissions.join());
      t.equal(headers['www-authenticate'], 'Bearer error="insufficient_scope", scope="deals:write"');
    }
    for (const permissions of [['deals:write'], ['deals:*'], ['*:write'], ['*:*']]) {
      t.equal((await get(port, '/deals', bearer(issuer.token({ permissions })))).status, 200, permissions.join());
    }
    t.equal((await get(port, '/deals', bearer(issuer.clientToken({ permissions: ['deals:write'] })))).status, 200);
    const nowhere = await get(port, '/deals', bearer(issuer.token({ org: undefined })));
    t.match(nowhere, { status: 403, body: { code: 'organization_required' } });
    t.equal((await get(port, '/deals')).status, 401, 'a request without a token gets 401');
  });

  await t.test('permissions that are not in the token are read from the service', async (t) => {
    const { issuer, port } = await begin(t);
    const token = issuer.token({ permissions_ref: true });
    t.match(await get(port, '/deals', bearer(token)), { status: 403, body: { code: 'permission_denied' } });
    issuer.grant(issuer.userId, 'deals:write');
    t.match(await get(port, '/deals', bearer(token)), { status: 200, body: { id: issuer.userId } });
  });

  await t.test('if permissions cannot be read, the answer is 503', async (t) => {
    const fetch = () => Promise.reject(new Error('connection refused'));
    const { issuer, port } = await begin(t, (issuer) => issuer.verifier({ fetch }));
    const { status, headers, body } = await get(port, '/deals', bearer(issuer.token({ permissions_ref: true })));
    t.match({ status, code: body.code }, { status: 503, code: 'check_unavailable' });
    t.match(headers['retry-after'], /^[1-9][0-9]*$/);
  });

  await t.test('if a token is optional, a request without a token is accepted and has no principal', async (t) => {
    const { issuer, port } = await begin(t);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    t.teardown(() => agent.destroy());
    for (let round = 0; round < 3; round += 1) {
      const known = await get(port, '/maybe', bearer(issuer.token()), agent);
      t.match(known, { status: 200, body: { id: issuer.userId } });
      const unknown = await get(port, '/maybe', [], agent);
      t.match(unknown, { status: 200, body: { id: null } }, 'the previous caller does not stay');
    }
    const expired = await get(port, '/maybe', bearer(issuer.expiredToken()));
    t.match(expired, { status: 401, body: { code: 'token_expired' } });
  });

  await t.test('a permission check without authentication refuses even a request with a valid token', async (t) => {
    const { issuer, port } = await begin(t);
    for (const headers of [[], bearer(issuer.token({ permissions: ['*:*'] }))]) {
      t.match(await get(port, '/forgotten', headers), { status: 401, body: { code: 'unauthenticated' } });
    }
  });
}
