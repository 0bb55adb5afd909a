// The two small servers of the example applications: they answer every request that somebody may send, and the page
// with the mails answers under the names of this machine only.
import t from 'tap';
import { requestHead, sendRaw } from '../../support/raw.ts';
import { freePort } from '../../support/servers/process.ts';

interface Closable {
  close(): Promise<void>;
}
interface Servers {
  serveApplication(options: { variant: string; port: number; tenantry: string }): Promise<Closable>;
  openMailPage(port: number): Promise<Closable & { add(mail: Record<'to' | 'subject' | 'text', string>): void }>;
}
const moduleOf = async (name: string) =>
  (await import(new URL(`../../../examples/spa/server/${name}`, import.meta.url).href)) as Servers;
const { serveApplication } = await moduleOf('serve.mjs');
const { openMailPage } = await moduleOf('mails.mjs');

t.test('the server of an application refuses every path that neither a file nor a page has, and goes on', async (t) => {
  const port = await freePort();
  const server = await serveApplication({ variant: 'hosted', port, tenantry: 'http://localhost:3000' });
  t.teardown(server.close);
  const url = `http://127.0.0.1:${port}`;
  const refused = [
    '//',
    '///',
    '//a',
    '/%',
    '/%zz',
    '/%00',
    '/..',
    '/../..',
    '/../../package.json',
    '/./deals',
    '/a//b',
  ];
  refused.push(
    '/%2e%2e',
    '/%2e%2e/%2e%2e/package.json',
    '/..%2f..%2fpackage.json',
    '/deals%2f..',
    '/..\\..\\package.json',
  );
  refused.push(
    '/shared/../server/serve.mjs',
    '/server/serve.mjs',
    '/own-forms/app.mjs',
    '/start.mjs',
    '/__proto__.mjs',
  );
  refused.push('http://', 'http://[', 'http://a b/', '*', 'deals', '?', '/deals\u0000');
  for (const target of refused) {
    const { status, text } = await sendRaw(url, requestHead('GET', target));
    t.ok([400, 404].includes(status), `${target} ${status}`);
    t.notMatch(text, /<html|import /, target);
  }
  for (const target of ['/', '/deals?id=//', '/account/email', '/hosted/app.mjs', '/shared/style.css?1']) {
    t.equal((await sendRaw(url, requestHead('GET', target))).status, 200, target);
  }
  t.equal((await sendRaw(url, requestHead('POST', '//', 'Content-Length: 0'))).status, 405);
});

t.test('the page with the mails answers under a name of this machine, and under no other name', async (t) => {
  const port = await freePort();
  const page = await openMailPage(port);
  t.teardown(page.close);
  page.add({ to: 'ada@example.com', subject: 'Reset', text: 'http://localhost:3000/reset-password#token=secret' });
  const ask = (...lines: string[]) => sendRaw(`http://127.0.0.1:${port}`, [...lines, '', ''].join('\r\n'));
  for (const host of [`localhost:${port}`, 'LOCALHOST', '127.0.0.1:8025', '[::1]:8025']) {
    const { status, text } = await ask('GET / HTTP/1.1', `Host: ${host}`);
    t.match([status, text], [200, 'token=secret'], host);
  }
  const others = ['evil.example', `evil.example:${port}`, 'localhost.evil.example', '127.0.0.1.evil.example', ''];
  others.push('localhost:80@evil.example', '0.0.0.0', 'localhost, evil.example', 'xlocalhost');
  for (const host of others) {
    for (const path of ['/', '/style.css']) {
      const { status, text } = await ask(`GET ${path} HTTP/1.1`, `Host: ${host}`);
      t.ok([400, 421].includes(status), `${host} ${status}`);
      t.notMatch(text, 'secret', host);
    }
  }
  t.notMatch((await ask('GET / HTTP/1.0')).text, 'secret', 'without a Host');
});
