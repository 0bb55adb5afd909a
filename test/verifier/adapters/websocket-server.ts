// A websocket server that is guarded as the documentation describes, and its clients, over loopback.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';
import { type ClientOptions, WebSocket, WebSocketServer } from 'ws';
import {
  authenticateUpgrade,
  closeWhenRevoked,
  refuseUpgrade,
  requirePermission,
  type SocketGuard,
} from '../../../src/verifier/adapters/websocket.ts';
import type { VerifierOptions } from '../../../src/verifier/core/options.ts';
import { openIssuer } from '../../support/issuer.ts';

export interface Opened {
  readonly client: WebSocket;
  readonly server: WebSocket;
  readonly guard: SocketGuard;
}

export const mayListen = requirePermission('deals:listen');

/** The documented server: /deals needs deals:listen, and the server answers each message with "heard" and its text. */
export async function begin(t: Test, options: Partial<VerifierOptions> = {}) {
  const issuer = openIssuer();
  const verifier = issuer.verifier(options);
  const server = createServer();
  const sockets = new WebSocketServer({ noServer: true });
  const guards = new Map<WebSocket, SocketGuard>();
  server.on('upgrade', async (request, socket, head) => {
    try {
      const principal = await authenticateUpgrade(verifier, request);
      if (request.url === '/deals') await mayListen(request);
      sockets.handleUpgrade(request, socket, head, (opened) => {
        guards.set(opened, closeWhenRevoked(verifier, opened, principal));
        sockets.emit('connection', opened, request);
      });
    } catch (error) {
      refuseUpgrade(socket, error);
    }
  });
  sockets.on('connection', (socket) => {
    socket.on('message', (data) => socket.send(`heard ${data}`));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  t.teardown(() => {
    verifier.close();
    for (const socket of sockets.clients) socket.terminate();
    server.close();
  });

  function dial(options: ClientOptions = {}, protocols: string[] = [], path = '/'): WebSocket {
    const client = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, options);
    client.on('error', () => {}); // ws emits an error if a socket is closed before it opens
    t.teardown(() => client.terminate());
    return client;
  }
  async function open(token: string, protocols: string[] = []): Promise<Opened> {
    const connected = once(sockets, 'connection');
    const client = dial({ headers: { authorization: `Bearer ${token}` } }, protocols);
    await once(client, 'open');
    const [socket] = (await connected) as [WebSocket];
    const guard = guards.get(socket);
    if (!guard) throw new Error('the socket is not guarded');
    return { client, server: socket, guard };
  }
  return { issuer, verifier, port, server, sockets, dial, open };
}

/** The close code and the reason of a socket. */
export async function closing(client: WebSocket) {
  const [code, reason] = await once(client, 'close');
  return { code, reason: String(reason) };
}
