// The health of the sidecar, on an address of its own, so that clients cannot see it.
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Verifier } from '../../verifier/core/contract.ts';
import { VerificationError } from '../../verifier/core/error.ts';
import { SECURITY_HEADERS } from '../http/answer.ts';
import type { Sidecar } from './contract.ts';

export interface ManagementOptions {
  readonly host: string;
  readonly port: number;
  readonly sidecar: Pick<Sidecar, 'state'>;
  readonly verifier: Verifier;
  readonly maxStaleness: number;
}

export interface Management {
  readonly address: AddressInfo;
  close(): void;
}

const ASK_SECONDS = 5;

/** Serves /healthz and /readyz. Raises the errors of listening. */
export async function openManagement(options: ManagementOptions): Promise<Management> {
  const { sidecar, verifier, maxStaleness } = options;
  let hasKeys = false;
  let isClosed = false;
  async function awaitKeys(): Promise<void> {
    while (!hasKeys && !isClosed) {
      try {
        await verifier.ready(ASK_SECONDS);
        hasKeys = true;
      } catch (error) {
        // The verifier waits for keys first, so an error about revocations means that the verifier has the keys.
        hasKeys = error instanceof VerificationError && error.code === 'revocations_stale';
        if (hasKeys) return;
        await new Promise((resolve) => setTimeout(resolve, 1_000).unref());
      }
    }
  }

  function readiness(): { ready: boolean; body: object } {
    const { isDraining, sockets, requests } = sidecar.state();
    const stale = verifier.staleSeconds();
    const ready = !isDraining && hasKeys && stale <= maxStaleness;
    const staleSeconds = Number.isFinite(stale) ? Math.round(stale * 10) / 10 : null;
    return {
      ready,
      body: { status: ready ? 'ready' : 'unavailable', isDraining, hasKeys, staleSeconds, sockets, requests },
    };
  }

  const server: Server = createServer({ requestTimeout: 10_000, headersTimeout: 5_000 }, (request, response) => {
    const path = request.url?.split('?')[0];
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    const { ready, body } = path === '/readyz' ? readiness() : { ready: true, body: { status: 'alive' } };
    const status = path !== '/healthz' && path !== '/readyz' ? 404 : isRead ? (ready ? 200 : 503) : 405;
    const headers = { ...SECURITY_HEADERS, 'content-type': 'application/json', 'cache-control': 'no-store' };
    response.writeHead(status, status === 405 ? { ...headers, allow: 'GET, HEAD' } : headers);
    response.end(`${JSON.stringify(status === 404 || status === 405 ? { status: 'unknown' } : body)}\n`);
  });
  server.maxConnections = 100;
  server.listen(options.port, options.host);
  await once(server, 'listening');
  void awaitKeys();
  return {
    address: server.address() as AddressInfo,
    close() {
      isClosed = true;
      server.close();
      server.closeAllConnections();
    },
  };
}
