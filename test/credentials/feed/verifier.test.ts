// The feed together with Tenantry's own verifier. The verifier refuses the tokens that the service has revoked, even
// after a restart of the service and with a snapshot in several parts.
import { randomUUID } from 'node:crypto';
import t from 'tap';
import type { Revocation } from '../../../src/protocol/revocation.ts';
import { createVerifier, VerificationError } from '../../../src/verifier/index.ts';
import { ISSUER } from '../../access/client-authentication/signing.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { seedClient } from '../../support/fixtures/clients.ts';
import { openService } from '../../support/service.ts';
import { until } from '../../support/until.ts';

t.test('a verifier refuses revoked tokens, even after the stream was interrupted', async (t) => {
  const database = await createDatabase(t);
  let service = await openService(t, database);
  await service.app.parts.revocations.synchronize();
  const many: Revocation[] = Array.from({ length: 3_000 }, () => ({ kind: 'session', sid: randomUUID() }));
  await service.app.parts.publish(many);
  const { id: clientId, secret: clientSecret } = await seedClient(database, {
    organizationId: null,
    permissions: ['revocations:read'],
  });
  const [before, during, after] = [
    await newAccount(service.api),
    await newAccount(service.api),
    await newAccount(service.api),
  ];
  const logout = ({ refreshToken }: { readonly refreshToken: string }) =>
    service.api.post('/auth/logout', { refreshToken });
  await logout(before);
  const at = (path: string) => `${ISSUER}${path}`;
  const verifier = createVerifier({
    issuer: ISSUER,
    audience: 'tenantry',
    revocation: {
      feed: at('/api/v1/revocations'),
      tokenEndpoint: at('/oauth/token'),
      credentials: { clientId, clientSecret },
      onStale: 'reject',
    },
    // The service may have a new port now.
    fetch: (url, init) => fetch(String(url).replace(ISSUER, service.url), init),
  });
  t.teardown(() => verifier.close());
  const verdict = (token: string) =>
    verifier.verify(token).then(
      () => 'good',
      (error: unknown) => (error instanceof VerificationError ? error.code : String(error)),
    );
  await until(async () => (await verdict(after.accessToken)) === 'good');
  t.equal(await verdict(before.accessToken), 'session_revoked', 'events from before the verifier started');
  await logout(during);
  await until(async () => (await verdict(during.accessToken)) === 'session_revoked');
  await service.app.close();
  t.equal(await verdict(after.accessToken), 'good', 'without the service it keeps what it has received');
  service = await openService(t, database);
  await service.app.parts.revocations.synchronize();
  await logout(after);
  await until(async () => (await verdict(after.accessToken)) === 'session_revoked');
  const fresh = await newAccount(service.api);
  t.equal(await verdict(fresh.accessToken), 'good');
});
