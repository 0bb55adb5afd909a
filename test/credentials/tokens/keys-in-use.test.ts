// The keys of a running service are published in advance, sign from their instant, retire, and are removed.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { systemClock } from '../../../src/base/platform/clock.ts';
import { ensureDevelopmentKeys } from '../../../src/credentials/keys/development.ts';
import { generateKeyFile } from '../../../src/credentials/keys/generate.ts';
import type { Api } from '../../support/client.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { partsOf } from '../../support/forge.ts';
import { openService } from '../../support/service.ts';
import { until } from '../../support/until.ts';
import { nextChange } from '../keys/sample-keys.ts';

/** Opens a service with its own keys, and signs a user in. */
async function opened(t: Test) {
  const keysDirectory = await mkdtemp(join(tmpdir(), 'tenantry-keys-'));
  t.teardown(() => rm(keysDirectory, { recursive: true, force: true }));
  await ensureDevelopmentKeys(keysDirectory, systemClock);
  const service = await openService(t, await createDatabase(t), { KEYS_DIR: keysDirectory });
  const { accessKeys, refreshKeys } = service.app.parts;
  const rings = { access: accessKeys, refresh: refreshKeys };
  async function addKey(use: 'access' | 'refresh', aheadSeconds: number): Promise<string> {
    const changed = nextChange(rings[use]);
    const activeFrom = new Date(service.clock.now().getTime() + aheadSeconds * 1000);
    const { kid } = await generateKeyFile({ directory: join(keysDirectory, use), activeFrom });
    await changed;
    return kid;
  }
  async function removeKey(use: 'access' | 'refresh', kid: unknown): Promise<void> {
    const changed = nextChange(rings[use]);
    const file = rings[use].keys().find((key) => key.kid === kid)?.file ?? '';
    await rm(join(keysDirectory, use, file));
    await changed;
  }
  return { ...service, account: await newAccount(service.api), addKey, removeKey };
}

async function publishedKids(api: Api): Promise<string[]> {
  return (await api.get('/.well-known/jwks.json')).body.keys.map((key: { kid: string }) => key.kid);
}

function kidOf(token: string): unknown {
  return partsOf(token).header.kid;
}

t.test(
  'a new key is published ahead of time, signs from its instant, and the old one is removed once its tokens have expired',
  async (t) => {
    const { api, clock, account, addKey } = await opened(t);
    const { refreshToken } = account;
    const old = kidOf(account.accessToken);
    const next = await addKey('access', 600);
    t.same(await publishedKids(api), [old, next], 'verifiers can read it before it signs');
    const refresh = async () => (await api.post('/auth/refresh', { refreshToken })).body.data.accessToken;
    t.equal(kidOf(await refresh()), old);

    clock.advance(601);
    const young = await refresh();
    t.equal(kidOf(young), next);
    for (const token of [account.accessToken, young]) t.equal((await api.get('/me', { token })).status, 200);

    clock.advance(900 + 290);
    t.same(
      await publishedKids(api),
      [old, next],
      'the old key is published for the lifetime of its last token and five minutes more',
    );
    clock.advance(15);
    t.same(await publishedKids(api), [next]);
    t.equal((await api.get('/me', { token: await refresh() })).status, 200);
  },
);

t.test(
  'deleting a key file ends its tokens, even those seen before; sessions continue with the next key',
  async (t) => {
    const { api, account, addKey, removeKey } = await opened(t);
    const { accessToken: token, refreshToken } = account;
    t.equal((await api.get('/me', { token })).status, 200);
    const next = await addKey('access', -5);
    t.equal((await api.get('/me', { token })).status, 200, 'the old key still verifies');
    await removeKey('access', kidOf(token));
    t.match(await api.get('/me', { token }), { status: 401, code: 'invalid_token' });
    t.same(await publishedKids(api), [next]);
    const refreshed = await api.post('/auth/refresh', { refreshToken });
    t.equal(refreshed.body.data.sessionId, account.sessionId);
    t.equal(kidOf(refreshed.body.data.accessToken), next);
    t.equal((await api.get('/me', { token: refreshed.body.data.accessToken })).status, 200);
  },
);

t.test('a verification that is in progress when its key is deleted is not cached', async (t) => {
  const { app, account, addKey, removeKey } = await opened(t);
  const { accessKeys, authenticate, verified } = app.parts;
  const authorization = `Bearer ${account.accessToken}`;
  await addKey('access', -5);
  let gone = false;
  accessKeys.onChange(() => {
    gone = true;
  });
  // The verifications follow each other without a pause, so that one is in progress when the key is removed.
  const underWay = (async () => {
    while (!gone) {
      verified.clear();
      await authenticate(authorization, { alsoSuspended: false });
    }
  })();
  t.teardown(() => {
    gone = true;
  });
  await removeKey('access', kidOf(account.accessToken));
  await until(() => gone);
  await underWay;
  await t.rejects(authenticate(authorization, { alsoSuspended: false }), { code: 'invalid_token' });
});

t.test('without a key that can sign, a refresh is refused with 503, and its token is not used up', async (t) => {
  const { api, account, addKey, removeKey } = await opened(t);
  await addKey('access', 600);
  await removeKey('access', kidOf(account.accessToken));
  const reply = await api.post('/auth/refresh', { refreshToken: account.refreshToken });
  t.match(reply, { status: 503, code: 'signing_unavailable' });
  t.match(reply.headers.get('retry-after'), /^\d+$/);
  await addKey('access', -5);
  t.equal((await api.post('/auth/refresh', { refreshToken: account.refreshToken })).status, 200, 'nothing was used up');
});

t.test('a new refresh key signs new tokens, and the old key verifies until its file is deleted', async (t) => {
  const { api, account, addKey, removeKey } = await opened(t);
  const { email, password, refreshToken: first } = account;
  const second = (await api.post('/auth/login', { email, password })).body.data.refreshToken;
  const next = await addKey('refresh', -5);
  t.notOk((await publishedKids(api)).includes(next), 'a refresh key is never published');
  const child = (await api.post('/auth/refresh', { refreshToken: first })).body.data.refreshToken;
  t.equal(kidOf(child), next);
  await removeKey('refresh', kidOf(first));
  t.match(await api.post('/auth/refresh', { refreshToken: second }), { status: 401, code: 'invalid_refresh_token' });
  t.equal((await api.post('/auth/refresh', { refreshToken: child })).status, 200);
});

t.test('a key file without a key is ignored, and the service continues with the other files', async (t) => {
  const { app, api, keysDirectory, account } = await opened(t);
  await writeFile(join(keysDirectory, 'access', '2026-01-01T00-00-00Z.pem'), 'no key');
  await app.parts.accessKeys.reload();
  t.same(await publishedKids(api), [kidOf(account.accessToken)]);
  t.equal((await api.post('/auth/refresh', { refreshToken: account.refreshToken })).status, 200);
});
