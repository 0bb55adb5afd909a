// A service behind a real nginx with the documented configuration, examples/proxies/nginx.conf. Only the addresses are
// changed.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Test } from 'tap';
import { WebSocketServer } from 'ws';
import { type ForwardAuth, openForwardAuth } from '../access/forward-auth/forward.ts';
import { type RawReply, requestHead, sendRaw } from '../support/raw.ts';
import { type Nginx, startNginx } from '../support/servers/nginx.ts';
import { ROOT } from '../support/service.ts';

/** The request as the service received it. */
export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: number;
}

/** A service that answers with the request it received, and sends back what it receives on its sockets. */
async function echo(t: Test): Promise<number> {
  const server = createServer({ maxHeaderSize: 256 * 1024 }, async (request, response) => {
    let bytes = 0;
    for await (const chunk of request) bytes += (chunk as Buffer).length;
    const { method, url, headers } = request;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ method, url, headers, bytes }));
  });
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket, { headers, url }) => {
    socket.on('message', (data) => socket.send(JSON.stringify({ heard: String(data), headers, url })));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets.clients) socket.terminate();
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

/** The documented configuration, unchanged. */
export const SHIPPED = readFileSync(join(ROOT, 'examples/proxies/nginx.conf'), 'utf8');

/** The documented configuration with the addresses replaced. */
function configuration(tenantry: number, service: number, shipped = SHIPPED): string {
  const addresses = [
    ['server 127.0.0.1:3000;', `server 127.0.0.1:${tenantry};`],
    ['server 127.0.0.1:4000;', `server 127.0.0.1:${service};`],
    ['listen 8080;', 'listen 127.0.0.1:{{port}};'],
  ] as const;
  return addresses.reduce((text, [from, to]) => {
    if (text.split(from).length !== 2) throw new Error(`${from} does not occur exactly once`);
    return text.replace(from, to);
  }, shipped);
}

export interface Proxied {
  readonly nginx: Nginx;
  /** Sends a request to nginx, with or without a token. */
  call(path: string, token?: string, init?: RequestInit): Promise<Response>;
  /** Sends a request to nginx and returns what the service received. Raises an error unless the answer is 200. */
  seen(path: string, token?: string, init?: RequestInit): Promise<Seen>;
  /** Sends a request whose target is not normalised. */
  raw(method: string, target: string, ...fields: string[]): Promise<RawReply>;
}

/** Starts a service, and an nginx in front of it. This nginx sends its checks to the given Tenantry. */
export async function openProxied(t: Test, tenantryUrl: string, shipped?: string): Promise<Proxied> {
  const port = await echo(t);
  const nginx = await startNginx(t, configuration(Number(new URL(tenantryUrl).port), port, shipped));
  const call = (path: string, token?: string, init: RequestInit = {}) => {
    const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
    return fetch(`${nginx.url}${path}`, { ...init, headers: { ...authorization, ...init.headers } });
  };
  const seen = async (path: string, token?: string, init?: RequestInit) => {
    const response = await call(path, token, init);
    if (response.status !== 200) throw new Error(`${path} answered ${response.status}\n${nginx.errorLog()}`);
    return (await response.json()) as Seen;
  };
  const raw = (method: string, target: string, ...fields: string[]) =>
    sendRaw(nginx.url, requestHead(method, target, ...fields));
  return { nginx, call, seen, raw };
}

/** Starts Tenantry with one organization, and a service behind an nginx that sends its checks there. */
export async function openFront(t: Test): Promise<ForwardAuth & Proxied> {
  const front = await openForwardAuth(t);
  return { ...front, ...(await openProxied(t, front.service.url)) };
}
