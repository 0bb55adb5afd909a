// Proves: when a standby takes over that lacks acknowledged logouts, nobody gets access with the tokens of the sessions
// that were ended. In the end, every token from before the failover is refused with 503 until an operator decides. A
// failover that lost nothing changes nothing. The standby is a real one with asynchronous replication, the primary is
// killed, and the service continues to run. `prove:failover [people]`: how many people log out before each failover.
import { setTimeout as delay } from 'node:timers/promises';
import { type EmbeddedPostgres, startEmbedded } from '../../../src/base/embedded/embedded.ts';
import { createVerifier } from '../../../src/verifier/index.ts';
import { openApi } from '../../../test/support/client.ts';
import { newAccount } from '../../../test/support/fixtures/accounts.ts';
import type { TcpProxy } from '../../../test/support/servers/tcp-proxy.ts';
import { createClient, runCommand } from '../operator.ts';
import { demand } from '../proof.ts';
import { type Service, type Testbed, withTestbed } from '../testbed.ts';
import { killFamily } from './frozen.ts';
import { openDatabaseNetwork } from './network.ts';
import { isReady, untilReadiness } from './readiness.ts';
import { startStandby } from './standby.ts';
import { type Following, type Holder, openWatch, type Watch } from './watch-tokens.ts';

const [people = 6] = process.argv.slice(2).map(Number);
/** Longer than the feed may be silent. After such a silence a verifier calls the service. */
const DOUBT_MILLISECONDS = 35_000;
const CALM_MILLISECONDS = 5_000;
const RECOVERY_MILLISECONDS_MAX = 30_000;

interface Setup {
  readonly testbed: Testbed;
  readonly network: TcpProxy;
  readonly settings: Record<string, string>;
  /** Two services that have read the database before each failover. */
  readonly services: readonly [Service, Service];
  readonly watch: Watch;
  primary: EmbeddedPostgres;
  directory: string;
  failovers: number;
}

async function openSetup(testbed: Testbed): Promise<Setup> {
  const { network, url } = await openDatabaseNetwork(testbed);
  const common = { DATABASE_URL: url, SESSIONS_PER_USER_MAX: '1000' };
  const first = await testbed.startService({ settings: common });
  const settings = { ...common, PUBLIC_URL: `http://localhost:${first.port}` };
  const second = await testbed.startService({ settings });
  const credentials = await createClient(testbed, first, 'verifier', settings);
  const verifier = createVerifier({
    issuer: settings.PUBLIC_URL,
    audience: 'tenantry',
    revocation: { credentials },
    onError: () => undefined,
  });
  testbed.teardown(() => verifier.close());
  await verifier.ready(30);
  return {
    testbed,
    network,
    settings,
    services: [first, second],
    watch: openWatch(verifier),
    primary: testbed.postgres,
    directory: `${testbed.folder}/postgres`,
    failovers: 0,
  };
}

async function holdersOf({ services }: Setup, count: number): Promise<Holder[]> {
  const holders: Holder[] = [];
  for (let index = 0; index < count; index += 1) holders.push(await newAccount(openApi(services[0].url)));
  return holders;
}

/** Resolves when a service is ready and reports this state for its database. */
const untilReady = (service: Service, state: 'ok' | 'degraded') =>
  untilReadiness(
    service,
    state,
    (reply) => isReady(reply) && reply.body.checks.database === state,
    RECOVERY_MILLISECONDS_MAX,
  );

/** Lets people log out, kills the primary, and lets a standby take over, with the logouts or without them. */
async function failOver(
  setup: Setup,
  { leaving, staying, isLagging }: { leaving: readonly Holder[]; staying: readonly Holder[]; isLagging: boolean },
): Promise<{ readonly gone: Following; readonly kept: Following }> {
  const { testbed, network, services, watch } = setup;
  setup.failovers += 1;
  const standby = await startStandby(testbed, setup.primary, setup.directory, `standby${setup.failovers}`);
  await standby.caughtUp();
  if (isLagging) standby.stall();
  for (const { refreshToken } of leaving) {
    const reply = await openApi(services[0].url).post('/auth/logout', { refreshToken });
    demand(reply.status === 204, `a logout answered ${reply.status}: ${reply.text}`);
  }
  await watch.untilRefused(leaving, services);
  if (!isLagging) await standby.caughtUp();
  const following = { gone: watch.follow(leaving, services), kept: watch.follow(staying, services) };
  const { primary: lost, directory: lostDirectory } = setup;
  killFamily(lost.pid);
  network.cut();
  // Only a start and an orderly stop release the shared memory of a server that was killed.
  testbed.teardown(async () => {
    await lost.stop();
    await (await startEmbedded({ directory: lostDirectory })).stop();
  });
  await standby.promote();
  network.lead(standby.postgres.port);
  network.pass();
  Object.assign(setup, { primary: standby.postgres, directory: standby.directory });
  return following;
}

/** Checks the answers after a standby without the logouts has taken over, and after an operator has decided. */
async function losing(setup: Setup, decision: 'restore' | 'accept'): Promise<string> {
  const { testbed, services, settings, watch } = setup;
  const leaving = await holdersOf(setup, people);
  const staying = await holdersOf(setup, 2);
  const { gone, kept } = await failOver(setup, { leaving, staying, isLagging: true });
  for (const service of services) await untilReady(service, 'degraded');
  const late = await testbed.startService({ settings });
  const there = [...services, late];
  gone.also(late);
  kept.also(late);
  const settled = performance.now();
  await delay(CALM_MILLISECONDS);
  kept.forget(); // at first, a token may be answered from the memory of a process that has not read yet
  await delay(Math.max(0, DOUBT_MILLISECONDS - (performance.now() - settled)));
  const refusals = await gone.end();
  const doubts = await kept.end();
  demand(refusals.of('200') === 0, `a lost logout came back to life at ${refusals.accepted()}: ${refusals.shown()}`);
  demand(refusals.refusedHolders() === leaving.length, `not all tokens were refused: ${refusals.shown()}`);
  // A verifier uses what it knows until the feed has been silent for too long.
  const accepting = doubts.accepted();
  demand(['', 'the verifier'].includes(accepting), `something from before was accepted at ${accepting}`);
  const unsure = await watch.once(staying, there);
  demand(unsure.statuses('503') === unsure.total(), `something from before is still accepted: ${unsure.shown()}`);
  demand(doubts.statuses('401') === 0, `a session that had not ended was refused with 401: ${doubts.shown()}`);
  for (const service of there) {
    const [holder] = staying;
    const login = await openApi(service.url).post('/auth/login', { email: holder?.email, password: holder?.password });
    demand(login.status === 200, `nobody can sign in: ${login.status} ${login.text}`);
    const me = await openApi(service.url).get('/me', { token: login.body.data.accessToken });
    demand(me.status === 200, `a new session is refused: ${me.status} ${me.text}`);
  }
  console.log(`the lost logouts: ${refusals.shown()}\nsessions that had not ended: ${doubts.shown()}`);

  if (decision === 'accept') await runCommand(testbed, services[0], ['database', 'accept', '--yes'], settings);
  else {
    const at = ['restore', '--restored-at', new Date().toISOString(), '--yes'];
    await runCommand(testbed, services[0], at, settings);
  }
  for (const service of there) await untilReady(service, 'ok');
  await delay(CALM_MILLISECONDS);
  const after = await watch.once(staying, there);
  const ended = await watch.once(leaving, services);
  if (decision === 'accept') {
    demand(after.of('200') === after.total(), `after accept, sessions from before are refused: ${after.shown()}`);
  } else {
    demand(
      after.statuses('401') === after.total(),
      `after restore, something from before is accepted: ${after.shown()}`,
    );
    demand(ended.statuses('401') === ended.total(), `after restore, a lost logout is accepted: ${ended.shown()}`);
  }
  console.log(`after ${decision}: the others ${after.shown()}; the lost logouts ${ended.shown()}`);
  await late.end('SIGTERM');
  return `${refusals.refusedHolders()} of ${leaving.length} lost logouts refused ${refusals.total()} times and accepted never`;
}

/** Checks the answers after a standby that had everything has taken over. */
async function keeping(setup: Setup): Promise<string> {
  const { services, watch } = setup;
  const leaving = await holdersOf(setup, people);
  const staying = await holdersOf(setup, 2);
  const { gone, kept } = await failOver(setup, { leaving, staying, isLagging: false });
  for (const service of services) await untilReady(service, 'ok');
  await delay(DOUBT_MILLISECONDS);
  const [refusals, answers] = [await gone.end(), await kept.end()];
  demand(refusals.of('200') === 0, `a logout came back to life: ${refusals.shown()}`);
  const alarms = answers.of('database_set_back') + refusals.of('database_set_back');
  demand(alarms === 0, `a false alarm: ${answers.shown()}`);
  demand(answers.statuses('401') === 0, `a good session was refused: ${answers.shown()}`);
  const after = await watch.once(staying, services);
  demand(after.of('200') === after.total(), `a session did not survive: ${after.shown()}`);
  console.log(`nothing was lost: the logouts ${refusals.shown()}; the others ${answers.shown()}`);
  return `no false alarm in ${answers.total()} checks when the standby had everything`;
}

await withTestbed({ name: 'failover', disposable: false }, async (testbed) => {
  demand(people > 0, 'usage: prove:failover [people]');
  const setup = await openSetup(testbed);
  const whole = await keeping(setup);
  const restored = await losing(setup, 'restore');
  const accepted = await losing(setup, 'accept');
  return `SHOWN: after a failover to a lagging standby, ${restored}, until restore ended everything from before; again, ${accepted}, until accept let the others in again; ${whole}`;
});
