// Mail after the commit: it waits while the server is away, leaves once, and is given up in the end.
import { setTimeout as pause } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { Mail, SendMail } from '../../../src/base/mail/smtp.ts';
import { MailRefused, openMail } from '../../../src/base/mail/smtp.ts';
import { systemRandom } from '../../../src/base/platform/random.ts';
import { openOutbox, RETRY_SECONDS } from '../../../src/directory/invitations/outbox.ts';
import { freshEmail, type Inviting, openInviting, registering } from '../../support/inviting.ts';
import { openMailbox, tokenIn } from '../../support/mailbox.ts';
import { refused } from '../../support/raw.ts';
import { openService } from '../../support/service.ts';
import { rounds } from '../../support/thorough.ts';

interface Row {
  readonly attempts: number;
  readonly waiting: boolean;
  readonly done: boolean;
  readonly failure: string | null;
  readonly seconds: number;
}

/** The outbox row of an address. */
async function rowOf({ database }: Inviting, email: string): Promise<Row> {
  const [row] = await database.query<Row & Record<string, unknown>>(
    `SELECT attempts, due_at IS NOT NULL AS waiting, done_at IS NOT NULL AS done, failure,
       coalesce(extract(epoch FROM due_at - now()), 0)::float8 AS seconds
     FROM outbox WHERE recipient_key = $1 ORDER BY created_at DESC LIMIT 1`,
    [email.toLowerCase()],
  );
  if (!row) throw new Error(`no mail to ${email} was asked for`);
  return row;
}

async function settled(inviting: Inviting, email: string, wanted: (row: Row) => boolean): Promise<Row> {
  for (;;) {
    const row = await rowOf(inviting, email);
    if (wanted(row)) return row;
    await pause(5);
  }
}

/** A log that keeps every line as text. */
function keepingLog() {
  const lines: string[] = [];
  const keep = (...said: unknown[]) => void lines.push(JSON.stringify(said));
  return { lines, debug: keep, info: keep, warn: keep, error: keep, fatal: keep };
}

/** A service that sends nothing by itself: the mails are taken by the test. */
async function openQuiet(t: Test): Promise<Inviting> {
  const inviting = await openInviting(t);
  await inviting.service.app.deps.outbox.stop();
  return inviting;
}

function outboxOf(inviting: Inviting, send: SendMail, log = keepingLog()) {
  const { db } = inviting.service.app.deps;
  return openOutbox({ db, log, random: systemRandom, appUrl: 'https://app.example', send });
}

const dueNow = ({ database }: Inviting) => database.query('UPDATE outbox SET due_at = now() WHERE due_at IS NOT NULL');

t.test('while the mail server is away inviting answers the same, and the mail leaves when it is back', async (t) => {
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

t.test('of two who look at the same moment one takes the mail', async (t) => {
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

t.test('a mail whose taker was killed comes again after its lease, and the late one changes nothing', async (t) => {
  const inviting = await openQuiet(t);
  const email = freshEmail();
  await inviting.invite(email);
  const { promise: sending, resolve: begun } = Promise.withResolvers<void>();
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const mails: Mail[] = [];
  const frozen = outboxOf(inviting, async (mail) => {
    mails.push(mail);
    begun();
    await released;
    throw new MailRefused('late');
  }).sendDue();
  await sending;
  const next = outboxOf(inviting, async (mail) => void mails.push(mail));
  await next.sendDue();
  t.equal(mails.length, 1, 'nobody else takes it within the lease');
  t.ok((await rowOf(inviting, email)).seconds > 30);
  await dueNow(inviting);
  await next.sendDue();
  t.equal(mails.length, 2);
  release();
  await frozen;
  t.match(await rowOf(inviting, email), { attempts: 2, done: true, failure: null });
  const [old, fresh] = mails.map(({ text }) => /#token=([\w-]+)/.exec(text)?.[1] ?? '');
  refused(
    t,
    await inviting.api.post('/invitations/accept', registering(old ?? '')),
    'invitation_invalid',
    'the old token',
  );
  t.equal((await inviting.api.post('/invitations/accept', registering(fresh ?? ''))).status, 200);
});

t.test('waits grow, and after ten attempts within a day a mail is given up', async (t) => {
  const inviting = await openQuiet(t);
  const email = freshEmail();
  await inviting.invite(email);
  const log = keepingLog();
  const outbox = outboxOf(
    inviting,
    async () => {
      throw new MailRefused('EENVELOPE RCPT TO 550');
    },
    log,
  );
  const waits: number[] = [];
  for (let attempt = 1; attempt < 10; attempt += 1) {
    await outbox.sendDue();
    const row = await rowOf(inviting, email);
    t.match(row, { attempts: attempt, waiting: true, done: false, failure: 'EENVELOPE RCPT TO 550' });
    waits.push(Math.round(row.seconds));
    await dueNow(inviting);
  }
  t.ok(waits.every((wait, index) => wait <= (RETRY_SECONDS[index] ?? 0) && wait > (waits[index - 1] ?? 0)));
  t.ok(RETRY_SECONDS.reduce((sum, wait) => sum + wait, 0) < 86_400);
  await outbox.sendDue();
  t.match(await rowOf(inviting, email), {
    attempts: 10,
    waiting: false,
    done: false,
    failure: 'EENVELOPE RCPT TO 550',
  });
  t.match(log.lines.at(-1), /given up/);
  t.notMatch(log.lines.join(), email);
});

t.test('only the newest mail of an invitation leaves, and none of one that has ended', async (t) => {
  const inviting = await openQuiet(t);
  const [renewed, revoked, expired] = [freshEmail(), freshEmail(), freshEmail()];
  await inviting.invite(renewed);
  await inviting.invite(renewed);
  const { body } = await inviting.invite(revoked);
  await inviting.api.delete(`/invitations/${body.data.id}`, { token: inviting.owner.accessToken });
  await inviting.invite(expired);
  await inviting.database.query(`UPDATE invitations SET expires_at = now() WHERE email_key = $1`, [expired]);
  const sent: string[] = [];
  await outboxOf(inviting, async ({ to }) => void sent.push(to)).sendDue();
  t.same(sent, [renewed]);
  const open = await inviting.database.query('SELECT 1 FROM outbox WHERE done_at IS NULL');
  t.same(open, []);
});

t.test('stopping waits for the mail under way and takes no other', async (t) => {
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
  outbox.nudge();
  await sending;
  let stopped = false;
  const stop = outbox.stop().then(() => {
    stopped = true;
  });
  await rowOf(inviting, 'nobody').catch(() => undefined); // a round trip, in which a stop that waits for nothing is over
  t.notOk(stopped);
  release();
  await stop;
  t.equal(sent, 4, 'those that were taken');
  const [row] = await inviting.database.query(
    'SELECT count(*)::int AS done FROM outbox WHERE done_at IS NOT NULL AND attempts = 1',
  );
  t.same(row, { done: 4 });
});

t.test('in production without SMTP_URL mail waits, and the log says so once', async (t) => {
  const log = keepingLog();
  t.equal(openMail({ url: undefined, from: 'a@example.com', production: true, log }), null);
  t.equal(log.lines.length, 1);
  t.match(log.lines[0], /SMTP_URL/);
  const inviting = await openQuiet(t);
  const email = freshEmail();
  await inviting.invite(email);
  const { db } = inviting.service.app.deps;
  const outbox = openOutbox({ db, log, random: systemRandom, appUrl: 'https://app.example', send: null });
  await outbox.sendDue();
  t.match(await rowOf(inviting, email), { attempts: 0, waiting: true });
  t.equal(log.lines.length, 1);
});

t.test('neither the database nor the log ever holds a token, also when the server repeats the mail', async (t) => {
  const inviting = await openQuiet(t);
  const { database, mailbox } = inviting;
  const log = keepingLog();
  const send = openMail({ url: mailbox.url, from: 'Tenantry <no-reply@example.com>', production: true, log });
  const outbox = outboxOf(inviting, send ?? (() => Promise.reject(new Error('no transport'))), log);
  const email = freshEmail();
  await inviting.invite(email);
  mailbox.refuse(1);
  await outbox.sendDue();
  t.match((await rowOf(inviting, email)).failure, /451/);
  await dueNow(inviting);
  await outbox.sendDue();
  const token = tokenIn(await mailbox.next(email));
  const tables = await database.query<{ name: string }>(
    `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'`,
  );
  const bytes = Buffer.from(token, 'base64url');
  for (const { name } of tables) {
    const rows = await database.query<{ row: string }>(`SELECT row_to_json(t)::text AS row FROM "${name}" t`);
    const dump = rows.map(({ row }) => row).join('\n');
    for (const form of [token, bytes.toString('hex'), bytes.toString('base64'), Buffer.from(token).toString('hex')]) {
      t.notOk(dump.includes(form), name);
    }
    for (const found of dump.match(/[\w-]{43,}|[0-9a-f]{64}/g) ?? []) {
      refused(t, await inviting.api.post('/invitations/accept', registering(found)), 'invitation_invalid', `${name}`);
    }
  }
  t.notMatch(log.lines.join(), email);
  t.notMatch(log.lines.join(), /token=/);
  t.equal((await inviting.api.post('/invitations/accept', registering(token))).status, 200);
});
