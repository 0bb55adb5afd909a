// Mails for which no token was created: what happens to the mail depends on the reason.
import t from 'tap';
import type { Database } from '../../../src/base/database/db.ts';
import type { SendMail } from '../../../src/base/mail/smtp.ts';
import {
  rowOf as findRow,
  keepingLog,
  dueNow as makeDue,
  outboxOf as openOn,
  openQuiet,
} from '../../base/outbox/rows.ts';
import { refused } from '../../support/raw.ts';
import { freshEmail } from './inviting.ts';

const inviting = await openQuiet(t);
const { api, database, owner, service } = inviting;
const log = keepingLog();
const sent: string[] = [];
const keepSent: SendMail = async ({ to }) => void sent.push(to);

const outboxOf = (send: SendMail = keepSent, db: Database = service.app.parts.db) =>
  openOn(inviting, send, { log, db });
const rowOf = (email: string) => findRow(inviting, email);
const dueNow = () => makeDue(inviting);
const setStatus = (status: string) =>
  database.query('UPDATE organizations SET status = $2 WHERE id = $1', [owner.organization.id, status]);

t.test('a process whose lease ended during a pause does not finish the mail: the next process sends it', async (t) => {
  const email = freshEmail();
  t.equal((await inviting.invite(email)).status, 201);
  const { db } = service.app.parts;
  const slow: Database = {
    ...db,
    async system(work, bound) {
      await dueNow(); // as if the process paused between the claim and the creation of the mail
      return db.system(work, bound);
    },
  };
  const [claimed] = await Promise.allSettled([
    outboxOf(async () => void t.fail('sent without a claim'), slow).sendDue(),
  ]);
  t.equal(claimed.status, 'fulfilled');
  t.match(await rowOf(email), { waiting: true, done: false });
  await outboxOf().sendDue();
  t.same(sent.splice(0), [email]);
  t.match(await rowOf(email), { waiting: false, done: true, failure: null });
});

t.test('a mail that is due while its organization is suspended is sent after the activation', async (t) => {
  const email = freshEmail();
  const { body } = await inviting.invite(email);
  await setStatus('suspended');
  await outboxOf().sendDue();
  for (let look = 0; look < 12; look += 1) {
    await dueNow();
    await outboxOf().sendDue();
  }
  t.same(sent, []);
  t.match(await rowOf(email), { attempts: 0, waiting: true, done: false, failure: 'organization_suspended' });
  await setStatus('active');
  await dueNow();
  await outboxOf().sendDue();
  t.same(sent.splice(0), [email]);
  t.match(await rowOf(email), { attempts: 1, waiting: false, done: true, failure: null });
  t.equal((await api.delete(`/invitations/${body.data.id}`, { token: owner.accessToken })).status, 204);
});

t.test('the mail of an ended invitation is neither sent nor retried, even in a suspended organization', async (t) => {
  const email = freshEmail();
  const { body } = await inviting.invite(email);
  t.equal((await api.delete(`/invitations/${body.data.id}`, { token: owner.accessToken })).status, 204);
  await setStatus('suspended');
  await outboxOf().sendDue();
  await setStatus('active');
  t.same(sent, []);
  t.match(await rowOf(email), { waiting: false, done: true, failure: null });
});

t.test('an unexpected failure is logged with its stack, and the mail is retried', async (t) => {
  const email = freshEmail();
  await inviting.invite(email);
  const broken: SendMail = () => Promise.reject(new TypeError('no such door'));
  await outboxOf(broken).sendDue();
  t.match(await rowOf(email), { attempts: 1, waiting: true, failure: 'unexpected' });
  t.match(log.lines.join(), /no such door.*unsent\.test\.ts/);
  await dueNow();
  await outboxOf().sendDue();
  t.same(sent.splice(0), [email]);
});

t.test('an invitation whose roles are all deleted is not mailed again', async (t) => {
  const { body } = await inviting.invite(freshEmail());
  await database.query('DELETE FROM invitation_roles WHERE invitation_id = $1', [body.data.id]);
  const again = await api.post(`/invitations/${body.data.id}/resend`, undefined, { token: owner.accessToken });
  refused(t, again, 'not_found', 'resent');
  t.match(again.body.detail, /invite again/);
});
