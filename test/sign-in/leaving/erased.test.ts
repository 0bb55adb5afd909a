// After an account is closed, no personal data of its user can be read in the database, even with the keys: every
// sealed value is opened, and every table is read as text, as a plain dump has it.
import { randomBytes } from 'node:crypto';
import t from 'tap';
import { closeForOperator } from '../../../src/admin/accounts/close-account.ts';
import { SEALED_COLUMNS } from '../../../src/base/secrets/personal.ts';
import { createOneTime } from '../../../src/credentials/one-time/create.ts';
import { parseEmail } from '../../../src/directory/users/email.ts';
import { openInviting, registering } from '../../directory/invitations/inviting.ts';
import type { TestDatabase } from '../../support/database.ts';
import { holdMails } from '../../support/fixtures/held-mails.ts';
import { openTransaction } from '../../support/locks.ts';
import { lookupOf, networksOf, testPersonal } from '../../support/personal.ts';
import { openService } from '../../support/service.ts';
import { until } from '../../support/until.ts';

const TABLES = `SELECT quote_ident(relname) AS name FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') ORDER BY 1`;

/** All rows as text, and all sealed values opened. */
async function dump(database: TestDatabase): Promise<string> {
  const texts: string[] = [];
  for (const { name } of await database.query<{ name: string }>(TABLES)) {
    const found = await database.query<{ row: string }>(`SELECT r::text AS row FROM ${name} AS r`);
    texts.push(...found.map(({ row }) => row));
  }
  for (const place of SEALED_COLUMNS) {
    const [table, column] = place.split('.');
    const rows = await database.query<{ id: string; sealed: string }>(
      `SELECT id::text, 's' || encode(${column}_sealed, 'base64') AS sealed FROM ${table} WHERE ${column}_sealed IS NOT NULL`,
    );
    texts.push(...(await testPersonal.opening((open) => rows.map(({ id, sealed }) => open(place, id, sealed)))));
  }
  texts.push(...(await networksOf(database)).map(String));
  return texts.join('\n');
}

t.test('no personal data can be read after the account was closed, no matter who closed it', async (t) => {
  const inviting = await openInviting(t, { TRUSTED_PROXIES: '127.0.0.1' });
  const { api, database, mailbox, service } = inviting;
  const { api: verified } = await openService(t, database, { REGISTRATION_MODE: 'verified', SMTP_URL: mailbox.url });
  for (const by of ['user', 'operator']) {
    const word = () => `canary${randomBytes(6).toString('hex')}`;
    const [email, name, agent] = [`${word()}@example.com`, `Name ${word()}`, `Agent/${word()}`];
    const ip = `203.0.113.${by === 'user' ? 61 : 62}`;
    const headers = { 'user-agent': agent, 'x-forwarded-for': ip };
    const { token: invitation } = await inviting.invited(email, 'admin');
    const joined = await api.post('/invitations/accept', registering(invitation, name), { headers });
    const { accessToken: token, refreshToken, sessionId, user } = joined.body.data;
    t.equal((await api.patch('/me', { name: `${name} again` }, { token, headers })).status, 200);
    t.equal((await api.post('/auth/refresh', { refreshToken }, { headers })).status, 200);
    await database.query(`UPDATE sessions SET successor_at = successor_at - interval '1 hour' WHERE id = $1`, [
      sessionId,
    ]);
    t.equal((await api.post('/auth/refresh', { refreshToken }, { headers })).status, 200, 'a reissued child');
    const again = { email, name, password: 'a stranger registers it' };
    t.equal((await verified.post('/auth/register', again)).status, 202);
    await database.query(`DELETE FROM outbox WHERE kind = 'registration'`); // its mail is not what this test waits for
    const sent = await inviting.invite(`guest-of-${by}@example.com`, 'agent', token);
    t.equal(sent.status, 201);
    const before = await dump(database);
    for (const value of [email, name, agent, ip]) t.ok(before.includes(value), `${value} can be read before`);

    const { password } = registering('');
    if (by === 'user') t.equal((await api.call('DELETE', '/me', { password }, { token })).status, 204);
    else await closeForOperator(service.app.parts, user.id, []);
    const mail = await mailbox.next(email);
    t.match(mail.headers.get('subject'), /closed/i);
    await until(async () => {
      const rows = await database.query(`SELECT 1 FROM outbox WHERE kind = 'account_closed' AND outcome = 'sent'`);
      return rows.length > 0;
    });
    const after = await dump(database);
    for (const value of [email, name, agent, ip]) t.notOk(after.includes(value), `${value} is gone`);
    t.same(await database.query('SELECT 1 FROM users WHERE email_lookup = $1', [lookupOf('users.email', email)]), []);
    t.match(
      await database.query(
        `SELECT i.status, e.actor_id, e.data FROM invitations i JOIN events e ON e.target_id = i.id AND e.type = 'invitation.revoked' WHERE i.id = $1`,
        [sent.body.data.id],
      ),
      [{ status: 'revoked', actor_id: by === 'user' ? user.id : null, data: { reason: 'account_closed' } }],
    );
    t.ok(after.includes(user.id), 'the events still have their actor');
  }
});

t.test('the address of a mail is removed when the mail is given up', async (t) => {
  const { api, database, invited } = await openInviting(t);
  const email = 'canary-undelivered@example.com';
  const { token: invitation } = await invited(email);
  const joined = await api.post('/invitations/accept', registering(invitation));
  await holdMails(database, '%');
  const { password } = registering('');
  const { accessToken: token } = joined.body.data;
  t.equal((await api.call('DELETE', '/me', { password }, { token })).status, 204);
  t.ok((await dump(database)).includes(email), 'while the mail waits');
  await database.query(`UPDATE outbox SET due_at = NULL, failure = 'timeout' WHERE kind = 'account_closed'`);
  t.notOk((await dump(database)).includes(email), 'after the mail is given up');
});

t.test('the addresses of a change of the e-mail that has not ended are gone, and its mails are not sent', async (t) => {
  const { api, database, invited, service } = await openInviting(t);
  const { parts } = service.app;
  await holdMails(database, 'email_change%');
  const addresses = ['first', 'second', 'third'].map((which) => `canary-${which}@example.com`);
  const [first, second, third] = addresses as [string, string, string];
  const { token: invitation } = await invited(first);
  const joined = (await api.post('/invitations/accept', registering(invitation))).body.data;
  const { sessionId, user, refreshToken } = joined;
  const { token } = await parts.db.system((tx) =>
    createOneTime(parts, tx, { userId: user.id, sessionId, purpose: 'change_email', address: parseEmail(second) }),
  );
  const confirmed = await api.post('/auth/confirm-email-change', { token }, { token: joined.accessToken });
  t.equal(confirmed.status, 200, confirmed.text);
  const { accessToken } = (await api.post('/auth/refresh', { refreshToken })).body.data;
  const { password } = registering('');
  const asked = { newEmail: third, currentPassword: password };
  t.equal((await api.post('/me/email', asked, { token: accessToken })).status, 202);
  const before = await dump(database);
  for (const address of addresses) t.ok(before.includes(address), `${address} can be read before`);

  t.equal((await api.call('DELETE', '/me', { password }, { token: accessToken })).status, 204);
  await until(async () => {
    const waiting = await database.query(`SELECT 1 FROM outbox WHERE kind = 'account_closed' AND due_at IS NOT NULL`);
    return waiting.length === 0;
  });
  const after = await dump(database);
  for (const address of addresses) t.notOk(after.includes(address), `${address} is gone`);
  t.same(
    await database.query(`SELECT kind, outcome FROM outbox WHERE kind LIKE 'email_change%' ORDER BY kind`),
    ['confirm', 'notice'].map((which) => ({ kind: `email_change_${which}`, outcome: 'unwanted' })),
  );
});

t.test('a mail of such a change that is being prepared does not hold up the closing, and is not sent', async (t) => {
  const { api, database, invited, service } = await openInviting(t);
  await holdMails(database, 'email_change%');
  const { token: invitation } = await invited('canary-leaver@example.com');
  const { accessToken: token } = (await api.post('/invitations/accept', registering(invitation))).body.data;
  const { password } = registering('');
  const newEmail = 'canary-wanted@example.com';
  t.equal((await api.post('/me/email', { newEmail, currentPassword: password }, { token })).status, 202);
  const preparing = await openTransaction(t, database);
  await preparing.query(`SELECT 1 FROM outbox WHERE kind = 'email_change_confirm' FOR UPDATE`);
  t.equal((await api.call('DELETE', '/me', { password }, { token })).status, 204);
  await preparing.query('COMMIT');
  await database.query(`UPDATE outbox SET due_at = now() WHERE kind = 'email_change_confirm'`);
  await until(async () => {
    await service.app.parts.outbox.sendDue();
    return (await database.query('SELECT 1 FROM outbox WHERE due_at IS NOT NULL')).length === 0;
  });
  t.notOk((await dump(database)).includes(newEmail));
  const ended = await database.query(`SELECT outcome FROM outbox WHERE kind = 'email_change_confirm'`);
  t.same(ended, [{ outcome: 'unwanted' }]);
});
