// Mail is sent after the commit. It waits while the mail server is not reachable, is sent by only one of several
// processes, and is given up after 24 hours.
import t from 'tap';
import { MailRefused } from '../../../src/base/mail/failures.ts';
import { type OutgoingMail, openMail, type SendMail } from '../../../src/base/mail/smtp.ts';
import { RETRY_SECONDS } from '../../../src/base/outbox/send-one.ts';
import { freshEmail, openInviting, registering } from '../../directory/invitations/inviting.ts';
import { refused } from '../../support/raw.ts';
import { openMailbox, tokenIn } from '../../support/servers/mailbox.ts';
import { openService } from '../../support/service.ts';
import { rounds } from '../../support/thorough.ts';
import { dueNow, keepingLog, openQuiet, outboxOf, rowOf, settled } from './rows.ts';

t.test('without a mail server an invitation has the same answer, and its mail is sent afterwards', async (t) => {
  const inviting = await openInviting(t);
  const { port } = inviting.mailbox;
  await inviting.mailbox.close();
  const email = freshEmail();
  const reply = await inviting.invite(email);
  t.equal(reply.status, 201);
  const waiting = await settled(inviting, email, ({ failure }) => failure !== null);
  t.match(waiting, { attempts: 1, waiting: true, done: false });
  const back = await openMailbox(t, port);
  await dueNow(inviting);
  const token = tokenIn(await back.next(email));
  t.equal((await inviting.api.post('/invitations/accept', registering(token))).status, 200);
  t.match(await settled(inviting, email, ({ done }) => done), { attempts: 2, waiting: false, failure: null });
});

t.test('two processes send each mail once', async (t) => {
  const inviting = await openInviting(t);
  await openService(t, inviting.database, { SMTP_URL: inviting.mailbox.url });
  const emails = Array.from({ length: 40 }, () => freshEmail());
  for (const email of emails) t.equal((await inviting.invite(email)).status, 201);
  for (const email of emails) {
    await inviting.mailbox.next(email);
    await settled(inviting, email, ({ done }) => done);
  }
  t.same(inviting.mailbox.mails.map(({ recipients }) => recipients[0]).sort(), [...emails].sort());
});

t.test('when two processes read a mail at the same moment, only one of them claims it', async (t) => {
  const inviting = await openQuiet(t);
  for (let round = 0; round < rounds(50); round += 1) {
    const sent: string[] = [];
    const send: SendMail = async ({ to }) => void sent.push(to);
    const email = freshEmail();
    await inviting.invite(email);
    await Promise.all([outboxOf(inviting, send), outboxOf(inviting, send)].map((outbox) => outbox.sendDue()));
    t.same(sent, [email], `round ${round}`);
  }
});

t.test('a mail of a killed process is sent after its lease, and the late process changes nothing', async (t) => {
  const inviting = await openQuiet(t);
  const email = freshEmail();
  await inviting.invite(email);
  const { promise: sending, resolve: begun } = Promise.withResolvers<void>();
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const mails: OutgoingMail[] = [];
  const frozen = outboxOf(inviting, async (mail) => {
    mails.push(mail);
    begun();
    await released;
    throw new MailRefused('message_refused', 'DATA 554');
  }).sendDue();
  await sending;
  const next = outboxOf(inviting, async (mail) => void mails.push(mail));
  await next.sendDue();
  t.equal(mails.length, 1, 'no other process claims it within the lease');
  t.ok((await rowOf(inviting, email)).seconds > 30);
  await dueNow(inviting);
  await next.sendDue();
  t.equal(mails.length, 2);
  release();
  await frozen;
  t.match(await rowOf(inviting, email), { attempts: 2, done: true, failure: null });
  t.same(new Set(mails.map(({ id }) => id)).size, 1, 'the same mail, by its id');
  const [old, fresh] = mails.map(({ text }) => /#token=([\w-]+)/.exec(text)?.[1] ?? '');
  refused(
    t,
    await inviting.api.post('/invitations/accept', registering(old ?? '')),
    'invitation_invalid',
    'the old token',
  );
  t.equal((await inviting.api.post('/invitations/accept', registering(fresh ?? ''))).status, 200);
});

t.test('the time between attempts grows, and a mail that no server accepts for 24 hours is given up', async (t) => {
  const inviting = await openQuiet(t);
  const email = freshEmail();
  await inviting.invite(email);
  const log = keepingLog();
  const outbox = outboxOf(
    inviting,
    async () => {
      throw new MailRefused('recipient_refused', 'RCPT TO 550');
    },
    { log },
  );
  const waits: number[] = [];
  for (let attempt = 1; attempt < 11; attempt += 1) {
    await outbox.sendDue();
    const row = await rowOf(inviting, email);
    t.match(row, { attempts: attempt, waiting: true, done: false, failure: 'recipient_refused RCPT TO 550' });
    waits.push(Math.round(row.seconds));
    await dueNow(inviting);
  }
  t.ok(waits.every((wait, index) => wait <= (RETRY_SECONDS[index] ?? 0) && wait > (waits[index - 1] ?? 0)));
  t.equal(
    RETRY_SECONDS.reduce((sum, wait) => sum + wait, 0),
    86_400,
  );
  await outbox.sendDue();
  t.match(await rowOf(inviting, email), {
    attempts: 11,
    waiting: false,
    done: false,
    failure: 'recipient_refused RCPT TO 550',
  });
  t.match(log.lines.at(-1), /recipient_refused.*is dead/);
  t.notMatch(log.lines.join(), email);
});

t.test('stop() waits for the current mail, and claims no other mail', async (t) => {
  const inviting = await openQuiet(t);
  for (let index = 0; index < 6; index += 1) await inviting.invite(freshEmail());
  const { promise: sending, resolve: begun } = Promise.withResolvers<void>();
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  let sent = 0;
  const outbox = outboxOf(inviting, async () => {
    begun();
    await released;
    sent += 1;
  });
  outbox.follow();
  outbox.nudge();
  await sending;
  let stopped = false;
  const stop = outbox.stop().then(() => {
    stopped = true;
  });
  await rowOf(inviting, 'nobody').catch(() => undefined); // a round trip, long enough for a stop that does not wait
  t.notOk(stopped);
  release();
  await stop;
  t.equal(sent, 4, 'the claimed mails are sent');
  const [row] = await inviting.database.query(
    'SELECT count(*)::int AS done FROM outbox WHERE done_at IS NOT NULL AND attempts = 1',
  );
  t.same(row, { done: 4 });
});

t.test('mail waits in production without SMTP_URL, and one log line reports this', async (t) => {
  const log = keepingLog();
  t.equal(openMail({ url: undefined, from: 'a@example.com', production: true, log }), null);
  t.equal(log.lines.length, 1);
  t.match(log.lines[0], /SMTP_URL/);
  const inviting = await openQuiet(t);
  const email = freshEmail();
  await inviting.invite(email);
  const outbox = outboxOf(inviting, null, { log });
  await outbox.sendDue();
  t.match(await rowOf(inviting, email), { attempts: 0, waiting: true });
  t.equal(log.lines.length, 1);
});
