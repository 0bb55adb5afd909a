// Calls GET /verify of a replica again and again on one connection, and notes when the replica first refused the token.
// The caller chooses the token. history.ts judges the observations.
import { Agent, get } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Service } from '../testbed.ts';
import type { Observation } from './history.ts';
import { machineMilliseconds } from './machine-clock.ts';

function ask(agent: Agent, { port }: Service, text: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const headers = { authorization: `Bearer ${text}` };
  get({ agent, host: '127.0.0.1', port, path: '/verify', headers }, (reply) => {
    reply.resume();
    reply.once('end', () => resolve(reply.statusCode ?? 0));
  }).once('error', reject);
  return promise;
}

/** Repeats the call until the replica refuses, at most until `afterMilliseconds` after `revoked` has resolved. */
export async function watchReplica(
  replica: Service,
  name: string,
  watched: { readonly token: number; readonly text: string },
  revoked: Promise<unknown>,
  afterMilliseconds: number,
): Promise<Observation> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const note = { firstAccepted: null as number | null, lastAccepted: null as number | null };
  let end = Number.POSITIVE_INFINITY;
  void revoked.then(() => {
    end = machineMilliseconds() + afterMilliseconds;
  });
  try {
    while (machineMilliseconds() < end) {
      const status = await ask(agent, replica, watched.text);
      const at = machineMilliseconds();
      if (status === 401) return { observer: name, token: watched.token, ...note, firstRefused: at };
      note.firstAccepted ??= at;
      note.lastAccepted = at;
      await delay(1);
    }
    return { observer: name, token: watched.token, ...note, firstRefused: null };
  } finally {
    agent.destroy();
  }
}
