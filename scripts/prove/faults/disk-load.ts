// The requests that go on while PostgreSQL stores nothing or has ended. They raise NotShown if an answer is not one of
// those that are promised, and remember which changes were acknowledged and which have an unknown outcome.
import { setTimeout as delay } from 'node:timers/promises';
import type { Api, Reply } from '../../../test/support/client.ts';
import type { Account } from '../../../test/support/fixtures/accounts.ts';
import { personalIn } from '../../../test/support/personal.ts';
import { asAdmin } from '../database.ts';
import { demandWholeRegistrations, type Registration } from '../kill/checks.ts';
import { demand } from '../proof.ts';
import type { Service, Testbed } from '../testbed.ts';

export const PAUSE_MILLISECONDS = 25;

interface Attempt extends Registration {
  /** Set if the answer did not say whether the registration was done. */
  isUnknown?: true;
}

export interface Load {
  readonly service: Service;
  readonly api: Api;
  readonly account: Account;
  /** The last name that was acknowledged, and every later name whose outcome is unknown. */
  names: string[];
  readonly registrations: Attempt[];
  /** The access tokens of sessions whose end was acknowledged. */
  readonly endedTokens: string[];
  readonly refused: Map<string, number>;
  reads: number;
  writes: number;
  /** How many steps run now. */
  running: number;
  isPaused: boolean;
  isOver: boolean;
  /** Whether PostgreSQL may be gone: then everything may get 503, and a change that got 503 may have been done. */
  mayBeGone: boolean;
}

export function newLoad(service: Service, api: Api, account: Account): Load {
  const flags = { isPaused: false, isOver: false, mayBeGone: false };
  const kept = { names: ['Ada Lovelace'], registrations: [], endedTokens: [], refused: new Map<string, number>() };
  return { service, api, account, ...kept, reads: 0, writes: 0, running: 0, ...flags };
}

export const sum = (counts: ReadonlyMap<string, number>): number =>
  [...counts.values()].reduce((total, count) => total + count, 0);

const GONE = ['database_not_writable', 'database_unavailable', 'service_busy', 'revocations_stale'];

/**
 * Counts a refusal, and raises NotShown if it is not one of those that are promised. Returns true if the change may
 * have been made.
 */
function noteRefusal(load: Load, what: string, reply: Reply): boolean {
  const codes = load.mayBeGone ? GONE : ['database_not_writable'];
  const isRight = reply.status === 503 && codes.includes(reply.code ?? '');
  demand(isRight, `${what} answered ${reply.status} ${reply.code}: ${reply.text}\n${load.service.log()}`);
  demand(/^[1-9]\d*$/.test(reply.headers.get('retry-after') ?? ''), `${what} answered 503 without Retry-After`);
  load.refused.set(what, (load.refused.get(what) ?? 0) + 1);
  return load.mayBeGone && !/Nothing was changed/.test(reply.body.detail);
}

export async function rename(load: Load): Promise<void> {
  const name = `Ada ${load.writes} ${'x'.repeat(60)}`;
  const reply = await load.api.patch('/me', { name }, { token: load.account.accessToken });
  if (reply.status === 200) load.names = [name];
  else if (noteRefusal(load, 'rename', reply)) load.names.push(name);
}

export async function register(load: Load): Promise<void> {
  const number = load.registrations.length;
  const registration: Attempt = {
    email: `disk-${number}@example.com`,
    password: 'correct horse battery staple',
    organizationName: `Disk ${number}`,
    wasSent: true,
  };
  load.registrations.push(registration);
  const { email, password, organizationName } = registration;
  const reply = await load.api.post('/auth/register', { email, password, name: 'Ada', organizationName });
  if (reply.status !== 201) {
    if (noteRefusal(load, 'register', reply)) registration.isUnknown = true;
    return;
  }
  const { user, organization, sessionId } = reply.body.data;
  registration.acknowledged = { userId: user.id, organizationId: organization.id, sessionId };
}

/** Opens a session and ends it. An acknowledged end must stay. */
export async function signInAndOut(load: Load): Promise<void> {
  const { email, password } = load.account;
  const opened = await load.api.post('/auth/login', { email, password });
  if (opened.status !== 200) return void noteRefusal(load, 'login', opened);
  const { refreshToken, accessToken: token } = opened.body.data;
  const ended = await load.api.post('/auth/logout', { refreshToken });
  if (ended.status !== 204) return void noteRefusal(load, 'logout', ended);
  load.endedTokens.push(token);
  const after = await load.api.get('/verify', { token });
  const isRefused = after.status === 401 || (load.mayBeGone && after.status === 503);
  demand(isRefused, `an ended session was answered ${after.status}`);
}

/** Sends the reads, which must succeed while only the writes are refused. */
export async function read(load: Load): Promise<void> {
  const token = { token: load.account.accessToken };
  for (const path of ['/me', '/users', '/verify', '/.well-known/jwks.json']) {
    const reply = await load.api.get(path, token);
    if (reply.status === 200) load.reads += 1;
    else if (load.mayBeGone) noteRefusal(load, 'read', reply);
    else demand(false, `GET ${path} answered ${reply.status}: ${reply.text}\n${load.service.log()}`);
  }
}

/** Repeats a step until the load is over. */
export async function repeat(load: Load, step: (load: Load) => Promise<void>, counts: 'writes' | null): Promise<void> {
  while (!load.isOver) {
    if (!load.isPaused) {
      load.running += 1;
      await step(load);
      load.running -= 1;
      if (counts) load.writes += 1;
    }
    await delay(PAUSE_MILLISECONDS);
  }
}

/** Does something while no request runs. */
export async function whilePaused(load: Load, work: () => Promise<unknown>): Promise<void> {
  load.isPaused = true;
  while (load.running > 0) await delay(PAUSE_MILLISECONDS);
  await work();
  load.isPaused = false;
}

/**
 * Raises NotShown unless the database has every change that was acknowledged and none that was refused, and each change
 * with an unknown outcome completely or not at all. Returns the number of complete registrations.
 */
export async function demandNothingLost(testbed: Testbed, load: Load): Promise<number> {
  const { api, account, registrations, endedTokens, names } = load;
  const me = await api.get('/me', { token: account.accessToken });
  const { name } = me.body.data?.user ?? me.body.data ?? {};
  demand(names.includes(name), `the name is ${name}, but it was changed to ${names.join(' or ')}`);
  for (const token of endedTokens) {
    const { status } = await api.get('/verify', { token });
    demand(status === 401, `an ended session was answered ${status} at the end`);
  }
  const certain = registrations.filter(({ isUnknown }) => !isUnknown);
  const personal = await personalIn(testbed.keysDirectory);
  return asAdmin(testbed, async (query) => {
    const { lostButThere } = await demandWholeRegistrations(query, personal, certain);
    demand(lostButThere === 0, `${lostButThere} registrations were refused and done all the same`);
    return (await demandWholeRegistrations(query, personal, registrations)).whole;
  });
}
