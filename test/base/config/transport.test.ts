// Warnings about connections that others could read, an unknown proxy and a shared audience. Also the lists of proxies
// that production refuses, and the address of invitation links.
import t from 'tap';
import { readConfig } from '../../../src/base/config/config.ts';
import { isEverybody } from '../../../src/base/config/everybody.ts';
import { remarksOn } from '../../../src/base/config/remarks.ts';
import { databaseRemarks } from '../../../src/base/database/transport.ts';
import { acceptPageOf } from '../../../src/base/mail-kit/links.ts';

const PRODUCTION = {
  NODE_ENV: 'production',
  PUBLIC_URL: 'https://auth.example.com',
  DATABASE_URL: 'postgres://x@localhost/x',
  KEYS_DIR: '/keys',
  REDIS_URL: 'rediss://cache',
  MAIL_FROM: 'x@example.com',
  PUBLIC_APP_URL: 'https://app.example.com',
  TRUSTED_PROXIES: '127.0.0.1',
};

t.test(
  'a database on another machine without TLS, or with a certificate that is not checked, is a warning',
  async (t) => {
    const remark = (DATABASE_URL: string) => databaseRemarks(readConfig({ DATABASE_URL })).join('\n');
    const at = (host: string, rest = '') => `postgres://owner:hush@${host}/tenantry${rest}`;
    for (const plain of [at('db.example.com'), at('10.0.0.5:5433'), at('db', '?sslmode=disable'), at('[fd00::1]')]) {
      t.match(remark(plain), /^DATABASE_URL: PostgreSQL at \S+ is reached without TLS: add sslmode=verify-full/, plain);
    }
    t.match(remark('postgres://owner@localhost/x?host=db.example.com'), /db\.example\.com is reached without TLS/);
    for (const mode of ['no-verify', 'prefer&uselibpqcompat=true', 'require&uselibpqcompat=true']) {
      t.match(remark(at('db', `?sslmode=${mode}`)), /the certificate of PostgreSQL at db is not checked/, mode);
    }
    const silent = [at('localhost'), at('127.0.0.1:5432'), at('127.9.9.9'), at('[::1]'), 'postgres:///x?host=/run/pg'];
    const modes = ['verify-full', 'require', 'prefer', 'verify-ca', 'allow'];
    for (const url of [...silent, ...modes.map((mode) => at('db', `?sslmode=${mode}`)), at('db', '?ssl=true')]) {
      t.equal(remark(url), '', url);
    }
    t.notMatch(remark(at('db')), /hush/, 'no password');
  },
);

t.test('the connections of both service roles are checked, too', async (t) => {
  const [app, system] = ['postgres://a@app/x', 'postgres://s@system/x'];
  const config = readConfig({ ...PRODUCTION, DATABASE_APP_URL: app, DATABASE_SYSTEM_URL: system });
  t.match(databaseRemarks(config), [/^DATABASE_APP_URL: .* at app /, /^DATABASE_SYSTEM_URL: .* at system /]);
});

t.test('mail that may be sent without TLS is a warning in production', async (t) => {
  const remarks = (SMTP_URL: string) => remarksOn(readConfig({ ...PRODUCTION, SMTP_URL }));
  t.match(remarks('smtp://mail.example.com?tls=optional'), [/^SMTP_URL: mails to mail\.example\.com/]);
  for (const url of ['smtp://mail.example.com', 'smtps://mail.example.com', 'smtp://localhost?tls=optional']) {
    t.strictSame(remarks(url), [], url);
  }
});

t.test('an unknown proxy is a warning in production, because all people then share one allowance', async (t) => {
  const remarks = (env: Record<string, string>) => remarksOn(readConfig({ ...PRODUCTION, ...env }));
  t.match(remarks({ TRUSTED_PROXIES: '' }), [/^TRUSTED_PROXIES is not set: .* sign in 10 times a minute/]);
  t.strictSame(remarks({ TRUSTED_PROXIES: '10.0.0.0/8' }), []);
  t.strictSame(remarksOn(readConfig({})), [], 'nothing in development');
});

t.test('invitation links lead to the application if there is one, and otherwise to the service’s page', async (t) => {
  const page = (env: Record<string, string>) => acceptPageOf(readConfig({ ...PRODUCTION, ...env }));
  t.equal(page({}), 'https://app.example.com/invitations/accept');
  t.equal(page({ PUBLIC_APP_URL: '' }), 'https://auth.example.com/accept-invitation');
  const same = page({ PUBLIC_APP_URL: 'https://auth.example.com' });
  t.equal(same, 'https://auth.example.com/invitations/accept', 'an application at the same address has its own page');
  t.equal(acceptPageOf(readConfig({ PORT: '4000' })), 'http://localhost:4000/accept-invitation');
  const remarks = remarksOn(readConfig({ ...PRODUCTION, PUBLIC_APP_URL: '', SMTP_URL: 'smtps://mail.example.com' }));
  t.strictSame(remarks, [], 'links to the page of the service are no reason for a warning');
});

const EVERYBODY = [
  ['0.0.0.0/0'],
  ['9.9.9.9/0'],
  ['::/0'],
  ['0.0.0.0/1', '128.0.0.0/1'],
  ['128.0.0.0/1', '10.0.0.1', '0.0.0.0/1'],
  ['0.0.0.0/2', '64.0.0.0/2', '128.0.0.0/2', '192.0.0.0/2'],
  ['0.0.0.0/1'],
  ['::/1', '8000::/1'],
  ['2000::/3'],
  ['2000::/4', '3000::/4'],
  ['::ffff:0:0/96'],
  ['::ffff:0.0.0.0/97', '::ffff:128.0.0.0/97'],
  ['::/64'],
];
const PROXIES = [
  [],
  ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'],
  ['127.0.0.1', '::1', 'fd00::/8', '::ffff:10.0.0.0/104'],
  ['10.0.0.0/8', '10.0.0.0/8', '10.0.0.0/8'],
  ['0.0.0.0/2', '0.0.0.0/2'],
  ['2001:db8::/32', 'fe80::/10', '8000::/1'],
];

t.test('ranges that together contain half of all addresses are refused in production', async (t) => {
  for (const ranges of EVERYBODY) {
    t.ok(isEverybody(ranges), ranges.join());
    const problem = /^TRUSTED_PROXIES: .* would let every client choose its own address, which production refuses$/;
    t.throws(() => readConfig({ ...PRODUCTION, TRUSTED_PROXIES: ranges.join() }), { message: problem }, ranges.join());
  }
  for (const ranges of PROXIES) {
    t.notOk(isEverybody(ranges), ranges.join());
    t.ok(readConfig({ ...PRODUCTION, TRUSTED_PROXIES: ranges.join() }));
  }
});

t.test(
  'an audience of access tokens that is also the audience of refresh tokens is a warning in production',
  async (t) => {
    const remarks = (env: Record<string, string>) => remarksOn(readConfig({ ...PRODUCTION, ...env }));
    t.match(remarks({ TOKEN_AUDIENCE: PRODUCTION.PUBLIC_URL }), [/^TOKEN_AUDIENCE is the same as PUBLIC_URL/]);
    t.strictSame(remarks({ TOKEN_AUDIENCE: 'https://api.example.com' }), []);
    t.strictSame(remarks({}), []);
  },
);
