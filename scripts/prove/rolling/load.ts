// Clients that send requests one after the other over connections that they keep, and the count of their answers.
// A client that connects to the replicas without a proxy stays with one replica until an answer closes its connection.
import { Agent, type IncomingMessage, request } from 'node:http';
import type { Account } from '../../../test/support/fixtures/accounts.ts';

export interface Tally {
  sent: number;
  readonly answers: Map<string, number>;
  readonly failures: string[];
  /** The number of answers that told a client without a proxy to close its connection. */
  closes: number;
}

export interface Target {
  /** Returns the address for the next request. */
  url(): string;
  /** Called when an answer closes the connection. */
  onClose(): void;
}

interface Answered {
  readonly status: number;
  readonly text: string;
  readonly isClosing: boolean;
}

function call(agent: Agent, url: string, method: string, token: string | null, body: unknown): Promise<Answered> {
  const text = body === undefined ? '' : JSON.stringify(body);
  const headers = {
    ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    ...(body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
  };
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent, method, headers }, (reply: IncomingMessage) => {
      const chunks: Buffer[] = [];
      reply.on('data', (chunk: Buffer) => chunks.push(chunk));
      reply.on('error', reject);
      reply.on('end', () => {
        const isClosing = reply.headers.connection === 'close';
        resolve({ status: reply.statusCode ?? 0, text: Buffer.concat(chunks).toString(), isClosing });
      });
    });
    sent.on('error', reject);
    sent.end(text);
  });
}

/** Of a hundred requests: most read, some refresh, some write, and one signs in, which costs a password hash. */
function kindOf(turn: number): 'login' | 'refresh' | 'rename' | 'keys' | 'me' {
  const at = turn % 100;
  if (at === 0) return 'login';
  if (at % 5 === 1) return 'refresh';
  if (at % 10 === 2) return 'rename';
  return at % 10 === 3 ? 'keys' : 'me';
}

/**
 * Sends requests until `isOver` returns true. Every answer that is not a success is a failure, and so is a lost
 * connection.
 */
export async function keepAsking(
  account: Account,
  target: Target,
  { tally, first, isOver }: { readonly tally: Tally; readonly first: number; readonly isOver: () => boolean },
): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  let { accessToken, refreshToken } = account;
  for (let turn = first; !isOver(); turn += 1) {
    const kind = kindOf(turn);
    const ask = {
      login: () => ['POST', '/api/v1/auth/login', null, { email: account.email, password: account.password }],
      refresh: () => ['POST', '/api/v1/auth/refresh', null, { refreshToken }],
      rename: () => ['PATCH', '/api/v1/me', accessToken, { name: `Ada ${turn}` }],
      keys: () => ['GET', '/.well-known/jwks.json', null, undefined],
      me: () => ['GET', '/api/v1/me', accessToken, undefined],
    }[kind]() as [string, string, string | null, unknown];
    tally.sent += 1;
    try {
      const url = target.url();
      const answer = await call(agent, url + ask[1], ask[0], ask[2], ask[3]);
      const key = `${kind} ${answer.status}`;
      tally.answers.set(key, (tally.answers.get(key) ?? 0) + 1);
      if (answer.status !== 200) tally.failures.push(`${key}: ${answer.text.slice(0, 200)}`);
      else if (kind === 'refresh') ({ accessToken, refreshToken } = JSON.parse(answer.text).data);
      if (answer.isClosing) {
        tally.closes += 1;
        target.onClose();
      }
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      tally.failures.push(`${kind}: ${code ?? message}`);
      target.onClose();
    }
  }
  agent.destroy();
}
