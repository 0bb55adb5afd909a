// What strangers send to pages uses up neither the database nor the attempts of the people who share their network or
// have their page open.
import { randomBytes } from 'node:crypto';
import t from 'tap';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { openVisitor } from '../../support/pages/visitor.ts';
import { openService } from '../../support/service.ts';

const SESSION = 'tenantry_session';
const LIMITED = { RATE_LIMIT_ENABLED: 'true', RATE_LIMIT_OTHER: '20', RATE_LIMIT_SIGN_IN: '5' };

t.test('a network that guesses keys of browsers stops asking the database', async (t) => {
  const database = await createDatabase(t);
  const { url, api, app } = await openService(t, database, LIMITED);
  const { email, password } = await newAccount(api);
  const visitor = openVisitor(url);
  const account = await visitor.send(await visitor.open('/sign-in'), '/sign-in', { email, password });
  t.match(account.seen, email);
  const late = openVisitor(url);
  const form = await late.open('/sign-in');
  let asked = 0;
  const { systemReader } = app.parts.db;
  Object.assign(app.parts.db, {
    systemReader: () => {
      const reader = systemReader();
      const rows = (query: { text: string }, values: readonly unknown[]) => {
        if (/browser_key = /.test(query.text)) asked += 1;
        return reader.rows(query as never, values as never);
      };
      return { personal: reader.personal, rows };
    },
  });
  const statuses = new Map<number, number>();
  for (let guess = 0; guess < 60; guess += 1) {
    const stranger = openVisitor(url);
    stranger.cookies.set(SESSION, randomBytes(32).toString('base64url'));
    const { status } = await stranger.request(
      guess % 2 === 0 ? 'GET' : 'POST',
      '/account',
      guess % 2 === 0 ? undefined : {},
    );
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  }
  t.same([...statuses.keys()].sort(), [303, 429]);
  t.equal(asked, 20);
  t.match((await visitor.open('/account')).seen, email, 'who is signed in on the same network goes on');
  t.equal(asked, 21);
  late.cookies.set(SESSION, 'A'.repeat(43));
  t.match((await late.send(form, '/sign-in', { email, password })).seen, email);
  t.not(late.cookies.get(SESSION), 'A'.repeat(43), 'who has an old cookie can still sign in');
});

t.test('a page of another site cannot use up the attempts of a person to sign in', async (t) => {
  const { url, api } = await openService(t, await createDatabase(t), LIMITED);
  const { email, password } = await newAccount(api);
  const visitor = openVisitor(url);
  const foreign = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };
  const statuses: number[] = [];
  for (let sent = 0; sent < 25; sent += 1) {
    const path = sent % 2 === 0 ? '/sign-in' : '/register';
    statuses.push((await visitor.request('POST', path, { email, password: 'x' }, foreign)).status);
  }
  t.same([...new Set(statuses)], [403, 429], 'these are limited, too');
  t.equal(statuses.filter((status) => status === 403).length, 20);
  t.match((await visitor.send(await visitor.open('/sign-in'), '/sign-in', { email, password })).seen, email);
});

t.test('an answer to an old key does not remove the key of a sign-in that came first', async (t) => {
  const { url, api } = await openService(t, await createDatabase(t));
  const { email, password } = await newAccount(api);
  const visitor = openVisitor(url);
  await visitor.send(await visitor.open('/sign-in'), '/sign-in', { email, password });
  const old = visitor.cookies.get(SESSION) ?? '';
  const again = await visitor.open('/sign-in?return_to=http%3A%2F%2Flocalhost%3A3000%2F');
  await visitor.send(again, '/sign-in', { email, password });
  const otherTab = openVisitor(url);
  for (const [name, value] of visitor.cookies) otherTab.cookies.set(name, value);
  otherTab.cookies.set(SESSION, old);
  for (const [method, path] of [
    ['GET', '/account'],
    ['GET', '/sign-in'],
    ['POST', '/sign-in'],
    ['POST', '/account'],
  ] as const) {
    const late = await otherTab.request(method, path, method === 'POST' ? { email, password } : undefined);
    t.same(late.headers.getSetCookie(), [], `${method} ${path}: ${late.status}`);
  }
});
