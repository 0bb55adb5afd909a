// A small reverse proxy that sends requests to replicas in turn, and only to those whose /readyz answers 200. It
// keeps its connections to the replicas, and never sends a request twice, so that every lost request is seen.
import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const PROBE_MILLISECONDS = 250;

export interface Balancer {
  readonly url: string;
  close(): void;
}

interface Backend {
  readonly port: number;
  isReady: boolean;
}

/** Starts the proxy in front of the ports of the loopback interface. */
export async function startBalancer(ports: readonly number[]): Promise<Balancer> {
  const backends: Backend[] = ports.map((port) => ({ port, isReady: false }));
  const agent = new Agent({ keepAlive: true });
  let turn = 0;

  function next(): Backend | undefined {
    const ready = backends.filter(({ isReady }) => isReady);
    turn += 1;
    return ready[turn % ready.length];
  }

  function pass(incoming: IncomingMessage, answer: ServerResponse): void {
    const backend = next();
    if (!backend) {
      answer.writeHead(502).end('no replica is ready');
      return;
    }
    const { method, url: path, headers } = incoming;
    const sent = request({ agent, host: '127.0.0.1', port: backend.port, method, path, headers }, (reply) => {
      const { connection: _, 'keep-alive': __, ...kept } = reply.headers;
      answer.writeHead(reply.statusCode ?? 502, kept);
      reply.pipe(answer);
    });
    sent.on('error', (error: NodeJS.ErrnoException) => answer.writeHead(502).end(`replica: ${error.code}`));
    incoming.pipe(sent);
  }

  async function probe(backend: Backend): Promise<void> {
    try {
      const reply = await fetch(`http://127.0.0.1:${backend.port}/readyz`, { headers: { connection: 'close' } });
      await reply.arrayBuffer();
      backend.isReady = reply.status === 200;
    } catch {
      backend.isReady = false;
    }
  }

  const server = createServer(pass).listen(0, '127.0.0.1');
  await once(server, 'listening');
  await Promise.all(backends.map(probe));
  const timer = setInterval(() => void backends.map(probe), PROBE_MILLISECONDS);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      clearInterval(timer);
      server.close();
      server.closeAllConnections();
      agent.destroy();
    },
  };
}
