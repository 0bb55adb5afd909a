// Canaries in the fields of a person go through the flows of an account, by the API and by the pages, with refused
// variants and with failures of the mail server and of the database. No canary is in a line of the log, in a refusal of
// the API, in the mail of another person, or in the database.
import t from 'tap';
import { createDatabase } from '../../support/database.ts';
import { dump } from '../../support/fixtures/dump.ts';
import { sendRaw } from '../../support/raw.ts';
import { openMailbox } from '../../support/servers/mailbox.ts';
import { spawnService } from '../../support/service.ts';
import { beginByApi, changeAddress, inviteByApi, replacePasswords } from './by-api.ts';
import { acceptByPage, walkByPages } from './by-pages.ts';
import { openCanaries } from './canaries.ts';
import { nextMail, secretsIn, type Walk } from './flows.ts';
import { openRecorder } from './recording.ts';

const database = await createDatabase(t);
const mailbox = await openMailbox(t);
const service = await spawnService(t, {
  ...{ DATABASE_URL: database.ownerUrl, SMTP_URL: mailbox.url },
  ...{ LOG_LEVEL: 'debug', TRUSTED_PROXIES: '127.0.0.1' },
});
const canaries = openCanaries();
const recorder = openRecorder(t, service.url, canaries);
const walk: Walk = { recorder, canaries, mailbox };

/** Sends requests while the table of accounts is missing, so that queries fail in the middle of these flows. */
async function meetFailures({ email, password }: { email: string; password: string }): Promise<void> {
  await database.query('ALTER TABLE users RENAME TO users_away');
  await recorder.call(500, 'POST', '/auth/login', { email, password });
  await recorder.call(500, 'POST', '/auth/register', { email: canaries.email(), password, name: canaries.name() });
  await recorder.call(500, 'POST', '/auth/forgot-password', { email });
  await database.query('ALTER TABLE users_away RENAME TO users');
}

/** Sends requests that no client library sends. */
async function sendBroken(): Promise<void> {
  const forged = canaries.forged();
  for (const bytes of [
    `GET /me HTTP/1.1\r\nhost: a\r\ncookie: ${forged}\u0001\r\n\r\n`,
    `${forged} /me HTTP/1.1\r\nhost: a\r\n\r\n`,
    `POST /api/v1/auth/login HTTP/1.1\r\nhost: a\r\n${forged}\r\n\r\n`,
    `GET /%zz${forged}?token=${forged} HTTP/1.1\r\nhost: ${forged}\r\n\r\n`,
  ]) {
    const reply = await sendRaw(service.url, bytes);
    t.ok(reply.status >= 400, `${reply.status}`);
    t.same(canaries.foundIn(`${[...reply.headers].join('\n')}${reply.text}`), []);
  }
}

/** The name of the person who invites is in the mails of the invitations. */
let inviter = '';

await t.test('every flow of an account takes place, and no refusal repeats what was sent', async (t) => {
  mailbox.refuse(1); // with an answer that repeats the whole mail
  const begun = await beginByApi(walk);
  inviter = begun.name;
  const account = await changeAddress(walk, await replacePasswords(walk, begun));
  await inviteByApi(walk, account);
  const guest = canaries.email();
  const invitation = { email: guest, roles: [{ role: 'agent' }] };
  await recorder.call(201, 'POST', '/invitations', invitation, { token: account.token });
  await acceptByPage(walk, (await nextMail(walk, guest, '/accept-invitation')).token, [guest, inviter]);
  await walkByPages(walk);
  await meetFailures(account);
  await sendBroken();
  const closing = { token: account.token };
  await recorder.call(409, 'DELETE', '/me', { password: account.password }, closing);
  t.ok(recorder.counted.answers > 150 && recorder.counted.refused > 60, JSON.stringify(recorder.counted));
});

await t.test('no mail has a value of another person, or a secret of another mail', async (t) => {
  t.ok(mailbox.mails.length > 15);
  for (const mail of mailbox.mails) {
    const { token, code } = secretsIn(mail);
    const isInvitation = mail.text.includes('/accept-invitation#');
    const own = [...mail.recipients, token, code, ...(isInvitation ? [inviter] : [])];
    t.same(canaries.foundIn(`${mail.raw}\n${mail.text}\n${mail.html}`, own), [], `${mail.headers.get('subject')}`);
  }
});

await t.test('no canary is in the database', async (t) => {
  const content = await dump(database);
  t.match(content, /session\.opened/);
  t.same(canaries.foundIn(content), []);
});

await t.test('no line of the log has a canary, at the level debug', async (t) => {
  await service.end('SIGTERM'); // writes the rest of the log
  const requests = service.lines.filter((line) => line.includes('"msg":"request"'));
  t.ok(requests.length >= recorder.counted.answers, 'every request is in the log');
  t.ok(service.lines.some((line) => line.includes('a mail was not accepted')));
  t.ok(service.lines.some((line) => line.includes('unexpected error')));
  for (const line of service.lines) {
    const found = canaries.foundIn(line);
    if (found.length > 0) t.fail(`${found.join(', ')} in: ${line.slice(0, 500)}`);
  }
});
