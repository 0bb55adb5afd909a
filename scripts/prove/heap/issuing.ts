// Clients that get tokens by login, by refresh and as a service client, and use each token once.
import { setTimeout as delay } from 'node:timers/promises';
import { type Api, openApi, type Reply } from '../../../test/support/client.ts';
import { newAccount } from '../../../test/support/fixtures/accounts.ts';
import { NotShown } from '../proof.ts';
import { openSessions } from '../sessions.ts';
import type { Service, Testbed } from '../testbed.ts';

export interface Issuing {
  /**
   * Issues tokens until the time is over, at most `perSecond` of them in a second. Raises NotShown for a refusal other
   * than 503.
   */
  run(milliseconds: number, perSecond: number): Promise<void>;
  /** The number of access tokens that have been issued and used once so far. */
  issued(): number;
  /** The number of sessions that have been ended so far. */
  ended(): number;
}

const WORKERS = 8;
const PAUSE_MILLISECONDS = 1_000;
/**
 * One of this many tokens comes from a login, and its session then logs out. The others are refreshes and service
 * clients.
 */
const LOGIN_EVERY = 50;

interface Accounts {
  readonly api: Api;
  readonly login: { readonly email: string; readonly password: string };
  readonly basic: string;
  readonly refreshTokens: string[];
}

async function openAccounts(testbed: Testbed, service: Service): Promise<Accounts> {
  const api = openApi(service.url);
  const account = await newAccount(api);
  const { body, status } = await api.post(
    '/clients',
    { name: 'issuing', permissions: ['users:read'] },
    { token: account.accessToken },
  );
  if (status !== 201) throw new NotShown(`no service client was created: ${status}`);
  const sessions = await openSessions(testbed, service, account.userId, WORKERS);
  return {
    api,
    login: { email: account.email, password: account.password },
    basic: `Basic ${Buffer.from(`${body.data.id}:${body.data.clientSecret}`).toString('base64')}`,
    refreshTokens: sessions.map(({ refreshToken }) => refreshToken),
  };
}

/** Repeats a call that a busy machine could not serve. Raises NotShown for any other refusal. */
async function accepted(what: string, call: () => Promise<Reply>): Promise<Reply> {
  for (;;) {
    const reply = await call();
    if (reply.status < 300) return reply;
    if (reply.status !== 503) throw new NotShown(`${what} was answered ${reply.status}: ${reply.text}`);
    await delay(PAUSE_MILLISECONDS);
  }
}

async function byClient({ api, basic }: Accounts): Promise<string> {
  const headers = { authorization: basic, 'content-type': 'application/x-www-form-urlencoded' };
  const options = { raw: 'grant_type=client_credentials', headers };
  return (await accepted('a service client', () => api.post('/oauth/token', undefined, options))).body.access_token;
}

async function byRefresh({ api, refreshTokens }: Accounts, worker: number): Promise<string> {
  const body = { refreshToken: refreshTokens[worker] };
  const { accessToken, refreshToken } = (await accepted('a refresh', () => api.post('/auth/refresh', body))).body.data;
  refreshTokens[worker] = refreshToken;
  return accessToken;
}

/** Creates an account, a service client and sessions. */
export async function openIssuing(testbed: Testbed, service: Service): Promise<Issuing> {
  const accounts = await openAccounts(testbed, service);
  const { api, login } = accounts;
  let [issued, ended] = [0, 0];

  async function use(token: string): Promise<void> {
    await accepted('a new token', () => api.get('/verify', { token }));
    issued += 1;
  }

  async function byLogin(): Promise<void> {
    const { accessToken, refreshToken } = (await accepted('a login', () => api.post('/auth/login', login))).body.data;
    await use(accessToken);
    await accepted('a logout', () => api.post('/auth/logout', { refreshToken }));
    ended += 1;
  }

  return {
    async run(milliseconds, perSecond) {
      const begun = performance.now();
      let started = 0;
      const work = async (worker: number) => {
        for (;;) {
          const turn = started;
          started += 1;
          const due = begun + (turn * 1000) / perSecond;
          if (Math.max(due, performance.now()) - begun > milliseconds) return;
          await delay(Math.max(0, due - performance.now()));
          if (turn % LOGIN_EVERY === 0) await byLogin();
          else await use(turn % 2 === 0 ? await byClient(accounts) : await byRefresh(accounts, worker));
        }
      };
      await Promise.all(Array.from({ length: WORKERS }, (_, worker) => work(worker)));
    },
    issued: () => issued,
    ended: () => ended,
  };
}
