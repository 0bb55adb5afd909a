// Registrations meet accounts that were made in another way: unproven ones from a time when registration was open,
// invitations, operators, closed accounts and other modes of registration.
import t from 'tap';
import { closeForOperator } from '../../../src/admin/accounts/close-account.ts';
import { createAccount } from '../../../src/admin/accounts/create-account.ts';
import { endEverything } from '../../../src/admin/restore/restore.ts';
import { endAllSessions } from '../../../src/admin/sessions/sessions.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { seedInvitation } from '../../support/fixtures/invitations.ts';
import { seedMember, seedOrganization, seedPerson } from '../../support/fixtures/people.ts';
import { lookupOf } from '../../support/personal.ts';
import { eventsAbout } from '../../support/rows.ts';
import { openService } from '../../support/service.ts';
import { freshAddress, onService, openRegistering, PASSWORD } from './registering.ts';

const registering = await openRegistering(t);
const { api, database, mailbox, service, ask, pending, send, verify, signIn, account, waiting } = registering;
const opened = onService(
  database,
  mailbox,
  await openService(t, database, { SMTP_URL: mailbox.url, REGISTRATION_MODE: 'open' }),
);
const REFUSED = { status: 422, code: 'invalid_or_expired_token' };
const CLOSED = { status: 403, code: 'registration_closed' };

for (const by of ['password', 'code', 'mailbox'] as const) {
  t.test(
    `an unproven account goes to the person who proves the mailbox, without what its maker left: ${by}`,
    async (t) => {
      const planted = await newAccount(opened.api, { email: freshAddress(), name: 'A Stranger' });
      const { email, userId } = planted;
      const shared = (await opened.api.post('/organizations', { name: 'Shared' }, { token: planted.accessToken })).body;
      await seedMember(database, shared.data.id);
      await send();
      await mailbox.nextProof(email);
      const { token, registrationId, code } = await pending(email);
      const proof = { password: { token, password: PASSWORD }, code: { registrationId, code }, mailbox: { token } }[by];
      const proven = await verify(proof);
      t.match(proven.body.data, { emailVerified: true, passwordSet: by !== 'mailbox' }, proven.text);
      t.same(await account(email), { id: userId, isProven: true });
      t.same(await eventsAbout(database, userId), ['user.registered', 'user.claimed', 'user.email_verified']);
      const memberships = await database.query<{ id: string }>(
        'SELECT organization_id AS id FROM memberships WHERE user_id = $1',
        [userId],
      );
      t.same(memberships, [{ id: shared.data.id }], 'only the organization with another member stays');
      const gone = await database.query('SELECT 1 FROM organizations WHERE id = $1', [planted.organization.id]);
      t.same(gone, [], 'the other one is deleted with its rows');
      t.equal((await signIn(email, planted.password)).status, 401);
      t.equal((await api.get('/me', { token: planted.accessToken })).status, 401);
      t.equal((await api.post('/auth/refresh', { refreshToken: planted.refreshToken })).status, 401);
      const signed = await signIn(email);
      t.equal(signed.status, by === 'mailbox' ? 401 : 200);
      if (signed.status === 200) t.equal(signed.body.data.user.name, 'Ada Lovelace');
    },
  );
}

t.test('an account that appears meanwhile ends the registration, and nothing changes in the account', async (t) => {
  const { id: organizationId } = await seedOrganization(database);
  const makers = {
    'an invitation': async (email: string) => {
      const { token } = await seedInvitation(database, organizationId, { email, role: 'agent' });
      return (await api.post('/invitations/accept', { token, name: 'Grace', password: 'the right password' })).status;
    },
    'a registration with an invitation': async (email: string) => {
      const { token: invitationToken } = await seedInvitation(database, organizationId, { email, role: 'agent' });
      return (await ask(email, { password: 'the right password', invitationToken })).status - 1;
    },
    'an operator': async (email: string) => {
      const given = { email, name: 'Grace', password: 'the right password' };
      await createAccount(service.app.parts, { ...given, verified: false });
      return 200;
    },
    'an open registration': async (email: string) =>
      (await opened.ask(email, { password: 'the right password' })).status - 1,
  };
  for (const [how, make] of Object.entries(makers)) {
    const { email, token, registrationId, code } = await pending();
    t.equal(await make(email), 200, how);
    t.equal(await waiting(email), 0, how);
    const before = await account(email);
    for (const proof of [{ token, password: PASSWORD }, { token }, { registrationId, code }]) {
      t.match(await verify(proof), REFUSED, how);
    }
    t.same(await account(email), before, how);
    t.equal((await signIn(email, 'the right password')).status, 200, how);
  }
});

t.test('a registration does not change an account that an older version made meanwhile', async (t) => {
  const { email, token, registrationId, code } = await pending();
  const { userId } = await seedPerson(database);
  await database.query(
    `UPDATE users u SET email_lookup = l.email_lookup FROM (
       SELECT $2::bytea AS email_lookup) AS l WHERE u.id = $1`,
    [userId, lookupOf('users.email', email)],
  );
  for (const proof of [{ token, password: PASSWORD }, { token }, { registrationId, code }]) {
    t.match(await verify(proof), REFUSED);
  }
  t.equal((await account(email))?.id, userId);
  t.equal(await waiting(email), 1, 'the refused proof is undone as a whole');
});

t.test('after a change to the mode `open` the links go on working, and with `closed` they wait', async (t) => {
  const { database, mailbox, service, ask, pending, verify } = await openRegistering(t);
  const inMode = async (REGISTRATION_MODE: string) =>
    onService(database, mailbox, await openService(t, database, { SMTP_URL: mailbox.url, REGISTRATION_MODE }));
  const [one, other, third] = [await pending(), await pending(), await pending()];
  const opened = await inMode('open');
  t.equal((await opened.verify({ token: one.token, password: PASSWORD })).status, 200);
  const closed = await inMode('closed'); // it drops the mails of registrations that are due
  t.match(await closed.verify({ token: other.token, password: PASSWORD }), CLOSED);
  t.match(await closed.verify({ token: other.token }), CLOSED);
  t.match(await closed.verify({ registrationId: third.registrationId, code: third.code }), CLOSED);
  t.match(await closed.ask(freshAddress()), CLOSED);
  t.match(await closed.verify({ token: 'A'.repeat(43) }), REFUSED, 'any other token');
  t.equal((await verify({ token: other.token, password: PASSWORD })).status, 200, 'nothing was used up');
  t.equal((await verify({ registrationId: third.registrationId, code: third.code })).status, 200);
  for (const sending of [service, opened.service]) await sending.app.parts.outbox.stop();
  const late = freshAddress();
  await ask(late);
  const before = mailbox.mails.length;
  await closed.send();
  t.equal(mailbox.mails.length, before, 'no mail while registration is closed');
});

t.test('a closed account takes the registrations of its address along, and the address is free', async (t) => {
  const { email, userId } = await seedPerson(database);
  await ask(email);
  t.equal(await waiting(email), 1);
  await closeForOperator({ ...service.app.parts, publish: async () => undefined }, userId, []);
  t.equal(await waiting(email), 0);
  await send();
  const { token } = await pending(email);
  t.equal((await verify({ token, password: PASSWORD })).status, 200);
  t.not((await account(email))?.id, userId, 'somebody new');
});

t.test('after a restored backup, links and codes from before do not work', async (t) => {
  const { token, registrationId, code } = await pending();
  await endEverything({ ...service.app.parts, publish: async () => undefined }, { restoredAt: new Date() });
  t.match(await verify({ token, password: PASSWORD }), REFUSED);
  t.match(await verify({ registrationId, code }), REFUSED);
});

t.test('ending the sessions of all users ends links and codes from before', async (t) => {
  const { token, registrationId, code } = await pending();
  await endAllSessions(service.app.parts);
  t.match(await verify({ token, password: PASSWORD }), REFUSED);
  t.match(await verify({ registrationId, code }), REFUSED);
});
