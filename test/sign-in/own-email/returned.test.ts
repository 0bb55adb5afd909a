// A person who has stolen an account changes its e-mail, and its owner returns to the former address by a change. What
// the other person has of the time in between cannot undo the return. The owner is told when the account is closed.
import t from 'tap';
import { refused } from '../../support/raw.ts';
import { tokenIn } from '../../support/servers/mailbox.ts';
import { until } from '../../support/until.ts';
import { freshEmail, mailTo, openChanging } from './changing.ts';

const changing = await openChanging(t);
const { api, database, mailbox, service, register, ask, confirm, revert, change, askFor, holdNotices, login } =
  changing;
const { parts } = service.app;

/** The live tokens that restore an address of the user. */
async function liveOf(userId: string): Promise<number> {
  const [row] = await database.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM one_time_tokens
     WHERE user_id = $1 AND purpose = 'revert_email' AND used_at IS NULL AND ended_at IS NULL`,
    [userId],
  );
  return row?.count ?? 0;
}

const waitingNotices = (userId: string) =>
  database.query(`SELECT 1 FROM outbox WHERE kind = 'email_change_notice' AND subject_id = $1 AND due_at IS NOT NULL`, [
    userId,
  ]);

/** Makes the mails due that `holdNotices` has delayed. */
async function sendWaiting(userId: string): Promise<void> {
  await database.query(
    `UPDATE outbox SET due_at = now() WHERE kind = 'email_change_notice' AND subject_id = $1 AND due_at IS NOT NULL`,
    [userId],
  );
  parts.outbox.nudge();
}

t.test('the address in between gets no link, and the first link goes on working', async (t) => {
  const owner = await register();
  const thief = freshEmail('thief');
  const { back } = await change(owner, owner.email, thief);
  const own = (await login(owner, thief)).body.data;
  t.equal((await confirm({ token: await askFor(own.accessToken, owner.email) }, own.accessToken)).status, 200);
  t.equal(await liveOf(owner.userId), 1, 'that of the owner');
  t.equal((await waitingNotices(owner.userId)).length, 0, 'no mail to the other address');
  const again = (await login(owner)).body.data;
  const token = await askFor(again.accessToken, freshEmail('other'));
  t.equal((await confirm({ token }, again.accessToken)).status, 200, 'the thief changes it again');
  await mailTo(mailbox, owner.email, '/revert-email');
  t.equal(await liveOf(owner.userId), 1, 'again only the owner has a link');
  refused(t, await revert(back), 'invalid_or_expired_token', 'a newer mail has replaced the link');
});

t.test('after two changes, a return ends the links of all later changes', async (t) => {
  const owner = await register();
  const [second, third] = [freshEmail('second'), freshEmail('third')];
  const one = await change(owner, owner.email, second);
  const two = await change({ ...owner, ...one }, second, third);
  t.equal((await confirm({ token: await askFor(two.accessToken, owner.email) }, two.accessToken)).status, 200);
  refused(t, await revert(two.back), 'invalid_or_expired_token', 'the link to the second address');
  const { accessToken } = (await login(owner)).body.data;
  t.equal((await ask(accessToken, second)).status, 202, 'the person may still have these addresses');
  t.equal((await revert(one.back)).status, 200, 'the first link also ends the sessions and the password');
  t.equal((await login(owner)).code, 'invalid_credentials');
});

t.test('a mail about a later change that still waits is not sent after the return', async (t) => {
  const owner = await register();
  const [second, third] = [freshEmail('second'), freshEmail('third')];
  const one = await change(owner, owner.email, second);
  const release = await holdNotices();
  t.equal((await confirm({ token: await askFor(one.accessToken, third) }, one.accessToken)).status, 200);
  await release();
  t.equal((await waitingNotices(owner.userId)).length, 1);
  const { accessToken } = (await login(owner, third)).body.data;
  t.equal((await confirm({ token: await askFor(accessToken, owner.email) }, accessToken)).status, 200);
  await sendWaiting(owner.userId);
  await until(async () => (await waitingNotices(owner.userId)).length === 0);
  const sent = mailbox.mails.filter(({ recipients }) => recipients.includes(second));
  t.notOk(
    sent.some(({ text }) => text.includes('/revert-email')),
    'no link to the second address',
  );
  t.equal(await liveOf(owner.userId), 1);
});

t.test(
  'a link wins over a dispute that a later change has made, and the address is not disputed any more',
  async (t) => {
    const owner = await register();
    const { back } = await change(owner, owner.email, freshEmail('thief'));
    const lookup = parts.db.personal.lookup('one_time_tokens.address', owner.email);
    await database.query(
      `INSERT INTO email_reverts (id, user_id, address_lookup, undone_since)
     VALUES (gen_random_uuid(), $1, decode($2, 'base64'), now())`,
      [owner.userId, lookup],
    );
    const reply = await revert(back);
    t.equal(reply.status, 200);
    const password = 'nine grey umbrellas';
    t.equal((await api.post('/auth/reset-password', { token: reply.body.data.resetToken, password })).status, 204);
    const { accessToken } = (await login({ ...owner, password })).body.data;
    const next = await change(
      { ...owner, ...(await login({ ...owner, password })).body.data },
      owner.email,
      freshEmail(),
    );
    t.equal((await api.get('/me', { token: accessToken })).status, 401);
    t.equal(
      (await confirm({ token: await askFor(next.accessToken, owner.email) }, next.accessToken)).status,
      200,
      'it can be had again',
    );
  },
);

t.test('the closing of the account is told to every address that could be taken back', async (t) => {
  for (const waits of [false, true]) {
    const owner = await register();
    const thief = freshEmail('thief');
    const release = waits ? await holdNotices() : async () => undefined;
    const token = await askFor(owner.accessToken, thief);
    t.equal((await confirm({ token }, owner.accessToken)).status, 200);
    await release();
    if (!waits) await mailTo(mailbox, owner.email, '/revert-email');
    const { accessToken } = (await login(owner, thief)).body.data;
    const asked = { password: owner.password, deleteOrganizations: [owner.organization.id] };
    t.equal((await api.call('DELETE', '/me', asked, { token: accessToken })).status, 204);
    for (const email of [owner.email, thief]) {
      let mail = await mailbox.next(email);
      while (!/was closed/.test(mail.text)) mail = await mailbox.next(email);
      t.match(mail.text, /was closed/, `${email}, ${waits ? 'before' : 'after'} the mail about the change`);
    }
  }
});

t.test(
  'a mail tells the owner of a disabled account of the change, and its link works in the enabled account',
  async (t) => {
    const owner = await register();
    const release = await holdNotices();
    t.equal(
      (await confirm({ token: await askFor(owner.accessToken, freshEmail('thief')) }, owner.accessToken)).status,
      200,
    );
    await release();
    await database.query(`UPDATE users SET status = 'disabled' WHERE id = $1`, [owner.userId]);
    await sendWaiting(owner.userId);
    const back = tokenIn(await mailTo(mailbox, owner.email, '/revert-email'));
    refused(t, await revert(back), 'invalid_or_expired_token', 'while it is disabled');
    await database.query(`UPDATE users SET status = 'active' WHERE id = $1`, [owner.userId]);
    t.equal((await revert(back)).status, 200);
  },
);
