// A proxy between a client and a server of the loopback interface. A test can cut, stall and resume its connections.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { Lifetime } from './process.ts';

export interface TcpProxy {
  readonly port: number;
  /** The number of open connections. */
  readonly connections: number;
  /** Resolves when a client makes the next connection. */
  connected(): Promise<void>;
  /** Resets every open connection, and each new one at once, until `pass()` or `hold()`. */
  cut(): void;
  /**
   * Stalls all open and new connections. They stay open, and `pass()` delivers the data that was sent in between. With
   * 'answers' the server still receives the data of the client.
   */
  hold(what?: 'everything' | 'answers'): void;
  /** Forwards all data again. */
  pass(): void;
  /** Forwards new connections to another port of 127.0.0.1. */
  lead(port: number): void;
  close(): Promise<void>;
}

interface Link {
  readonly client: Socket;
  readonly server: Socket;
}

/** Opens a proxy on a free port, to a port of 127.0.0.1. The proxy forwards all data, and ends with the test. */
export async function openTcpProxy(t: Lifetime, port: number): Promise<TcpProxy> {
  const links = new Set<Link>();
  let target = port;
  let mode: 'pass' | 'everything' | 'answers' | 'cut' = 'pass';

  const drop = (link: Link) => {
    links.delete(link);
    link.client.resetAndDestroy();
    link.server.resetAndDestroy();
  };
  const apply = (link: Link) => {
    const { client, server } = link;
    // A connection that one side has closed during a stall is dropped only after the stall.
    if (mode === 'cut' || (mode === 'pass' && (client.destroyed || server.destroyed))) {
      drop(link);
      return;
    }
    flow(client, server, mode !== 'everything');
    flow(server, client, mode === 'pass');
  };
  // When one side closes without an error, the pipes close the other side after all data has been sent.
  const onClose = (link: Link, socket: Socket) => {
    if (mode !== 'pass') return;
    if (socket.errored) drop(link);
    else if (link.client.closed && link.server.closed) links.delete(link);
  };
  const relay = createServer({ allowHalfOpen: true }, (client) => {
    const link = { client, server: connect({ port: target, host: '127.0.0.1', allowHalfOpen: true }) };
    links.add(link);
    for (const socket of [link.client, link.server]) {
      socket
        .setNoDelay(true)
        .on('error', () => undefined)
        .on('close', () => onClose(link, socket));
    }
    apply(link);
  });
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  const set = (next: typeof mode) => {
    mode = next;
    for (const link of [...links]) apply(link);
  };
  const proxy: TcpProxy = {
    port: (relay.address() as AddressInfo).port,
    get connections() {
      return links.size;
    },
    connected: async () => {
      await once(relay, 'connection');
    },
    cut: () => set('cut'),
    hold: (what = 'everything') => set(what),
    pass: () => set('pass'),
    lead(next) {
      target = next;
    },
    async close() {
      if (!relay.listening) return;
      const closed = once(relay, 'close');
      relay.close();
      set('cut');
      await closed;
    },
  };
  t.teardown(() => proxy.close());
  return proxy;
}

function flow(from: Socket, to: Socket, isOpen: boolean): void {
  from.unpipe(to);
  if (isOpen) from.pipe(to);
}
