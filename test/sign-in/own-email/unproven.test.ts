// Somebody registers an address that is not theirs, and never proves it. The owner of the mailbox gets the address for
// another account all the same, and nothing that the stranger prepared can be used any more.
import t, { type Test } from 'tap';
import { createOneTime } from '../../../src/credentials/one-time/create.ts';
import { parseEmail } from '../../../src/directory/users/email.ts';
import { atOnce, type Reply } from '../../support/client.ts';
import { type Account, newAccount } from '../../support/fixtures/accounts.ts';
import { seedInvitation } from '../../support/fixtures/invitations.ts';
import { seedMembership, seedOrganizationOf } from '../../support/fixtures/people.ts';
import { holdUser, openTransaction, waiters } from '../../support/locks.ts';
import { refused } from '../../support/raw.ts';
import type { ReceivedMail } from '../../support/servers/mailbox.ts';
import { rounds } from '../../support/thorough.ts';
import { until } from '../../support/until.ts';
import { contentOf, freshEmail, mailTo, openChanging, proofIn } from './changing.ts';

const changing = await openChanging(t);
const { api, database, mailbox, service, register, ask, confirm, revert, change, login } = changing;
const { parts } = service.app;

/** The way in which the owner of the mailbox gets the address: what is asked for, and what is refused. */
interface Way {
  /** The account of the owner, and the address that it gets when `take` succeeds. */
  prepare(): Promise<{ readonly user: Account; readonly email: string; take(): Promise<Reply> }>;
  readonly taken: 'email_taken' | 'invalid_or_expired_token';
}

const WAYS: Readonly<Record<string, Way>> = {
  'the way back': {
    taken: 'email_taken',
    async prepare() {
      const user = await register();
      const { back } = await change(user, user.email, freshEmail());
      return { user, email: user.email, take: () => revert(back) };
    },
  },
  'a change, by the link': {
    taken: 'invalid_or_expired_token',
    async prepare() {
      const [user, email] = [await register(), freshEmail()];
      await ask(user.accessToken, email);
      const { token } = proofIn(await mailTo(mailbox, email, '/confirm-email'));
      return { user, email, take: () => confirm({ token }) };
    },
  },
  'a change, by the code': {
    taken: 'invalid_or_expired_token',
    async prepare() {
      const [user, email] = [await register(), freshEmail()];
      await ask(user.accessToken, email);
      const { code } = proofIn(await mailTo(mailbox, email, '/confirm-email'));
      return { user, email, take: () => confirm({ code }, user.accessToken) };
    },
  },
};

const squat = (email: string) => newAccount(api, { email, name: 'A stranger' });

/** The token of a mail that proves the address of the stranger's account. */
async function proofOf({ userId, email }: Account): Promise<string> {
  const address = parseEmail(email);
  const made = await parts.db.system((tx) => createOneTime(parts, tx, { userId, purpose: 'verify_email', address }));
  return made.token;
}

async function hasAddress(t: Test, user: Pick<Account, 'userId'>, email: string) {
  const found = await database.query('SELECT id FROM users WHERE email_lookup = decode($1, $2)', [
    parts.db.personal.lookup('users.email', parseEmail(email)?.key ?? ''),
    'base64',
  ]);
  t.same(found, [{ id: user.userId }], 'who has the address');
}

async function isClosed(t: Test, { userId, email, password, accessToken, refreshToken }: Account) {
  const [left] = await database.query(
    `SELECT u.status, u.email_sealed AS email, u.name_sealed AS name,
       (SELECT count(*)::int FROM memberships m JOIN organizations o ON o.id = m.organization_id AND o.deleted_at IS NULL
         WHERE m.user_id = u.id) AS memberships,
       (SELECT count(*)::int FROM sessions WHERE user_id = u.id AND revoked_at IS NULL) AS sessions,
       (SELECT count(*)::int FROM one_time_tokens WHERE user_id = u.id) AS tokens
     FROM users u WHERE u.id = $1`,
    [userId],
  );
  t.same(left, { status: 'closed', email: null, name: null, memberships: 0, sessions: 0, tokens: 0 });
  t.equal((await api.get('/me', { token: accessToken })).status, 401, 'the access token');
  t.equal((await api.post('/auth/refresh', { refreshToken })).status, 401, 'the refresh token');
  t.equal((await api.post('/auth/login', { email, password })).status, 401, 'the password');
}

for (const [how, { prepare, taken }] of Object.entries(WAYS)) {
  t.test(`${how}: an unproven account gives way with everything that it planted`, async (t) => {
    const { user, email, take } = await prepare();
    const stranger = await squat(email);
    const other = await newAccount(api);
    const { organization: planted, accessToken: token, userId } = stranger;
    const shared = (await api.post('/organizations', { name: 'Shared' }, { token })).body.data;
    const there = (await api.post('/auth/login', { email, password: stranger.password, organization: shared.id })).body;
    const client = { name: 'Backdoor', permissions: ['users:read'] };
    t.equal((await api.post('/clients', client, { token: there.data.accessToken })).status, 201);
    await seedMembership(database, { organizationId: shared.id, userId: other.userId, role: 'agent' });
    await seedMembership(database, { organizationId: other.organization.id, userId, role: 'agent' });
    const suspended = await seedOrganizationOf(database, userId, { slug: `suspended-${userId}` });
    await database.query(`UPDATE organizations SET status = 'suspended' WHERE id = $1`, [suspended]);
    const sent = await seedInvitation(database, shared.id, {
      email: freshEmail('guest'),
      role: 'agent',
      invitedBy: userId,
    });
    await proofOf(stranger);

    t.equal((await take()).status, 200);
    await hasAddress(t, user, email);
    await isClosed(t, stranger);
    const kept = await database.query<{ id: string }>(
      'SELECT id FROM organizations WHERE id = ANY($1::uuid[]) AND deleted_at IS NULL ORDER BY id',
      [[planted.id, shared.id, other.organization.id, suspended]],
    );
    t.same(
      kept.map(({ id }) => id),
      [shared.id, other.organization.id, suspended].sort(),
      'an active organization that holds nobody else is deleted',
    );
    t.same(await database.query('SELECT 1 FROM organizations WHERE id = $1', [planted.id]), [], 'with its rows');
    t.same(await database.query('SELECT 1 FROM clients WHERE created_by = $1', [userId]), [], 'no service client');
    t.same(await database.query('SELECT status FROM invitations WHERE id = $1', [sent.id]), [{ status: 'revoked' }]);
    t.match(
      await database.query(`SELECT type, actor_id FROM events WHERE target_id = $1 AND type = 'user.closed'`, [userId]),
      [{ type: 'user.closed', actor_id: null }],
    );
  });

  t.test(`${how}: a proven or disabled account keeps the address, and the proof is not used up`, async (t) => {
    for (const state of [`email_verified_at = now()`, `status = 'disabled'`]) {
      const { user, email, take } = await prepare();
      const owner = await squat(email);
      await database.query(`UPDATE users SET ${state} WHERE id = $1`, [owner.userId]);
      const before = [await contentOf(database, user.userId), await contentOf(database, owner.userId)];
      refused(t, await take(), taken, state);
      t.same([await contentOf(database, user.userId), await contentOf(database, owner.userId)], before, state);
      await hasAddress(t, owner, email);
      await database.query(`UPDATE users SET email_verified_at = NULL, status = 'active' WHERE id = $1`, [
        owner.userId,
      ]);
      t.equal((await take()).status, 200, 'once the account may give way');
      await hasAddress(t, user, email);
    }
  });

  t.test(`${how}: the stranger's account is proven at the same moment: one of both keeps the address`, async (t) => {
    const winners = new Set<string>();
    for (let round = 0; round < rounds(8); round += 1) {
      const { user, email, take } = await prepare();
      const stranger = await squat(email);
      const token = await proofOf(stranger);
      const proven = () => api.post('/auth/verify-email', { token, password: stranger.password });
      const held = await holdUser(t, database, stranger.userId);
      const first = round % 2 === 0 ? [take, proven] : [proven, take];
      const replies: Promise<Reply>[] = [];
      for (const [index, call] of first.entries()) {
        replies.push(call());
        await waiters(database, index + 1);
      }
      await held.query('COMMIT');
      await held.end();
      const answers = await Promise.all(replies);
      const [reply, verified] = (round % 2 === 0 ? answers : answers.reverse()) as [Reply, Reply];
      if (reply.status === 200) {
        refused(t, verified, 'invalid_or_expired_token', `round ${round}`);
        await hasAddress(t, user, email);
        await isClosed(t, stranger);
      } else {
        refused(t, reply, taken, `round ${round}`);
        t.equal(verified.status, 200, verified.text);
        await hasAddress(t, stranger, email);
        t.equal((await login(stranger)).status, 200);
      }
      winners.add(reply.status === 200 ? 'taken' : 'proven');
    }
    t.comment(`winners: ${[...winners]}`);
  });

  t.test(`${how}: an organization that the stranger joins meanwhile is left, too`, async (t) => {
    const { user, email, take } = await prepare();
    const [stranger, other] = [await squat(email), await newAccount(api)];
    const held = await openTransaction(t, database);
    await held.query('SELECT 1 FROM organizations WHERE id = $1 FOR UPDATE', [stranger.organization.id]);
    const reply = take();
    await waiters(database, 1);
    await held.query('INSERT INTO memberships (organization_id, user_id) VALUES ($1, $2)', [
      other.organization.id,
      stranger.userId,
    ]);
    await held.query('COMMIT');
    t.equal((await reply).status, 200);
    await hasAddress(t, user, email);
    await isClosed(t, stranger);
  });
}

t.test('the mail that proves a new address goes to the mailbox, although a stranger has registered it', async (t) => {
  const [user, email] = [await register(), freshEmail()];
  await squat(email);
  await ask(user.accessToken, email);
  const sent = `SELECT 1 FROM outbox WHERE kind = 'email_change_confirm' AND subject_id = $1 AND outcome = 'sent'`;
  await until(async () => (await database.query(sent, [user.userId])).length > 0);
  const isProof = ({ recipients, text }: ReceivedMail) =>
    recipients.includes(email) && text.includes('/confirm-email#');
  const mail = mailbox.mails.find(isProof);
  t.ok(mail, 'the owner of the mailbox gets the link');
  if (mail) t.equal((await confirm({ token: proofIn(mail).token })).status, 200);
  await hasAddress(t, user, email);
});

t.test('two unproven accounts that take the address of each other at once do not deadlock', async (t) => {
  // The service runs a transaction again after a deadlock, so only PostgreSQL shows it.
  const deadlocks = () => database.query('SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()');
  const before = await deadlocks();
  for (let round = 0; round < rounds(10); round += 1) {
    const both = [await newAccount(api), await newAccount(api)] as const;
    const ids = both.map(({ userId }) => userId);
    // No mail waits for the rows of the accounts then.
    await database.query(
      `UPDATE outbox SET due_at = NULL, done_at = now(), outcome = 'dropped' WHERE subject_id = ANY($1::uuid[])`,
      [ids],
    );
    const proofs: string[] = [];
    for (const [index, { userId, sessionId }] of both.entries()) {
      const address = parseEmail(both[1 - index]?.email ?? '');
      const made = { userId, sessionId, purpose: 'change_email', address } as const;
      proofs.push((await parts.db.system((tx) => createOneTime(parts, tx, made))).token);
    }
    const held = await openTransaction(t, database);
    await held.query('SELECT 1 FROM users WHERE id = ANY($1::uuid[]) FOR UPDATE', [ids]);
    const answers = atOnce(2, (index) => confirm({ token: proofs[index] ?? '' }));
    await waiters(database, 2);
    await held.query('COMMIT');
    await held.end();
    const replies = await answers;
    t.same(replies.map(({ status, code }) => code ?? String(status)).sort(), ['200', 'invalid_or_expired_token']);
    const winner = replies[0]?.status === 200 ? 0 : 1;
    await hasAddress(t, both[winner], both[1 - winner]?.email ?? '');
    await isClosed(t, both[1 - winner] as Account);
  }
  t.same(await deadlocks(), before);
});

t.test('a stranger who administers the platform does not any more', async (t) => {
  const { user, email, take } = await (WAYS['the way back'] as Way).prepare();
  const stranger = await squat(email);
  await database.query('INSERT INTO platform_administrators (user_id) VALUES ($1)', [stranger.userId]);
  t.equal((await take()).status, 200);
  await hasAddress(t, user, email);
  t.same(await database.query('SELECT 1 FROM platform_administrators WHERE user_id = $1', [stranger.userId]), []);
});
