// Proves: after `kill -9` at a random moment every registration is complete or absent, no acknowledged one is lost, and
// every client continues with the refresh token it has. `prove:kill [rounds]`: this number of rounds kills the service,
// then the same number kills PostgreSQL and the service.
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { type Api, openApi, type Reply } from '../../test/support/client.ts';
import { newAccount } from '../../test/support/fixtures/accounts.ts';
import { personalIn } from '../../test/support/personal.ts';
import { asAdmin } from './database.ts';
import { demandOneLineage, demandWholeRegistrations, type Registration } from './kill/checks.ts';
import { demand } from './proof.ts';
import { openSessions } from './sessions.ts';
import { type Service, type Testbed, withTestbed } from './testbed.ts';

const [rounds = 6] = process.argv.slice(2).map(Number);
const REGISTRATIONS = 200;
const CLIENTS = 200;
const WORKERS = 8;
const MOMENT_MILLISECONDS_MAX = 3_000;

/** A program that refreshes. It holds the newest token that an answer contained. */
interface Client {
  readonly sessionId: string;
  token: string;
  /** Whether the last answer was lost, so that it is unknown whether the service did the refresh. */
  isUncertain: boolean;
}

/** Returns the answer, or null if the connection was lost. */
async function attempt(call: Promise<Reply>): Promise<Reply | null> {
  try {
    return await call;
  } catch {
    return null;
  }
}

/**
 * A service whose database was killed a moment earlier answers 503. The result is then unknown, as it is without an
 * answer.
 */
function isLost(reply: Reply | null): reply is null {
  return reply === null || reply.status === 503;
}

async function refreshOnce(api: Api, client: Client): Promise<void> {
  client.isUncertain = true;
  const reply = await attempt(api.post('/auth/refresh', { refreshToken: client.token }));
  if (isLost(reply)) return;
  demand(reply.status === 200, `a refresh under load answered ${reply.status}: ${reply.text}`);
  client.token = reply.body.data.refreshToken;
  client.isUncertain = false;
}

async function registerOnce(api: Api, registration: Registration): Promise<void> {
  const { email, password, organizationName } = registration;
  const reply = await attempt(api.post('/auth/register', { email, password, name: 'Ada', organizationName }));
  registration.wasSent = true;
  if (isLost(reply)) return;
  demand(reply.status === 201, `a registration under load answered ${reply.status}: ${reply.text}`);
  const { user, organization, sessionId } = reply.body.data;
  registration.acknowledged = { userId: user.id, organizationId: organization.id, sessionId };
}

/**
 * Registers and refreshes until the moment of the kill. Resolves when every call has been answered or has lost its
 * connection.
 */
async function loadUntilKilled(service: Service, clients: Client[], registrations: Registration[], kill: () => void) {
  const api = openApi(service.url);
  let isKilled = false;
  const toRegister = [...registrations];
  const registering = async () => {
    for (let next = toRegister.pop(); next && !isKilled; next = toRegister.pop()) await registerOnce(api, next);
  };
  const refreshing = async (worker: number) => {
    for (let turn = worker; !isKilled; turn = (turn + WORKERS) % clients.length) {
      const client = clients[turn];
      if (client) await refreshOnce(api, client);
    }
  };
  const load = Array.from({ length: WORKERS }, (_, worker) => [registering(), refreshing(worker)]).flat();
  const moment = randomInt(20, MOMENT_MILLISECONDS_MAX);
  await Promise.race([delay(moment), Promise.all(load)]);
  kill();
  isKilled = true;
  await Promise.all(load);
  return moment;
}

/** Ends PostgreSQL with all of its processes, as a crash does. */
function killPostgres({ postgres }: Testbed): void {
  const children = readFileSync(`/proc/${postgres.pid}/task/${postgres.pid}/children`, 'utf8').trim().split(' ');
  process.kill(postgres.pid, 'SIGKILL');
  for (const child of children) {
    try {
      process.kill(Number(child), 'SIGKILL');
    } catch {
      // The process has already ended.
    }
  }
}

async function demandAllGoOn(testbed: Testbed, service: Service, clients: readonly Client[]): Promise<void> {
  const api = openApi(service.url);
  for (const client of clients) {
    const presented = client.token;
    const reply = await api.post('/auth/refresh', { refreshToken: presented });
    const what = client.isUncertain ? 'a repeated refresh' : 'an acknowledged token';
    demand(reply.status === 200, `${what} of session ${client.sessionId} answered ${reply.status}: ${reply.text}`);
    client.token = reply.body.data.refreshToken;
    client.isUncertain = false;
    await asAdmin(testbed, (query) => demandOneLineage(query, client.sessionId, presented, client.token));
  }
}

await withTestbed({ name: 'kill', disposable: false }, async (testbed) => {
  demand(rounds > 0, 'usage: prove:kill [rounds]');
  let service = await testbed.startService();
  const { port } = service;
  const { userId } = await newAccount(openApi(service.url));
  const clients: Client[] = (await openSessions(testbed, service, userId, CLIENTS)).map((opened) => ({
    sessionId: opened.sessionId,
    token: opened.refreshToken,
    isUncertain: false,
  }));
  const seen = { whole: 0, absent: 0, lostButThere: 0, lostRefreshes: 0 };
  for (let round = 0; round < 2 * rounds; round += 1) {
    const isBoth = round >= rounds;
    const registrations: Registration[] = Array.from({ length: REGISTRATIONS }, (_, index) => ({
      email: `kill-${round}-${index}@example.com`,
      password: `correct horse ${round} ${index}`,
      organizationName: `Killed ${round} ${index}`,
      wasSent: false,
    }));
    const running = service;
    const moment = await loadUntilKilled(running, clients, registrations, () => {
      if (isBoth) killPostgres(testbed);
      running.child.kill('SIGKILL');
    });
    await running.end('SIGKILL');
    if (isBoth) await testbed.restartPostgres();
    service = await testbed.startService({ port });
    const lostRefreshes = clients.filter(({ isUncertain }) => isUncertain).length;
    const personal = await personalIn(testbed.keysDirectory);
    const found = await asAdmin(testbed, (query) => demandWholeRegistrations(query, personal, registrations));
    await demandAllGoOn(testbed, service, clients);
    seen.whole += found.whole;
    seen.absent += found.absent;
    seen.lostButThere += found.lostButThere;
    seen.lostRefreshes += lostRefreshes;
    console.log(
      `round ${round + 1}, ${isBoth ? 'PostgreSQL and service' : 'service'} killed after ${moment} ms: ${found.whole} registrations whole (${found.lostButThere} of them unanswered), ${found.absent} sent and absent, ${lostRefreshes} refreshes without an answer`,
    );
  }
  demand(seen.absent + seen.lostButThere > 0 && seen.lostRefreshes > 0, 'no kill hit a call under way: run it again');
  return `SHOWN: ${2 * rounds} kills: ${seen.whole} registrations whole, ${seen.absent} absent, none incomplete, no acknowledged one lost; ${seen.lostRefreshes} interrupted refreshes were repeated, and ${CLIENTS} clients continue in one lineage each`;
});
