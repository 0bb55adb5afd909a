// The documented nginx configuration, in a real nginx in front of the sidecar.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { startNginx } from '../../support/servers/nginx.ts';
import { ROOT } from '../../support/service.ts';
import { openClient, openSetup, refusal } from '../open.ts';

const SID = '0196f0aa-0000-7000-8000-000000000001';
const page = readFileSync(join(ROOT, 'docs', 'websockets.md'), 'utf8');
const shown = /```nginx\n([\s\S]*?)```/.exec(page)?.[1] ?? '';

t.test('sockets, renewals, revocations and plain requests pass through nginx as documented', async (t) => {
  const setup = await openSetup(t, { settings: { trustedProxies: ['127.0.0.1'] } });
  const { issuer, upstream, sidecar } = setup;
  const config = shown
    .replace('listen 443 ssl;', 'listen 127.0.0.1:{{port}};')
    .replace('server 127.0.0.1:9000;', `server 127.0.0.1:${sidecar.address.port};`);
  const nginx = await startNginx(t, config);
  const permissions = Array.from({ length: 200 }, (_, index) => `resource-${index}-${'x'.repeat(30)}:action-${index}`);
  const token = issuer.token({ sid: SID, permissions });
  t.ok(token.length > 15_000, 'the token is very long');
  const spoofed = { 'X-User-ID': 'admin', X_User_ID: 'admin', 'X-Forwarded-Proto': 'gopher' };
  const url = `${nginx.url.replace('http', 'ws')}//a/../b?x=%2F`;
  const client = await openClient(url, ['tenantry', `bearer.${token}`], { headers: spoofed });
  client.socket.send('hello');
  t.equal(await client.message(), 'hello');
  const [request] = upstream.requests;
  t.match(request?.headers, {
    'x-user-id': issuer.userId,
    'x-forwarded-for': '127.0.0.1, 127.0.0.1',
    'x-forwarded-proto': 'http',
    'x-forwarded-host': '127.0.0.1',
  });
  t.notMatch(JSON.stringify(request?.rawHeaders), /admin|gopher/);
  client.socket.send(
    JSON.stringify({ event: 'authenticate', data: { token: issuer.token({ sid: SID, permissions }) } }),
  );
  t.match(JSON.parse(String(await client.message())), { event: 'authenticated' });
  const plain = await fetch(`${nginx.url}/plain`, { headers: { authorization: `Bearer ${token}` } });
  t.equal(await plain.text(), 'plain');
  const refused = await fetch(`${nginx.url}/plain`);
  t.equal(refused.status, 401);
  t.equal(refused.headers.get('www-authenticate'), 'Bearer');
  issuer.revoke({ kind: 'session', sid: SID });
  t.same(await client.closed, { code: 4401, reason: 'session_revoked' });
  t.match(await refusal(openClient(url, [`bearer.${token}`], {})), { status: 401, code: 'session_revoked' });
  t.notMatch(nginx.errorLog(), /\[error\]/);
});
