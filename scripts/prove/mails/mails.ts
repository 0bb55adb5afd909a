// Proves: after `kill -9` of the service at random moments every mail that was requested is sent at least once, and a
// mail that is sent again has the same Message-ID. `prove:mails [kills] [mails]`: the mails are requested over HTTP
// while the mail server does not answer, and some of them are due at every kill.
import { randomInt, randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type Api, openApi } from '../../../test/support/client.ts';
import { insertPeople, personalIn } from '../../../test/support/personal.ts';
import { asAdmin } from '../database.ts';
import { demand } from '../proof.ts';
import { type Service, type Testbed, withTestbed } from '../testbed.ts';
import { demandDelivered, demandLastLinkWorks } from './checks.ts';
import { type MailServer, openMailServer } from './mail-server.ts';

const [kills = 20, mails = 500] = process.argv.slice(2).map(Number);
const WORKERS = 8;
const PROGRESS_SECONDS_MAX = 60;
/** The claims of a killed process last for one minute. Several may follow each other. */
const FINISH_SECONDS_MAX = 240;
const MOMENT_MILLISECONDS_MAX = 120;
const LINKS_CHECKED = 10;

const emailOf = (index: number) => `due-${index}@example.com`;

/** Creates the accounts, and requests one mail for each. Raises NotShown unless every request is answered with 202. */
async function requestMails(testbed: Testbed, api: Api): Promise<void> {
  const people = Array.from({ length: mails }, (_, index) => {
    return { id: randomUUID(), email: emailOf(index), name: `Due ${index}` };
  });
  const personal = await personalIn(testbed.keysDirectory);
  await asAdmin(testbed, (query) => insertPeople({ query }, people, personal));
  const waiting = [...people];
  const work = async () => {
    for (let person = waiting.pop(); person; person = waiting.pop()) {
      const reply = await api.post('/auth/forgot-password', { email: person.email });
      demand(reply.status === 202, `the request of a mail answered ${reply.status}: ${reply.text}`);
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, work));
}

const unsent = (testbed: Testbed) =>
  asAdmin(testbed, async (query) => {
    const [row] = await query<{ total: number }>('SELECT count(*)::int AS total FROM outbox WHERE done_at IS NULL');
    return row?.total ?? 0;
  });

/** Waits until the server has stored `count` mails. */
async function arrived({ mails: stored }: MailServer, count: number, running: Service): Promise<void> {
  const begun = performance.now();
  while (stored.length < count) {
    demand(!running.hasEnded(), `the service ended by itself:\n${running.log()}`);
    demand(performance.now() - begun < PROGRESS_SECONDS_MAX * 1000, 'mails are due, and none is sent');
    await delay(2);
  }
}

async function finished(testbed: Testbed): Promise<number> {
  const begun = performance.now();
  while ((await unsent(testbed)) > 0) {
    const left = `${await unsent(testbed)} mails were not sent in ${FINISH_SECONDS_MAX} s`;
    demand(performance.now() - begun < FINISH_SECONDS_MAX * 1000, left);
    await delay(500);
  }
  return Math.round((performance.now() - begun) / 1000);
}

/** The Message-ID of each requested mail, and its recipient. */
async function requestedIn(testbed: Testbed): Promise<Map<string, string>> {
  const personal = await personalIn(testbed.keysDirectory);
  const emails = new Map(
    Array.from({ length: mails }, (_, index) => [personal.lookup('outbox.recipient', emailOf(index)), emailOf(index)]),
  );
  const rows = await asAdmin(testbed, (query) =>
    query<{ id: string; recipient: string; outcome: string | null }>(
      `SELECT id, encode(recipient_lookup, 'base64') AS recipient, outcome FROM outbox WHERE kind = 'reset_password'`,
    ),
  );
  demand(rows.length === mails, `${mails} mails were requested, and the outbox has ${rows.length}`);
  demand(
    rows.every(({ outcome }) => outcome === 'sent'),
    'a mail was given up',
  );
  return new Map(rows.map(({ id, recipient }) => [`<${id}@localhost>`, emails.get(recipient) ?? 'somebody']));
}

await withTestbed({ name: 'mails', disposable: false }, async (testbed) => {
  demand(kills > 0 && mails > kills, 'usage: prove:mails [kills] [mails], with more mails than kills');
  const server = await openMailServer();
  testbed.teardown(() => server.close());
  const settings = { SMTP_URL: server.url, MAIL_FROM: 'tenantry@localhost' };
  let service = await testbed.startService({ settings });
  const { port } = service;
  await requestMails(testbed, openApi(service.url));
  const perRound = Math.floor(mails / kills);
  for (let kill = 1; kill <= kills; kill += 1) {
    const before = server.mails.length;
    // The first kill comes while the server keeps silent and mails are claimed.
    if (kill > 1) await arrived(server, Math.min(before + randomInt(1, perRound + 1), mails), service);
    await delay(randomInt(MOMENT_MILLISECONDS_MAX));
    const due = await unsent(testbed);
    demand(due > 0, `all mails were sent before kill ${kill}: request more`);
    await service.end('SIGKILL');
    console.log(`kill ${kill}: ${server.mails.length - before} mails had arrived, ${due} were still due`);
    server.speak();
    service = await testbed.startService({ settings, port });
  }
  const seconds = await finished(testbed);
  const delivered = demandDelivered(server.mails, await requestedIn(testbed));
  const api = openApi(service.url);
  const copies = [...delivered.byId.values()].sort((one, other) => other.length - one.length);
  for (const of of copies.slice(0, delivered.repeated + LINKS_CHECKED)) await demandLastLinkWorks(api, of);
  return `SHOWN: ${kills} kills while ${mails} mails were due: each was sent at least once and none was lost; ${delivered.repeated} were sent again (${delivered.surplus} surplus mails) with the same Message-ID, and only the last link works; the last mails waited ${seconds} s for the claims of killed processes`;
});
