// The mail to the owners of a suspended organization.
import t from 'tap';
import { activateOrganization, suspendOrganization } from '../../../src/admin/organizations/organizations.ts';
import { suspendedMail } from '../../../src/admin/organizations/suspended-mail.ts';
import type { Mail } from '../../../src/base/mail/smtp.ts';
import { openOutbox } from '../../../src/base/outbox/outbox.ts';
import { joined, openInviting } from '../../directory/invitations/inviting.ts';
import { mailKitFor } from '../../support/fixtures/mail-kit.ts';

const inviting = await openInviting(t);
const { service, owner, database, api } = inviting;
const { parts } = service.app;
const member = await joined(inviting, 'agent');
await parts.outbox.stop();
const { id } = owner.organization;

const sent: Mail[] = [];
const kinds = [suspendedMail({ mailKit: mailKitFor() })];
const log = { debug() {}, info() {}, warn() {}, error() {}, fatal() {} };
const send = async (mail: Mail) => void sent.push(mail);
const sendDue = async () => {
  sent.length = 0;
  await openOutbox({ db: parts.db, log, kinds, send }).sendDue();
  return sent.map(({ to }) => to);
};
const outcomes = async () =>
  (await database.query(`SELECT outcome FROM outbox WHERE kind = 'organization_suspended' ORDER BY created_at`)).map(
    ({ outcome }) => outcome,
  );

t.test('each owner gets one mail in their language, and other members get none', async (t) => {
  await api.patch('/me', { locale: 'pt' }, { token: owner.accessToken });
  await suspendOrganization(parts, id, null);
  await suspendOrganization(parts, id, null);
  t.same(await sendDue(), [owner.email]);
  t.match(sent[0]?.subject, `Organização suspensa: ${owner.organization.name}`);
  t.not(sent[0]?.to, member.email);
  await activateOrganization(parts, id, null);
  t.same(await outcomes(), ['sent']);
});

t.test('no mail is sent if the organization is active again when the mail is due', async (t) => {
  await suspendOrganization(parts, id, null);
  await activateOrganization(parts, id, null);
  t.same(await sendDue(), []);
  t.same(await outcomes(), ['sent', 'unwanted']);
});

t.test('an owner gets one mail if the organization is suspended twice before the mail is sent', async (t) => {
  await suspendOrganization(parts, id, null);
  await activateOrganization(parts, id, null);
  await suspendOrganization(parts, id, null);
  t.same(await sendDue(), [owner.email]);
  t.same((await outcomes()).slice(2).sort(), ['sent', 'unwanted']);
  await activateOrganization(parts, id, null);
});

t.test('an owner whose account is disabled gets no mail', async (t) => {
  await database.query(`UPDATE users SET status = 'disabled' WHERE id = $1`, [owner.userId]);
  await suspendOrganization(parts, id, null);
  t.same(await sendDue(), []);
});
