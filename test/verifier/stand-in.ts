// A stand-in for the service over real HTTP: keys and tokens of the testkit, a feed whose frames the test sends, and
// endpoints whose answers the test sets. The tests of the real service show how the service behaves.
import type { ServerResponse } from 'node:http';
import type { Test } from 'tap';
import type { Revocation } from '../../src/verifier/index.ts';
import type { TestIssuer } from '../../src/verifier/testkit/testkit.ts';
import { openIssuer } from '../support/issuer.ts';
import { type Asked, json, type LocalServer, openLocalServer } from './local-server.ts';

export type Endpoint = (asked: Asked, response: ServerResponse) => void;

export interface StandIn extends LocalServer {
  readonly issuer: TestIssuer;
  /** The answers of the endpoints. A test may replace them. */
  readonly endpoints: { token: Endpoint; feed: Endpoint; introspect: Endpoint; check: Endpoint; jwks: Endpoint };
  /** The opened streams of the feed, the newest last. */
  readonly streams: ServerResponse[];
  /** Sends a frame to the newest stream. */
  send(text: string): void;
  /** Returns the requests to a path. */
  at(path: string): Asked[];
}

export const PATHS = {
  token: '/oauth/token',
  feed: '/api/v1/revocations',
  introspect: '/oauth/introspect',
  check: '/api/v1/authz/check',
  jwks: '/.well-known/jwks.json',
} as const;

export const CREDENTIALS = { clientId: '6f1d7a52-6f0b-4f0e-9d43-0d4f7b0c2f11', clientSecret: 'a secret/+:%ä' } as const;

/** The frames of the feed. */
export const frames = {
  snapshot: (cursor: string, ...events: Revocation[]) =>
    `event: snapshot\nid: ${cursor}\ndata: ${JSON.stringify({ cursor, events })}\n\n`,
  partOfSnapshot: (...events: Revocation[]) => `event: snapshot\ndata: ${JSON.stringify({ more: true, events })}\n\n`,
  revocation: (id: string, event: object) => `event: revocation\nid: ${id}\ndata: ${JSON.stringify(event)}\n\n`,
  /** Without a time, the clocks are not compared. */
  heartbeat: (id: string, at?: Date) => `event: heartbeat\nid: ${id}\ndata: ${JSON.stringify({ at })}\n\n`,
};

/** Opens a stream in the same way as the service. */
export function beginStream(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store' });
  response.write('retry: 1000\n\n');
}

/** Starts the stand-in for the service. The feed begins with an empty snapshot unless a test sets another start. */
export async function openStandIn(t: Test): Promise<StandIn> {
  const issuer = openIssuer();
  const streams: ServerResponse[] = [];
  const endpoints: StandIn['endpoints'] = {
    token: (_, response) => json(response, 200, { access_token: 'own-token', token_type: 'Bearer', expires_in: 900 }),
    feed(_, response) {
      beginStream(response);
      streams.push(response);
      response.write(frames.snapshot('c1'));
    },
    introspect: (_, response) => json(response, 200, { active: true }),
    check: (_, response) => json(response, 200, { data: { allowed: true, reason: 'granted' } }),
    jwks: (_, response) => json(response, 200, issuer.jwks()),
  };
  const server = await openLocalServer(t, (asked, response) => {
    const [name] = Object.entries(PATHS).find(([, path]) => path === asked.path) ?? [];
    if (name === undefined) response.writeHead(404).end();
    else endpoints[name as keyof typeof PATHS](asked, response);
  });
  return {
    ...server,
    issuer,
    endpoints,
    streams,
    send: (text) => void streams.at(-1)?.write(text),
    at: (path) => server.asked.filter((asked) => asked.path === path),
  };
}
