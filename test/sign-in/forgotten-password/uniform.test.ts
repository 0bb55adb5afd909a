// Nobody learns from a request for a new password, or from a refused reset, which addresses have an account; and nobody
// can use the mails against their recipient.
import t from 'tap';
import { disableAccount } from '../../../src/admin/accounts/change-account.ts';
import type { Reply } from '../../support/client.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { openTransaction, waiters } from '../../support/locks.ts';
import { lookupOf } from '../../support/personal.ts';
import { until } from '../../support/until.ts';
import { NEW_PASSWORD, nextReset, openForgotten } from './forgotten.ts';

/** Everything that a caller sees, without what differs from request to request. */
function seen({ status, headers, body }: Reply): string {
  const { requestId, ...rest } = body;
  const kept = [...headers].filter(([name]) => !/^(date|x-request-id|ratelimit-)/.test(name));
  return JSON.stringify({ status, kept, rest });
}

t.test('every address gets the same answer, and only an active account gets a mail', async (t) => {
  const { api, account, ask, mailbox, service, database } = await openForgotten(t);
  const disabled = await newAccount(api);
  await disableAccount({ ...service.app.parts, publish: () => undefined }, disabled.userId);
  const proven = await newAccount(api);
  await database.query('UPDATE users SET email_verified_at = now() WHERE id = $1', [proven.userId]);
  const emails = [account.email, proven.email, disabled.email, 'nobody@example.com', proven.email.toUpperCase()];
  const replies = [];
  for (const email of emails) replies.push(await ask(email));
  t.same(replies[0]?.body, { data: { requested: true } });
  t.equal(replies[0]?.status, 202);
  t.equal(new Set(replies.map(seen)).size, 1, replies.map(seen).join('\n'));
  const rows = () =>
    database.query<{ outcome: string | null }>("SELECT outcome FROM outbox WHERE kind = 'reset_password'");
  await until(async () => (await rows()).every(({ outcome }) => outcome !== null));
  t.equal((await rows()).length, emails.length, 'one row for each request');
  const receivers = mailbox.mails.flatMap(({ text, recipients }) =>
    text.includes('/reset-password#') ? recipients : [],
  );
  t.same(
    [...new Set(receivers)].sort(),
    [account.email, proven.email].sort(),
    'unproven and proven ones, at the stored address',
  );
});

t.test('the answer is the same while the mail server is down, and the mail comes later', async (t) => {
  const { account, ask, mailbox, database } = await openForgotten(t);
  const before = seen(await ask('nobody@example.com'));
  mailbox.refuse(1);
  t.equal(seen(await ask(account.email)), before);
  const failed = () => database.query('SELECT 1 FROM outbox WHERE failure IS NOT NULL AND outcome IS NULL');
  await until(async () => (await failed()).length === 1);
  await database.query('UPDATE outbox SET due_at = now() WHERE outcome IS NULL');
  t.match(await nextReset(mailbox, account.email), { recipients: [account.email] });
});

t.test('an address gets five mails in an hour and twenty in a day, and the answer does not show it', async (t) => {
  const { account, ask, database } = await openForgotten(t);
  for (const email of [account.email, 'nobody@example.com']) {
    const count = async () =>
      (
        await database.query("SELECT 1 FROM outbox WHERE kind = 'reset_password' AND recipient_lookup = $1", [
          lookupOf('outbox.recipient', email),
        ])
      ).length;
    const age = (interval: string) =>
      database.query(`UPDATE outbox SET created_at = created_at - interval '${interval}' WHERE recipient_lookup = $1`, [
        lookupOf('outbox.recipient', email),
      ]);
    const replies: string[] = [];
    for (let hour = 1; hour <= 5; hour += 1) {
      for (let request = 0; request < 7; request += 1) replies.push(seen(await ask(email)));
      t.equal(await count(), Math.min(5 * hour, 20), `${email}, hour ${hour}`);
      await age('1 hour');
    }
    t.equal(new Set(replies).size, 1);
    await age('20 hours');
    await ask(email);
    t.equal(await count(), 21, 'the next day');
  }
});

t.test('requests at the same moment do not exceed the budget', async (t) => {
  const { account, ask, database } = await openForgotten(t);
  await Promise.all(Array.from({ length: 12 }, () => ask(account.email)));
  t.equal((await database.query("SELECT 1 FROM outbox WHERE kind = 'reset_password'")).length, 5);
});

t.test('one network alone cannot use up the mails of an address', async (t) => {
  const settings = { RATE_LIMIT_ENABLED: 'true', RATE_LIMIT_SIGN_IN: '1000', TRUSTED_PROXIES: '127.0.0.1' };
  const { account, ask, database, service } = await openForgotten(t, settings);
  const from = (address: string) => ({ 'x-forwarded-for': address });
  const replies: string[] = [];
  const count = async () => (await database.query("SELECT 1 FROM outbox WHERE kind = 'reset_password'")).length;
  const flood = async (email: string) => {
    for (let request = 0; request < 7; request += 1) replies.push(seen(await ask(email, from('198.51.100.7'))));
  };
  await flood(account.email);
  t.equal(await count(), 2, 'two in the first hour');
  replies.push(seen(await ask(account.email, from('203.0.113.9'))));
  t.equal(await count(), 3, 'in the same hour, the owner, who is elsewhere, still gets a mail');
  for (const total of [5, 7, 7]) {
    await database.query("UPDATE outbox SET created_at = created_at - interval '1 hour'");
    service.clock.advance(3600);
    await flood(account.email);
    t.equal(await count(), total);
  }
  await flood('nobody@example.com');
  t.equal(await count(), 9, 'the rows for an address without an account are as many');
  t.equal(new Set(replies).size, 1);
});

t.test('a host in a header is in no link, and the allowance of a network counts every request', async (t) => {
  const settings = { RATE_LIMIT_ENABLED: 'true', RATE_LIMIT_SIGN_IN: '3' };
  const { account, ask, mailbox } = await openForgotten(t, settings);
  const poisoned = {
    'x-forwarded-host': 'evil.example',
    forwarded: 'host=evil.example',
    origin: 'https://evil.example',
  };
  t.equal((await ask(account.email, poisoned)).status, 202);
  const { raw } = await nextReset(mailbox, account.email);
  t.notMatch(raw, /evil/);
  await ask('nobody@example.com');
  await ask(account.email);
  for (const email of [account.email, 'nobody@example.com']) {
    t.match(await ask(email), { status: 429, code: 'too_many_requests' });
  }
});

t.test(
  'a reset by code answers the same for an unknown address, an account without a mail and a wrong code',
  async (t) => {
    const { api, account, mailed, reset } = await openForgotten(t);
    const quiet = await newAccount(api);
    await mailed(account.email);
    const replies = [];
    for (const password of [NEW_PASSWORD, 'short', account.email]) {
      for (const email of [account.email, quiet.email, 'nobody@example.com']) {
        replies.push(seen(await reset({ email, code: '00000000', password })));
      }
    }
    t.equal(new Set(replies).size, 1, replies.join('\n'));
  },
);

t.test('simultaneous guesses for one address wait for each other, whether it has an account or not', async (t) => {
  const { account, mailed, reset, database } = await openForgotten(t);
  await mailed(account.email);
  /** What the transactions of guesses for these addresses wait for while nobody can read a token. */
  async function waitsOf(...emails: string[]) {
    const held = await openTransaction(t, database);
    await held.query('LOCK one_time_tokens IN ACCESS EXCLUSIVE MODE');
    const sent = emails.map((email) => reset({ email, code: '00000000', password: NEW_PASSWORD }));
    await waiters(database, emails.length);
    const waiting = await database.query<{ wait_event: string }>(
      `SELECT wait_event FROM pg_stat_activity WHERE datname = $1 AND wait_event_type = 'Lock' ORDER BY 1`,
      [database.name],
    );
    await held.query('COMMIT');
    for (const reply of await Promise.all(sent)) t.equal(reply.code, 'invalid_or_expired_token');
    return waiting.map((row) => row.wait_event);
  }
  t.same(await waitsOf(account.email, account.email), ['advisory', 'relation']);
  t.same(await waitsOf('nobody@example.com', 'NOBODY@example.com'), ['advisory', 'relation']);
  t.same(await waitsOf(account.email, 'nobody@example.com'), ['relation', 'relation'], 'two addresses');
  t.same(await waitsOf('someone@example.com', 'nobody@example.com'), ['relation', 'relation'], 'two unknown ones');
});
