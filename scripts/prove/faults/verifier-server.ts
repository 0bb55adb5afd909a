// A service that checks its requests with the verifier, as a separate process. It is controlled by messages: see
// VerifierOrder.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createVerifier, VerificationError, type Verifier } from '../../../src/verifier/index.ts';
import type { Credentials } from '../operator.ts';
import { answerOrders } from '../revocation/workers.ts';

/** Opens the verifier and the server. The answer is the port. */
export interface VerifierOrder {
  readonly issuer: string;
  readonly audience: string;
  readonly credentials: Credentials;
}

async function statusOf(verifier: Verifier, authorization: string | undefined): Promise<number> {
  try {
    await verifier.verifyHeader(authorization);
    return 200;
  } catch (error) {
    if (error instanceof VerificationError) return error.status;
    throw error;
  }
}

async function open({ issuer, audience, credentials }: VerifierOrder): Promise<number> {
  const verifier = createVerifier({ issuer, audience, revocation: { credentials }, onError: () => undefined });
  await verifier.ready(30);
  const server = createServer(async (request, response) => {
    response.writeHead(await statusOf(verifier, request.headers.authorization)).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

answerOrders(open);
