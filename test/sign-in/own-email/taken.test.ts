// An address that another account has: the one who asks sees the same as with a free address, and the owner gets a
// mail.
import t from 'tap';
import { findPendingEmail } from '../../../src/sign-in/own-email/request-change.ts';
import type { Reply } from '../../support/client.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { refused } from '../../support/raw.ts';
import { contentOf, freshEmail, mailTo, openChanging, proofIn } from './changing.ts';

const changing = await openChanging(t);
const { api, database, mailbox, service, register, ask, confirm, login } = changing;

async function rowsOf(userId: string) {
  const mails = await database.query(
    `SELECT kind, subject_id, user_id, organization_id, actor_id, octet_length(recipient_lookup) AS looked
     FROM outbox WHERE subject_id = $1`,
    [userId],
  );
  const tokens = await database.query(
    `SELECT purpose, used_at, ended_at, code_hash IS NOT NULL AS coded FROM one_time_tokens WHERE user_id = $1`,
    [userId],
  );
  return { mails, tokens };
}

t.test(
  'the answers, the rows and what the page shows are the same; the owner gets a mail without a token',
  async (t) => {
    const [owner, first, second] = [await register(), await register(), await register()];
    const free = freshEmail();
    const replies = [await ask(first.accessToken, free), await ask(second.accessToken, owner.email)];
    t.equal(replies[0]?.status, 202);
    t.same(replies[0]?.body, replies[1]?.body);
    t.equal(replies[0]?.status, replies[1]?.status);
    await mailTo(mailbox, free, '/confirm-email');
    const mail = await mailbox.next(owner.email);
    t.notOk(mail.text.includes('#token='), 'nobody gets the token');
    t.match(mail.text, /forgot-password/);
    const strip = async (userId: string) => JSON.parse(JSON.stringify(await rowsOf(userId)).replaceAll(userId, 'self'));
    t.same(await strip(first.userId), await strip(second.userId));
    const { parts } = service.app;
    t.equal(await findPendingEmail(parts, first.userId), free);
    t.equal(await findPendingEmail(parts, second.userId), owner.email);
    refused(t, await confirm({ code: '00000000' }, second.accessToken), 'invalid_or_expired_token', 'a guess');
    t.equal((await login(owner)).status, 200, 'the owner notices nothing else');
  },
);

t.test(
  'an address that somebody else got meanwhile is refused like an expired link, and changes nothing',
  async (t) => {
    const user = await register();
    const to = freshEmail();
    await ask(user.accessToken, to);
    const { token, code } = proofIn(await mailTo(mailbox, to, '/confirm-email'));
    await newAccount(api, { email: to });
    const before = await contentOf(database, user.userId);
    const replies: Reply[] = [];
    for (const proof of [{ token }, { code }, { token: 'x' }]) replies.push(await confirm(proof, user.accessToken));
    for (const reply of replies) {
      refused(t, reply, 'invalid_or_expired_token', 'taken meanwhile');
      t.same({ ...reply.body, requestId: null }, { ...replies[0]?.body, requestId: null });
    }
    t.same(await contentOf(database, user.userId), before);
  },
);

t.test('mails to one address are limited, and the answer stays the same', async (t) => {
  const to = freshEmail('flooded');
  for (let n = 0; n < 7; n += 1) {
    const user = await register();
    t.equal((await ask(user.accessToken, to)).status, 202);
  }
  const lookup = service.app.parts.db.personal.lookup('outbox.recipient', to);
  const [row] = await database.query<{ mails: number }>(
    `SELECT count(*)::int AS mails FROM outbox WHERE recipient_lookup = decode($1, 'base64')`,
    [lookup],
  );
  t.equal(row?.mails, 5);
});

t.test('a user who asks for one address after another is refused, and the newest link goes on working', async (t) => {
  const user = await register();
  const addresses = Array.from({ length: 5 }, () => freshEmail('many'));
  for (const address of addresses) t.equal((await ask(user.accessToken, address)).status, 202);
  const over = await ask(user.accessToken, freshEmail('many'));
  refused(t, over, 'too_many_requests', 'the sixth');
  const seconds = Number(over.headers.get('retry-after'));
  t.ok(seconds > 3000 && seconds <= 3600, `in ${seconds} s`);

  const other = await register();
  t.equal((await ask(other.accessToken, freshEmail('many'))).status, 202, 'another user asks');
  const last = addresses.at(-1) as string;
  t.equal(
    (await confirm({ token: proofIn(await mailTo(mailbox, last, '/confirm-email')).token }, user.accessToken)).status,
    200,
  );
});

t.test('at most 20 requests of one user in 24 hours', async (t) => {
  const user = await register();
  for (let n = 0; n < 20; n += 1) {
    t.equal((await ask(user.accessToken, freshEmail('daily'))).status, 202);
    await database.query(
      `UPDATE outbox SET created_at = created_at - interval '65 minutes' WHERE actor_id = $1::uuid`,
      [user.userId],
    );
  }
  const over = await ask(user.accessToken, freshEmail('daily'));
  refused(t, over, 'too_many_requests', 'the 21st');
  t.ok(Number(over.headers.get('retry-after')) > 3600);
});
