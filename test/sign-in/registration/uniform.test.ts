// Nobody learns from a registration which addresses have an account, and nobody can prevent the owner of an address
// from getting an account.
import t from 'tap';
import type { Reply } from '../../support/client.ts';
import { seedPerson } from '../../support/fixtures/people.ts';
import { lookupOf } from '../../support/personal.ts';
import { sentTo } from '../verify-email/proving.ts';
import { freshAddress, NEW_PASSWORD, openRegistering, PASSWORD } from './registering.ts';

/** Everything that a caller sees, without what differs from request to request. */
function seen({ status, headers, body }: Reply): string {
  const { registrationId, ...data } = body.data ?? {};
  const kept = [...headers].filter(([name]) => !/^(date|x-request-id|ratelimit-)/.test(name));
  const { data: _, requestId, ...rest } = body;
  return JSON.stringify({ status, kept, rest, data, id: /^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(registrationId) });
}

t.test('every address gets the same answer, and the mail that belongs to it', async (t) => {
  const { database, mailbox, ask, pending, send, mails } = await openRegistering(t);
  const people: Record<string, string> = {};
  for (const kind of ['proven', 'unproven', 'disabled', 'unproven and disabled', 'closed']) {
    const { email, userId } = await seedPerson(database);
    people[kind] = email;
    if (kind.startsWith('unproven')) {
      await database.query('UPDATE users SET email_verified_at = NULL WHERE id = $1', [userId]);
    }
    if (kind.endsWith('disabled')) await database.query(`UPDATE users SET status = 'disabled' WHERE id = $1`, [userId]);
    if (kind !== 'closed') continue;
    await database.query(
      `UPDATE users SET status = 'closed', email_sealed = NULL, email_lookup = NULL, name_sealed = NULL WHERE id = $1`,
      [userId],
    );
  }
  people.unknown = freshAddress();
  people.pending = (await pending()).email;
  const before = mailbox.mails.length;
  const replies: Reply[] = [];
  for (const email of Object.values(people)) replies.push(await ask(email.toUpperCase()));
  t.equal(replies[0]?.status, 202);
  t.equal(new Set(replies.map(seen)).size, 1, replies.map(seen).join('\n'));
  const ids = replies.map(({ body }) => body.data.registrationId);
  t.equal(new Set(ids).size, ids.length, 'each has an id of its own');
  for (const email of Object.values(people)) t.ok((await mails(email)) > 0, 'the same row for each');
  await send();
  const received = mailbox.mails.slice(before).map(({ recipients: [to = ''], text }) => {
    const kind = Object.entries(people).find(([, email]) => email === to.toLowerCase())?.[0];
    return `${kind}: ${text.includes('/verify-email#') ? 'proof' : text.includes('/sign-in') ? 'account exists' : text}`;
  });
  t.same(received.sort(), [
    ...['closed: proof', 'pending: proof', 'proven: account exists', 'unknown: proof', 'unproven: proof'],
  ]);
});

t.test('the answer does not show the budget of an address: five mails in an hour, twenty in a day', async (t) => {
  const { database, ask, mails, waiting } = await openRegistering(t);
  const { email: known } = await seedPerson(database);
  for (const email of [known, freshAddress()]) {
    const age = (interval: string) =>
      database.query(`UPDATE outbox SET created_at = created_at - interval '${interval}' WHERE recipient_lookup = $1`, [
        lookupOf('outbox.recipient', email),
      ]);
    const replies: string[] = [];
    for (let hour = 1; hour <= 5; hour += 1) {
      for (let request = 0; request < 7; request += 1) replies.push(seen(await ask(email)));
      t.equal(await mails(email), Math.min(5 * hour, 20), `${email}, hour ${hour}`);
      t.equal(await waiting(email), Math.min(5 * hour, 20), 'no registration without a mail');
      await age('1 hour');
    }
    t.equal(new Set(replies).size, 1, [...new Set(replies)].join('\n'));
    await age('20 hours');
    await ask(email);
    t.equal(await mails(email), 21, 'the next day');
  }
});

t.test('requests at the same moment do not exceed the budget', async (t) => {
  const { ask, mails, waiting } = await openRegistering(t);
  const email = freshAddress();
  await Promise.all(Array.from({ length: 12 }, () => ask(email)));
  t.same([await mails(email), await waiting(email)], [5, 5]);
});

t.test('a flood from one network leaves mails for the owner, and its mails give the owner the account', async (t) => {
  const settings = { RATE_LIMIT_ENABLED: 'true', RATE_LIMIT_SIGN_IN: '1000', TRUSTED_PROXIES: '127.0.0.1' };
  const { api, database, mailbox, service, ask, send, mails, verify, signIn } = await openRegistering(t, settings);
  const email = freshAddress('flooded');
  const from = (address: string) => ({ 'x-forwarded-for': address });
  const replies: string[] = [];
  for (let hour = 0; hour < 4; hour += 1) {
    for (let request = 0; request < 7; request += 1) replies.push(seen(await ask(email, {}, from('198.51.100.7'))));
    t.equal(await mails(email), Math.min(2 * (hour + 1), 6), `hour ${hour}`);
    await database.query("UPDATE outbox SET created_at = created_at - interval '1 hour'");
    service.clock.advance(3600);
  }
  replies.push(seen(await ask(email, { password: NEW_PASSWORD }, from('203.0.113.9'))));
  t.equal(await mails(email), 7, 'the owner, who is elsewhere, still gets a mail');
  t.equal(new Set(replies).size, 1);
  // Many networks use up all mails of the day.
  for (let network = 1; network <= 30; network += 1) {
    await ask(email, {}, from(`192.0.2.${network}`));
    await database.query("UPDATE outbox SET created_at = created_at - interval '20 minutes'");
  }
  const before = await mails(email);
  replies.push(seen(await ask(email, {}, from('203.0.113.10'))));
  t.equal(await mails(email), before, 'no mail for the owner');
  await send();
  const { token } = await sentTo(mailbox, email);
  const proven = await verify({ token });
  t.match(proven.body.data, { passwordSet: false }, 'any of the mails makes the account');
  const { resetToken } = proven.body.data;
  t.equal((await api.post('/auth/reset-password', { token: resetToken, password: NEW_PASSWORD })).status, 204);
  t.equal((await signIn(email, NEW_PASSWORD)).status, 200);
  t.equal((await signIn(email, PASSWORD)).status, 401);
});

t.test('the answer is the same while no mail can be sent, and the mail comes later', async (t) => {
  const { database, mailbox, ask, send } = await openRegistering(t);
  const { email: known } = await seedPerson(database);
  mailbox.refuse(10);
  const replies = [await ask(known), await ask('later@example.com')];
  await send();
  replies.push(await ask(known), await ask('later@example.com'));
  t.equal(new Set(replies.map(seen)).size, 1);
  mailbox.refuse(0);
  await database.query('UPDATE outbox SET due_at = now() WHERE outcome IS NULL');
  await send();
  t.match(await mailbox.nextProof('later@example.com'), { recipients: ['later@example.com'] });
});

t.test('a guess for the address of an account is counted like any other', async (t) => {
  const { database, ask, send, verify } = await openRegistering(t);
  const { email: known } = await seedPerson(database);
  const replies: string[] = [];
  for (const email of [known, freshAddress()]) {
    const { registrationId } = (await ask(email)).body.data;
    await send();
    for (let guess = 0; guess < 6; guess += 1) {
      replies.push(seen(await verify({ registrationId, code: '00000000' })));
    }
    const [row] = await database.query('SELECT wrong_codes AS wrong FROM registrations WHERE id = $1', [
      registrationId,
    ]);
    t.same(row, { wrong: 5 });
  }
  t.equal(new Set(replies).size, 1, replies.join('\n'));
});

t.test('a weak password and a malformed address are refused, whatever the address is', async (t) => {
  const { database, ask, waiting } = await openRegistering(t);
  const { email: known } = await seedPerson(database);
  const replies: string[] = [];
  for (const email of [known, freshAddress()]) {
    replies.push(seen(await ask(email, { password: 'short' })));
    t.match(await ask(email, { password: email }), { status: 422, code: 'validation_failed' });
    t.equal(await waiting(email), 0);
  }
  t.equal(new Set(replies).size, 1, replies.join('\n'));
  t.match(await ask('no address'), { status: 422, code: 'validation_failed' });
});
