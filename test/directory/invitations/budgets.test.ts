// How many mails an organization can send and an address can receive. An operator's invitations are limited only by the
// seats.
import t, { type Test } from 'tap';
import { inviteByOperator } from '../../../src/directory/invitations/invitations.ts';
import { atOnce } from '../../support/client.ts';
import { type Account, newProvenAccount } from '../../support/fixtures/accounts.ts';
import { lookupOf } from '../../support/personal.ts';
import { refused } from '../../support/raw.ts';
import { tokenIn } from '../../support/servers/mailbox.ts';
import { openService } from '../../support/service.ts';
import { freshEmail, openInviting, registering, setSeats } from './inviting.ts';

const inviting = await openInviting(t);
const { api, database, mailbox, owner, service } = inviting;

function assertWait(t: Test, reply: { headers: Headers; status: number; text: string }): void {
  refused(t, reply, 'too_many_requests', 'over the budget');
  const seconds = Number(reply.headers.get('retry-after'));
  t.ok(seconds > 86_000 && seconds <= 86_400, `Retry-After ${seconds}`);
}

t.test('an organization sends at most five mails a day to one address, repeated mails included', async (t) => {
  const email = freshEmail();
  const options = { token: owner.accessToken };
  const { body } = await inviting.invite(email);
  for (let mail = 2; mail <= 5; mail += 1) {
    const reply = mail % 2 ? await inviting.invite(email) : await resend(body.data.id);
    t.ok(reply.status < 300, `mail ${mail}`);
  }
  assertWait(t, await inviting.invite(email));
  assertWait(t, await resend(body.data.id));
  await api.delete(`/invitations/${body.data.id}`, options);
  assertWait(t, await inviting.invite(email.toUpperCase().replace('EXAMPLE', 'example')));
  t.equal((await inviting.invite(freshEmail())).status, 201, 'another address');
  await database.query(`UPDATE outbox SET created_at = created_at - interval '1 day' WHERE recipient_lookup = $1`, [
    lookupOf('outbox.recipient', email),
  ]);
  t.equal((await inviting.invite(email)).status, 201, 'a mail is allowed again a day later');

  function resend(id: string) {
    return api.post(`/invitations/${id}/resend`, undefined, options);
  }
});

t.test('an address gets at most twenty mails a day from all organizations, even at the same time', async (t) => {
  const email = freshEmail();
  const companies: Account[] = [];
  for (let index = 0; index < 5; index += 1) companies.push(await newProvenAccount(api, database));
  for (let round = 0; round < 3; round += 1) {
    for (const { accessToken } of companies) t.equal((await inviting.invite(email, 'agent', accessToken)).status, 201);
  }
  const replies = await atOnce(10, (index) => inviting.invite(email, 'agent', companies[index % 5]?.accessToken));
  t.equal(replies.filter(({ status }) => status === 201).length, 5);
  for (const reply of replies.filter(({ status }) => status !== 201)) assertWait(t, reply);
});

t.test('an inviter with several organizations cannot use up what an address gets from other inviters', async (t) => {
  const email = freshEmail();
  const { accessToken, refreshToken } = await newProvenAccount(api, database);
  const founded = await api.post('/organizations', { name: 'Second' }, { token: accessToken });
  const organization = founded.body.data.id;
  const second = (await api.post('/auth/refresh', { refreshToken, organization })).body.data.accessToken;
  for (let mail = 0; mail < 5; mail += 1) {
    t.equal((await inviting.invite(email, 'agent', mail % 2 ? second : accessToken)).status, 201);
  }
  for (const token of [accessToken, second]) assertWait(t, await inviting.invite(email, 'agent', token));
  const { accessToken: another } = await newProvenAccount(api, database);
  t.equal((await inviting.invite(email, 'agent', another)).status, 201);
});

t.test('deleting the organization does not reset the mail budget of an address', async (t) => {
  const email = freshEmail();
  for (let round = 0; round < 4; round += 1) {
    const company = await newProvenAccount(api, database);
    for (let mail = 0; mail < 5; mail += 1) {
      t.equal((await inviting.invite(email, 'agent', company.accessToken)).status, 201);
    }
    const gone = await api.delete('/organizations/current', { token: company.accessToken });
    t.equal(gone.status, 204);
  }
  assertWait(t, await inviting.invite(email));
});

t.test('an organization has a daily mail budget', async (t) => {
  const small = await openService(t, database, { SMTP_URL: mailbox.url, INVITATION_MAILS_PER_DAY: '3' });
  const company = await newProvenAccount(small.api, database);
  await setSeats(database, company.organization.id, 100);
  const invite = () => {
    const body = { email: freshEmail(), roles: [{ role: 'agent' }] };
    return small.api.post('/invitations', body, { token: company.accessToken });
  };
  for (let mail = 0; mail < 3; mail += 1) t.equal((await invite()).status, 201);
  assertWait(t, await invite());
});

t.test('an inviter has one mail budget for all of their organizations together', async (t) => {
  const small = await openService(t, database, { SMTP_URL: mailbox.url, INVITATION_MAILS_PER_DAY: '3' });
  const { accessToken, refreshToken } = await newProvenAccount(small.api, database);
  const founded = await small.api.post('/organizations', { name: 'Second' }, { token: accessToken });
  const organization = founded.body.data.id;
  const { body } = await small.api.post('/auth/refresh', { refreshToken, organization });
  for (const { id } of await database.query<{ id: string }>('SELECT organization_id AS id FROM memberships')) {
    await setSeats(database, id, 100);
  }
  const tokens = [accessToken, body.data.accessToken];
  for (let mail = 0; mail < 3; mail += 1) {
    const reply = await invite(tokens[mail % 2]);
    t.equal(reply.status, 201);
  }
  for (const token of tokens) assertWait(t, await invite(token));

  function invite(token: string) {
    return small.api.post('/invitations', { email: freshEmail(), roles: [{ role: 'agent' }] }, { token });
  }
});

t.test('an operator’s invitation is limited only by the seats, not by anyone’s rights', async (t) => {
  const deps = { ...service.app.parts, invitationTtlSeconds: 86_400 };
  const company = await newProvenAccount(api, database);
  const input = { organization: company.organization.slug, roles: [{ role: 'owner', scope: {} }] };
  const email = freshEmail();
  const invitation = await inviteByOperator(deps, { ...input, email });
  t.match(invitation, { email, status: 'pending', invitedBy: null, roles: [{ name: 'owner' }] });
  const mail = await mailbox.next(email);
  t.match(mail.text, /^You are invited to join Company/);
  await database.query(`UPDATE memberships SET status = 'suspended' WHERE user_id = $1`, [company.userId]);
  await t.rejects(inviteByOperator(deps, { ...input, email: freshEmail() }), { code: 'team_member_limit' });
  const accepted = await api.post('/invitations/accept', registering(tokenIn(mail)));
  t.same(accepted.body.data?.roles, ['owner']);
  await t.rejects(inviteByOperator(deps, { ...input, email }), { code: 'already_member' });
  await t.rejects(inviteByOperator(deps, { ...input, email: 'x' }), { code: 'validation_failed' });
  await t.rejects(inviteByOperator(deps, { ...input, organization: 'nowhere', email }), { code: 'not_found' });
  await t.rejects(inviteByOperator(deps, { ...input, roles: [{ role: 'x', scope: {} }], email: freshEmail() }), {
    code: 'not_found',
  });
  await database.query(`UPDATE organizations SET status = 'suspended' WHERE id = $1`, [company.organization.id]);
  await t.rejects(inviteByOperator(deps, { ...input, email: freshEmail() }), { code: 'organization_suspended' });
});
