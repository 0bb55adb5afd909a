// Tests the real nginx that other tests run in front of the service.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { startNginx } from './nginx.ts';

t.test('nginx answers, forwards requests, checks the authorization before that, and logs errors', async (t) => {
  const upstream = createServer((request, response) => {
    response.statusCode = request.url === '/verify' && request.headers.cookie !== 'in=1' ? 401 : 200;
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
    });
    request.on('end', () => response.end(`${request.method} ${request.url} ${size}`));
  }).listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  t.teardown(() => upstream.close());
  const to = (path: string) => `proxy_pass http://127.0.0.1:${(upstream.address() as AddressInfo).port}${path}`;
  const nginx = await startNginx(
    t,
    `server {
      listen 127.0.0.1:{{port}};
      client_max_body_size 2m;
      location /plain { return 200 "plain"; }
      location /guarded { auth_request /asked; ${to('')}; }
      location = /asked {
        internal; ${to('/verify')}; proxy_pass_request_body off; proxy_set_header Content-Length "";
      }
      location /nobody { proxy_pass http://127.0.0.1:1; }
    }`,
  );
  const status = async (path: string, headers = {}) => (await fetch(`${nginx.url}${path}`, { headers })).status;
  t.equal(await (await fetch(`${nginx.url}/plain`)).text(), 'plain');
  t.equal(await status('/guarded'), 401);
  t.equal(await status('/guarded', { cookie: 'in=1' }), 200);
  const body = Buffer.alloc(1_000_000);
  const sent = await fetch(`${nginx.url}/guarded`, { method: 'POST', body, headers: { cookie: 'in=1' } });
  t.equal(
    await sent.text(),
    'POST /guarded 1000000',
    'a body that is larger than the buffer of nginx is sent completely',
  );
  t.equal(await status('/nobody'), 502);
  t.match(nginx.errorLog(), /\[error\].*Connection refused/);

  const workers = [...nginx.errorLog().matchAll(/start worker process (\d+)/g)].map(([, pid]) => pid);
  t.equal(workers.length, 1);
  const identity = /^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${workers[0]}/status`, 'utf8'))?.[1];
  t.not(identity, '0', 'requests are never handled as root');
  await nginx.stop();
  await t.rejects(fetch(`${nginx.url}/plain`));
  t.throws(() => process.kill(Number(workers[0]), 0), { code: 'ESRCH' }, 'its worker has ended as well');
});

t.test('the error for a refused configuration has the message of nginx', async (t) => {
  await t.rejects(startNginx(t, 'server { listen 127.0.0.1:{{port}}; nonsense on; }'), {
    message: /unknown directive "nonsense" in .*nginx\.conf:\d+[\s\S]*\d+\tserver \{/,
  });
  await t.rejects(startNginx(t, 'server { listen 80; }'), /\{\{port\}\}/);
});
