// The documented nginx in front of Tenantry itself, examples/proxies/nginx-tenantry.conf. Only the addresses and TLS
// are changed.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request as send } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { tokenWith } from '../access/forward-auth/forward.ts';
import { consume, eventsOf } from '../credentials/feed/consumer.ts';
import { createDatabase } from '../support/database.ts';
import { newAccount } from '../support/fixtures/accounts.ts';
import { seedClientWithToken } from '../support/fixtures/clients.ts';
import { startNginx } from '../support/servers/nginx.ts';
import { openService, ROOT } from '../support/service.ts';

const SHIPPED = readFileSync(join(ROOT, 'examples/proxies/nginx-tenantry.conf'), 'utf8');
const TRUSTED = /TRUSTED_PROXIES=(\S+)/.exec(SHIPPED)?.[1] ?? '';

function configuration(service: string): string {
  const changes = [
    ['listen 443 ssl;', 'listen 127.0.0.1:{{port}};'],
    ['server 127.0.0.1:3000;', `server ${new URL(service).host};`],
  ] as const;
  return changes.reduce(
    (config, [from, to]) => {
      if (config.split(from).length !== 2) throw new Error(`${from} does not occur exactly once`);
      return config.replace(from, to);
    },
    SHIPPED.replaceAll(/^ +ssl_certificate.*$/gm, ''),
  );
}

/** Signs in with a wrong password from an address of the loopback network. Returns the status. */
async function signInFrom(url: string, localAddress: string, forwardedFor: string): Promise<number | undefined> {
  const headers = { 'content-type': 'application/json', 'x-forwarded-for': forwardedFor };
  const request = send(`${url}/api/v1/auth/login`, { method: 'POST', localAddress, headers });
  request.end(JSON.stringify({ email: `${forwardedFor}@example.com`, password: 'not the password' }));
  const [response] = await once(request, 'response');
  await text(response);
  return response.statusCode;
}

t.test('each address has its own allowance, and a header of the client does not change it', async (t) => {
  const settings = { RATE_LIMIT_ENABLED: 'true', RATE_LIMIT_SIGN_IN: '1', TRUSTED_PROXIES: TRUSTED };
  const { url } = await openService(t, await createDatabase(t), settings);
  const nginx = await startNginx(t, configuration(url));
  t.equal(await signInFrom(nginx.url, '127.0.0.2', '198.51.100.1'), 401);
  t.equal(await signInFrom(nginx.url, '127.0.0.2', '198.51.100.2'), 429, 'the chosen address is not believed');
  t.equal(await signInFrom(nginx.url, '127.0.0.3', '198.51.100.3'), 401, 'another address is not affected');
});

t.test('the longest token passes, and the feed sends each event at once', async (t) => {
  const database = await createDatabase(t);
  const service = await openService(t, database, { TRUSTED_PROXIES: TRUSTED });
  await service.app.parts.revocations.synchronize();
  const nginx = await startNginx(t, configuration(service.url));
  const roles = Array.from({ length: 20 }, (_, index) => `role-${index}-${'x'.repeat(58)}`);
  const permissions = Array.from(
    { length: 200 },
    (_, index) => `r${index}-${'x'.repeat(30)}:a${index}-${'x'.repeat(30)}`,
  );
  const long = await tokenWith(service, roles, permissions);
  t.ok(long.length > 20_000);
  const verified = await fetch(`${nginx.url}/verify`, { headers: { authorization: `Bearer ${long}` } });
  t.equal(verified.status, 200, await verified.text());
  t.ok((verified.headers.get('x-permissions') ?? '').length > 12_000);

  const { token } = await seedClientWithToken(service.app, database, {
    organizationId: null,
    permissions: ['revocations:read'],
  });
  const stream = await consume(t, nginx.url, token);
  await stream.heartbeat();
  const account = await newAccount(service.api);
  await service.api.post('/auth/logout', {}, { token: account.accessToken });
  const [ended] = eventsOf(await stream.until(({ event }) => event === 'revocation'));
  t.equal(ended?.kind, 'session');
  t.notMatch(nginx.errorLog(), /\[error\]/);
});
