// While the link to restore a former address works, only somebody who has proven the mailbox gets the address.
import t from 'tap';
import { createAccount } from '../../../src/admin/accounts/create-account.ts';
import { atOnce } from '../../support/client.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { seedInvitation } from '../../support/fixtures/invitations.ts';
import { refused } from '../../support/raw.ts';
import { tokenIn } from '../../support/servers/mailbox.ts';
import { rounds } from '../../support/thorough.ts';
import { freshEmail, mailTo, openChanging } from './changing.ts';

const changing = await openChanging(t);
const { api, database, mailbox, service, register, confirm, revert, change, askFor, holdNotices, login } = changing;
const { parts } = service.app;

const password = 'another horse with a battery';
const registering = (email: string, more: Record<string, unknown> = {}) =>
  api.post('/auth/register', { email, password, name: 'Mallory', ...more });

t.test('a stranger cannot register the former address, so its owner takes it back', async (t) => {
  const user = await register();
  const { back } = await change(user, user.email, freshEmail());
  for (const email of [user.email, user.email.toUpperCase()]) {
    const reply = await registering(email);
    refused(t, reply, 'email_taken', email);
    t.match(reply.text, /can still take it back/);
  }
  t.equal((await revert(back)).status, 200);
  refused(t, await registering(user.email), 'email_taken', 'its own account has it again');
});

t.test('every former address is kept, also after a second change', async (t) => {
  const user = await register();
  const [second, third] = [freshEmail('second'), freshEmail('third')];
  const one = await change(user, user.email, second);
  await change({ ...user, ...one }, second, third);
  for (const email of [user.email, second]) refused(t, await registering(email), 'email_taken', email);
  t.equal((await revert(one.back)).status, 200);
  t.equal((await registering(second)).status, 201, 'the way back to the second one has ended');
});

t.test('the former address is kept also while its mail waits for the mail server', async (t) => {
  const user = await register();
  const token = await askFor(user.accessToken, freshEmail());
  const release = await holdNotices();
  t.equal((await confirm({ token }, user.accessToken)).status, 200);
  await release();
  refused(t, await registering(user.email), 'email_taken', 'before the mail is sent');
  const due = `UPDATE outbox SET due_at = now() WHERE kind = 'email_change_notice' AND subject_id = $1 RETURNING 1`;
  t.equal((await database.query(due, [user.userId])).length, 1);
  parts.outbox.nudge();
  const back = tokenIn(await mailTo(mailbox, user.email, '/revert-email'));
  refused(t, await registering(user.email), 'email_taken', 'after the mail is sent');
  t.equal((await revert(back)).status, 200);
});

t.test('an address that nobody had proven is free at once: its account cannot take it back', async (t) => {
  const user = await newAccount(api);
  t.equal((await confirm({ token: await askFor(user.accessToken, freshEmail()) }, user.accessToken)).status, 200);
  t.equal((await registering(user.email)).status, 201);
});

t.test('the address is free when the link has expired, and when the account is closed', async (t) => {
  const [expired, closed] = [await register(), await register()];
  await change(expired, expired.email, freshEmail());
  const { accessToken } = await change(closed, closed.email, freshEmail());
  for (const { email } of [expired, closed]) refused(t, await registering(email), 'email_taken', 'before');
  await database.query(
    `UPDATE one_time_tokens SET expires_at = now() WHERE user_id = $1 AND purpose = 'revert_email'`,
    [expired.userId],
  );
  t.equal((await registering(expired.email)).status, 201);
  const asked = { password: closed.password, deleteOrganizations: [closed.organization.id] };
  t.equal((await api.call('DELETE', '/me', asked, { token: accessToken })).status, 204);
  t.equal((await registering(closed.email)).status, 201);
});

t.test('somebody who has proven the mailbox gets the address: an invitation, a change, an operator', async (t) => {
  const [invited, changed, made] = [await register(), await register(), await register()];
  const links: string[] = [];
  for (const user of [invited, changed, made]) links.push((await change(user, user.email, freshEmail())).back);
  const inviter = await register();
  const { token } = await seedInvitation(database, inviter.organization.id, { email: invited.email, role: 'viewer' });
  const accepted = await registering(invited.email, { invitationToken: token });
  t.equal(accepted.status, 201, accepted.text);
  const other = await register();
  t.equal((await confirm({ token: await askFor(other.accessToken, changed.email) }, other.accessToken)).status, 200);
  await createAccount(parts, { email: made.email, name: 'Made', password, verified: false });
  for (const back of links) refused(t, await revert(back), 'email_taken', 'the account has an owner');
});

t.test('a registration that hashes its password while the address is proven and freed does not get it', async (t) => {
  const { passwords } = parts;
  const { hash } = passwords;
  const [hashing, freed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const slow: typeof hash = async (text) => {
    hashing.resolve();
    await freed.promise;
    return hash(text);
  };
  const user = await register();
  const [wanted, third] = [freshEmail('wanted'), freshEmail('third')];
  Object.assign(passwords, { hash: slow });
  t.teardown(() => void Object.assign(passwords, { hash }));
  const reply = registering(wanted);
  await hashing.promise;
  const one = await change(user, user.email, wanted);
  await change({ ...user, ...one }, wanted, third);
  freed.resolve();
  refused(t, await reply, 'email_taken', 'it was free before the hash, and can be taken back after it');
});

t.test('a way back of an earlier change goes on working while the mail about a later one waits', async (t) => {
  const user = await register();
  const second = freshEmail('second');
  const one = await change(user, user.email, second);
  t.equal((await confirm({ token: await askFor(one.accessToken, user.email) }, one.accessToken)).status, 200);
  const { accessToken } = (await login(user)).body.data;
  const release = await holdNotices();
  const token = await askFor(accessToken, freshEmail('third'));
  const aged = `UPDATE one_time_tokens SET expires_at = now() + interval '1 minute'
    WHERE user_id = $1 AND purpose = 'revert_email' AND used_at IS NULL AND ended_at IS NULL`;
  await database.query(aged, [user.userId]);
  t.equal((await confirm({ token }, accessToken)).status, 200);
  await release();
  const [row] = await database.query<{ days: number }>(
    `SELECT max(round(extract(epoch FROM expires_at - now()) / 86400))::int AS days FROM one_time_tokens
     WHERE user_id = $1 AND purpose = 'revert_email' AND used_at IS NULL AND ended_at IS NULL`,
    [user.userId],
  );
  t.equal(row?.days, 7, 'it lives as long as that of the waiting mail');
  t.equal((await revert(one.back)).status, 200);
});

t.test('registrations and the way back at the same moment: the way back wins', async (t) => {
  for (let round = 0; round < rounds(5); round += 1) {
    const user = await register();
    const { back } = await change(user, user.email, freshEmail());
    const [reverted, ...others] = await atOnce(4, (n) => (n === 0 ? revert(back) : registering(user.email)));
    t.equal(reverted?.status, 200);
    for (const reply of others) refused(t, reply, 'email_taken', `round ${round}`);
  }
});
