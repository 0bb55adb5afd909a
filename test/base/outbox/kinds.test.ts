// The guarantees of the outbox for every kind of mail. A mail is requested in the transaction of its cause, written
// when it is due, sent only if it is still wanted, and handled only by a version that knows its kind.
import { randomUUID } from 'node:crypto';
import t from 'tap';
import { openDatabase, statement } from '../../../src/base/database/db.ts';
import { MailRefused } from '../../../src/base/mail/failures.ts';
import { type OutgoingMail, openMail } from '../../../src/base/mail/smtp.ts';
import { enqueue, type NewMail } from '../../../src/base/outbox/enqueue.ts';
import type { MailKind, MailRow } from '../../../src/base/outbox/kinds.ts';
import { openOutbox } from '../../../src/base/outbox/outbox.ts';
import { isNewestMail } from '../../../src/base/outbox/store.ts';
import { createDatabase } from '../../support/database.ts';
import { openMailbox } from '../../support/servers/mailbox.ts';
import { rounds } from '../../support/thorough.ts';
import { seedTenants } from '../database/tenants.ts';
import { dueNow, keepingLog } from './rows.ts';

const database = await createDatabase(t);
const log = keepingLog();
const db = openDatabase({ ...database, poolSize: 4, log });
t.teardown(() => db.close());
const tenant = (await seedTenants(database, 2)).map(({ organizationId, userId }) => ({ organizationId, userId }));
const [own, other] = tenant as [(typeof tenant)[0], (typeof tenant)[0]];
const words = { to: 'grace@example.com', subject: 's', text: 't', html: '<p>h</p>' };

/** Returns a kind of mail for one test, with its own name. */
function kindOf(prepare: MailKind['prepare'] = async () => words): MailKind {
  return { kind: `note_${randomUUID().replaceAll('-', '')}`, prepare };
}

function outboxOf(kind: MailKind, send = async (_: OutgoingMail) => {}) {
  return openOutbox({ db, log, kinds: [kind], send });
}

const newMail = ({ kind }: MailKind, more: Partial<NewMail> = {}): NewMail => ({
  id: randomUUID(),
  kind,
  subjectId: randomUUID(),
  ...more,
});
const bySystem = (mail: Parameters<typeof enqueue>[1]) => db.system((tx) => enqueue(tx, mail));

async function rows({ kind }: MailKind) {
  return database.query<{ id: string; state: string; attempts: number; failure: string | null }>(
    `SELECT id, attempts, failure, coalesce(outcome, CASE WHEN due_at IS NULL THEN 'dead' ELSE 'waiting' END) AS state
     FROM outbox WHERE kind = $1 ORDER BY created_at`,
    [kind],
  );
}

t.test('a mail is sent only if the transaction that requested it is committed', async (t) => {
  const kind = kindOf();
  await t.rejects(
    db.system(async (tx) => {
      await enqueue(tx, newMail(kind));
      throw new Error('undone');
    }),
    { message: 'undone' },
  );
  t.same(await rows(kind), []);
  const mail = newMail(kind, { userId: own.userId });
  await bySystem(mail);
  const seen: MailRow[] = [];
  const sent: OutgoingMail[] = [];
  const told: MailKind = {
    ...kind,
    async prepare(_, row) {
      seen.push(row);
      return words;
    },
  };
  await outboxOf(told, async (outgoing) => void sent.push(outgoing)).sendDue();
  t.match(seen, [
    { id: mail.id, kind: kind.kind, organizationId: null, userId: own.userId, subjectId: mail.subjectId },
  ]);
  t.same(sent, [{ ...words, id: mail.id }]);
  t.match(await rows(kind), [{ state: 'sent', attempts: 1, failure: null }]);
});

t.test('a key can be used once in each organization, and once without an organization', async (t) => {
  const kind = kindOf();
  const dedupeKey = 'welcome';
  const asked = [own, own, other, undefined, undefined];
  for (const of of asked) {
    const mail = newMail(kind, { dedupeKey, ...(of && { organizationId: of.organizationId }) });
    if (of) await db.organization(of, (tx) => enqueue(tx, mail));
    else await bySystem(mail);
  }
  t.equal((await rows(kind)).length, 3);
  await bySystem(newMail(kind, { dedupeKey: 'another' }));
  await bySystem(newMail(kind));
  await bySystem(newMail(kind));
  t.equal((await rows(kind)).length, 6, 'another key, and two without one');
  await bySystem({ ...newMail(kindOf()), dedupeKey });
  for (let round = 0; round < rounds(40); round += 1) {
    const key = `at once ${round}`;
    await Promise.all([0, 1, 2, 3].map(() => bySystem(newMail(kind, { dedupeKey: key }))));
    const [found] = await database.query('SELECT count(*)::int AS found FROM outbox WHERE dedupe_key = $1', [key]);
    t.same(found, { found: 1 }, key);
  }
});

t.test('an organization requests mails for itself alone, and only the system sets when a mail is due', async (t) => {
  const kind = kindOf();
  const foreign = [newMail(kind, { organizationId: other.organizationId }), newMail(kind)];
  for (const mail of foreign)
    await t.rejects(
      db.organization(own, (tx) => enqueue(tx, mail)),
      /row-level security/,
    );
  const later = { ...newMail(kind), dueAt: new Date(Date.now() + 3_600_000) };
  await t.rejects(
    db.organization(own, (tx) => enqueue(tx, { ...later, organizationId: own.organizationId } as NewMail)),
    /permission denied/,
  );
  await bySystem(later);
  const outbox = outboxOf(kind);
  await outbox.sendDue();
  t.match(await rows(kind), [{ state: 'waiting', attempts: 0 }]);
  await dueNow({ database });
  await outbox.sendDue();
  t.match(await rows(kind), [{ state: 'sent', attempts: 1 }]);
});

t.test('a mail of an unknown kind waits for the newer version', async (t) => {
  const [known, newer] = [kindOf(), kindOf()];
  for (let index = 0; index < 8; index += 1) await bySystem(newMail(newer));
  await bySystem(newMail(known));
  await outboxOf(known).sendDue();
  t.match(await rows(known), [{ state: 'sent' }], 'other mails are not delayed');
  t.ok((await rows(newer)).every(({ state, attempts }) => state === 'waiting' && attempts === 0));
  await outboxOf(newer).sendDue();
  t.ok((await rows(newer)).every(({ state }) => state === 'sent'));
});

t.test('a mail that is no longer wanted is not sent, and the change that its kind made is committed', async (t) => {
  const { organizationId } = own;
  const kind = kindOf(async (tx) => {
    await tx.rows(statement('UPDATE organizations SET name = $2 WHERE id = $1::uuid RETURNING id'), [
      organizationId,
      'told',
    ]);
    return null;
  });
  await bySystem(newMail(kind));
  await outboxOf(kind, async () => void t.fail('sent')).sendDue();
  t.match(await rows(kind), [{ state: 'unwanted', attempts: 1, failure: null }]);
  t.same(await database.query('SELECT name FROM organizations WHERE id = $1', [organizationId]), [{ name: 'told' }]);
});

t.test('a mail that its kind postpones is tried again later, without counting an attempt', async (t) => {
  let ready = false;
  const later = { againSeconds: 600, failure: 'organization_suspended' } as const;
  const kind = kindOf(async () => (ready ? words : later));
  await bySystem(newMail(kind));
  const outbox = outboxOf(kind);
  for (let round = 0; round < 20; round += 1) {
    await dueNow({ database });
    await outbox.sendDue();
  }
  t.match(await rows(kind), [{ state: 'waiting', attempts: 0, failure: 'organization_suspended' }]);
  ready = true;
  await dueNow({ database });
  await outbox.sendDue();
  t.match(await rows(kind), [{ state: 'sent', attempts: 1, failure: null }]);
});

t.test('a mail that cannot be written is rolled back and logged, and delays no other mail', async (t) => {
  const [poison, good] = [randomUUID(), randomUUID()];
  const kind = kindOf(async (tx, { subjectId }) => {
    if (subjectId === good) return words;
    await tx.rows(statement(`UPDATE organizations SET name = 'half' WHERE id = $1::uuid RETURNING id`), [
      other.organizationId,
    ]);
    throw new TypeError('no such template');
  });
  for (const subjectId of [poison, good]) await bySystem(newMail(kind, { subjectId }));
  await outboxOf(kind).sendDue();
  t.match(await rows(kind), [
    { state: 'waiting', attempts: 1, failure: 'unexpected' },
    { state: 'sent', attempts: 1, failure: null },
  ]);
  t.match(log.lines.join(), /no such template.*kinds\.test\.ts/);
  const [{ name } = { name: '' }] = await database.query<{ name: string }>(
    'SELECT name FROM organizations WHERE id = $1',
    [other.organizationId],
  );
  t.not(name, 'half');
});

t.test('a kind gets the information whether a later mail was requested for the same subject', async (t) => {
  const kind = kindOf(async (tx, row) => ((await isNewestMail(tx, row)) ? words : null));
  const subjectId = randomUUID();
  const scopes = [{}, { organizationId: own.organizationId }, { organizationId: other.organizationId }];
  for (const scope of [...scopes, ...scopes]) await bySystem(newMail(kind, { subjectId, ...scope }));
  await bySystem(newMail(kind));
  await outboxOf(kind).sendDue();
  const states = (await rows(kind)).map(({ state }) => state);
  t.same(states, ['unwanted', 'unwanted', 'unwanted', 'sent', 'sent', 'sent', 'sent']);
});

t.test('when two processes claim a mail at the same moment, only one of them sends it', async (t) => {
  const kind = kindOf();
  for (let round = 0; round < rounds(100); round += 1) {
    const sent: (string | undefined)[] = [];
    const keep = async ({ id }: OutgoingMail) => void sent.push(id);
    const mails = [newMail(kind), newMail(kind)];
    await Promise.all(mails.map(bySystem));
    await Promise.all([outboxOf(kind, keep), outboxOf(kind, keep), outboxOf(kind, keep)].map((one) => one.sendDue()));
    t.same(sent.sort(), mails.map(({ id }) => id).sort(), `round ${round}`);
  }
});

t.test('a mail whose process ends before it stores the result is sent again with the same Message-ID', async (t) => {
  const mailbox = await openMailbox(t);
  const open = () => openMail({ url: mailbox.url, from: 'Acme <no-reply@acme.example>', production: true, log });
  const kind = kindOf();
  const mail = newMail(kind);
  await bySystem(mail);
  const { promise: handedIn, resolve: told } = Promise.withResolvers<void>();
  const dying = outboxOf(kind, async (outgoing) => {
    await open()?.(outgoing, new AbortController().signal);
    told();
    await new Promise(() => {}); // the process ends here, before it stores the result
  });
  void dying.sendDue();
  await handedIn;
  await dueNow({ database }); // the lease has ended
  await outboxOf(kind, async (outgoing) => open()?.(outgoing, new AbortController().signal)).sendDue();
  const arrived = [await mailbox.next(words.to), await mailbox.next(words.to)];
  const id = `<${mail.id}@acme.example>`;
  t.same(
    arrived.map(({ headers }) => headers.get('message-id')),
    [id, id],
  );
  t.ok(arrived.every(({ headers }) => headers.get('auto-submitted') === 'auto-generated'));
  t.match(await rows(kind), [{ state: 'sent', attempts: 2 }]);
});

t.test('after a retry by hand, a late process no longer changes the state of the mail', async (t) => {
  const kind = kindOf();
  await bySystem(newMail(kind));
  const { promise: sending, resolve: begun } = Promise.withResolvers<void>();
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const late = outboxOf(kind, async () => {
    begun();
    await released;
    throw new MailRefused('message_refused', 'DATA 554');
  }).sendDue();
  await sending;
  // The mail has been given up and made due again, so its count of attempts is again the one that the late process has
  // read.
  await database.query(`UPDATE outbox SET attempts = 0, due_at = now() WHERE kind = $1`, [kind.kind]);
  const { promise: again, resolve: taken } = Promise.withResolvers<void>();
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const next = outboxOf(kind, async () => {
    taken();
    await ended;
  }).sendDue();
  await again;
  release();
  await late;
  t.match(await rows(kind), [{ state: 'waiting', attempts: 1, failure: null }]);
  end();
  await next;
  t.match(await rows(kind), [{ state: 'sent', attempts: 1, failure: null }]);
});
