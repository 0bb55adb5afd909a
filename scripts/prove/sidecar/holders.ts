// Users with open sockets. Each user has some sessions, and each session has some sockets, whose token is renewed in
// time.
import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { Api } from '../../../test/support/client.ts';
import { type Account, newAccount } from '../../../test/support/fixtures/accounts.ts';
import { demand } from '../proof.ts';
import type { SessionMaker } from '../sessions.ts';

/** A socket, its renewals and its end. */
export interface HeldSocket {
  readonly socket: WebSocket;
  renewals: number;
  /** When the socket was closed, in milliseconds of `performance.now()`, or null while it is open. */
  closedAt: number | null;
  end: string;
}

export interface HeldSession {
  refreshToken: string;
  accessToken: string;
  readonly sockets: HeldSocket[];
}

export interface Holder {
  readonly account: Account;
  readonly sessions: readonly HeldSession[];
}

/** Creates users with sessions, but without sockets. */
export async function makeHolders(
  api: Api,
  maker: SessionMaker,
  count: number,
  sessionsEach: number,
): Promise<Holder[]> {
  const holders: Holder[] = [];
  for (let index = 0; index < count; index += 1) {
    const account = await newAccount(api);
    const opened = await maker.open(account.userId, sessionsEach);
    const sessions = opened.map(({ refreshToken }) => ({ refreshToken, accessToken: '', sockets: [] }));
    for (const session of sessions) await refresh(api, session);
    holders.push({ account, sessions });
  }
  return holders;
}

/** Gets a fresh token for the session. */
export async function refresh(api: Api, session: HeldSession): Promise<void> {
  const reply = await api.post('/auth/refresh', { refreshToken: session.refreshToken });
  demand(reply.status === 200, `a refresh answered ${reply.status}: ${reply.text}`);
  session.refreshToken = reply.body.data.refreshToken;
  session.accessToken = reply.body.data.accessToken;
}

function socketTo(url: string, token: string, headers: Record<string, string> = {}): WebSocket {
  return new WebSocket(url, { perMessageDeflate: false, headers: { ...headers, authorization: `Bearer ${token}` } });
}

/** Opens a socket with a token in Authorization. */
export async function openSocket(url: string, token: string): Promise<WebSocket> {
  const socket = socketTo(url, token);
  await once(socket, 'open');
  socket.on('error', () => undefined);
  return socket;
}

/** Returns the first message on a new socket. It may arrive together with the answer to the handshake. */
export async function firstMessage(url: string, token: string, headers: Record<string, string>): Promise<string> {
  const socket = socketTo(url, token, headers);
  const [data] = await once(socket, 'message');
  socket.terminate();
  return String(data);
}

/** Opens `count` sockets with a session's token. */
export async function hold(url: string, session: HeldSession, count: number): Promise<void> {
  const open = async () => {
    const socket = await openSocket(url, session.accessToken);
    const held: HeldSocket = { socket, renewals: 0, closedAt: null, end: '' };
    socket.once('close', (code, reason) => {
      held.closedAt = performance.now();
      held.end = `${code} ${reason}`;
    });
    session.sockets.push(held);
  };
  await Promise.all(Array.from({ length: count }, open));
}

/** Sends the session's token on each of its sockets. Raises NotShown if a renewal is refused. */
export async function renew(session: HeldSession): Promise<void> {
  const frame = JSON.stringify({ event: 'authenticate', data: { token: session.accessToken } });
  const one = async (held: HeldSocket) => {
    const answered = once(held.socket, 'message') as Promise<[Buffer]>;
    held.socket.send(frame);
    const answer = String((await answered)[0]);
    demand(answer.startsWith('{"event":"authenticated"'), `a renewal was answered ${answer}`);
    held.renewals += 1;
  };
  await Promise.all(session.sockets.filter(({ closedAt }) => closedAt === null).map(one));
}

/** Whether the server behind the sidecar still answers on a socket. */
export async function isServed({ socket }: HeldSocket): Promise<boolean> {
  const text = `ping ${performance.now()}`;
  const answered = once(socket, 'message') as Promise<[Buffer]>;
  socket.send(text);
  return String((await answered)[0]) === text;
}
