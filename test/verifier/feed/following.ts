// Opens a feed that follows a stand-in for the service, and records the received events and the errors.
import { randomUUID } from 'node:crypto';
import type { Test } from 'tap';
import { SYSTEM_TIMING, type Timing } from '../../../src/verifier/core/clock.ts';
import { createFeed } from '../../../src/verifier/feed/feed.ts';
import type { Revocation } from '../../../src/verifier/index.ts';
import { createClientAuthentication } from '../../../src/verifier/service/client-authentication.ts';
import { CREDENTIALS, openStandIn, PATHS } from '../stand-in.ts';

export async function begin(
  t: Test,
  timing: Timing = SYSTEM_TIMING,
  set = (_: Awaited<ReturnType<typeof openStandIn>>) => {},
) {
  const service = await openStandIn(t);
  set(service);
  const errors: string[] = [];
  const source = createFeed({
    feed: service.url + PATHS.feed,
    tokenEndpoint: service.url + PATHS.token,
    client: createClientAuthentication(CREDENTIALS, service.issuer, timing),
    fetch: (url, init) => fetch(url, init),
    timing,
    onError: ({ message }) => errors.push(message),
    toleranceSeconds: 5,
    lifeSecondsMax: 900,
  });
  t.teardown(() => source.close?.());
  const heard: Revocation[] = [];
  source.onRevocation((revocation) => heard.push(revocation));
  const isRevoked = (sid: string) =>
    source.judge({ id: randomUUID(), sessionId: sid, epoch: 1, organizationId: null, issuedAt: 1_800_000_000 });
  return { service, source, errors, heard, isRevoked };
}
