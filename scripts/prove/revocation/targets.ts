// Owns: tokens of every kind that can be revoked, and how each is revoked through a replica. Leaves to others: watching
// them.
import { setTimeout as delay } from 'node:timers/promises';
import { newAccount } from '../../../test/support/fixtures/accounts.ts';
import { asAdmin } from '../database.ts';
import { demand } from '../proof.ts';
import { openSessionMaker } from '../sessions.ts';
import { machineMilliseconds } from './machine-clock.ts';
import type { Setup } from './setup.ts';

export const KINDS = [
  'logout',
  'ended by an admin',
  'role changed',
  'organization suspended',
  'client rotated',
] as const;
export type Kind = (typeof KINDS)[number];

export interface Target {
  readonly kind: Kind;
  readonly text: string;
  /** Revokes the token through a replica (0 to 2). Returns when the call was sent and when its answer arrived. */
  revoke(replica: number): Promise<{ readonly asked: number; readonly acknowledged: number }>;
  /** A token that the revocation does not concern, such as one of the same session for another organization. */
  readonly spared?: string;
  /** Returns a new good token of the same session or client, for kinds that have one. Called after `revoke`. */
  renewed?(): Promise<string>;
  /** Releases the subject, so that another target can use it. Called when the token is no longer watched. */
  release?(): Promise<void>;
}

export interface Targets {
  /** Returns the next target of a kind. A subject is in one target at a time. */
  next(kind: Kind): Promise<Target>;
  /** Returns `count` tokens that nothing revokes. */
  bystanders(count: number): Promise<string[]>;
}

const BATCH = 200;
const ACTIVE_EVERYWHERE_MILLISECONDS = 3_000;

async function timed(call: () => Promise<{ readonly status: number; readonly text: string }>) {
  const asked = machineMilliseconds();
  let reply = await call();
  // On a busy machine the service may answer 503. It has revoked nothing then.
  for (let again = 0; reply.status === 503 && again < 5; again += 1) reply = await call();
  const acknowledged = machineMilliseconds();
  demand(reply.status < 300, `a revocation was answered ${reply.status}: ${reply.text}`);
  return { asked, acknowledged };
}

/** Prepares the targets of a setup. */
export async function openTargets(setup: Setup): Promise<Targets> {
  const { owner, apis } = setup;
  const api = (replica: number) => {
    const found = apis[replica];
    demand(found !== undefined, `there is no replica ${replica}`);
    return found;
  };
  const token = owner.accessToken; // good for 15 minutes
  const [first] = setup.replicas;
  demand(first !== undefined, 'there is no replica');
  const maker = await openSessionMaker(setup.testbed, first);
  setup.testbed.teardown(() => maker.close());
  const sessionsOf = maker.open;

  // Sessions of one member. Nothing changes the rights of this member.
  const [plain = '', admined = '', ...changed] = setup.members;
  const stock = new Map<string, Awaited<ReturnType<typeof sessionsOf>>>();
  let filling = Promise.resolve();
  async function session(userId: string) {
    for (;;) {
      const found = stock.get(userId)?.pop();
      if (found) return found;
      filling = filling.then(async () => {
        if ((stock.get(userId)?.length ?? 0) === 0) stock.set(userId, await sessionsOf(userId, BATCH));
      });
      await filling;
    }
  }

  const freeMembers = [...changed];
  // The members whose roles change also belong to a second organization. Their tokens for it must stay good.
  const second = await newAccount(api(0));
  await insertMemberships(setup, second.organization.id, changed);
  async function refreshed(refreshToken: string, organization?: string) {
    const reply = await api(1).post('/auth/refresh', { refreshToken, ...(organization ? { organization } : {}) });
    demand(reply.status === 200, `a refresh of a member answered ${reply.status}: ${reply.text}`);
    return reply.body.data as { readonly accessToken: string; readonly refreshToken: string };
  }
  const organizations = await Promise.all(Array.from({ length: 4 }, () => newAccount(api(0))));
  const freeOrganizations = [...organizations];
  const freeClients = await Promise.all(Array.from({ length: 8 }, () => makeClient(setup, token)));
  const roles = new Map(changed.map((id) => [id, 'agent']));

  const makers: Record<Kind, () => Promise<Target>> = {
    async logout() {
      const { accessToken } = await session(plain);
      return {
        kind: 'logout',
        text: accessToken,
        revoke: (replica) => timed(() => api(replica).post('/auth/logout', {}, { token: accessToken })),
      };
    },
    async 'ended by an admin'() {
      const { accessToken, sessionId } = await session(admined);
      const path = `/users/${admined}/sessions/${sessionId}`;
      return {
        kind: 'ended by an admin',
        text: accessToken,
        revoke: (replica) => timed(() => api(replica).delete(path, { token })),
      };
    },
    async 'role changed'() {
      const member = await taken(freeMembers);
      const [opened] = await sessionsOf(member, 1);
      demand(opened !== undefined, 'no session was opened');
      const elsewhere = await refreshed(opened.refreshToken, second.organization.id);
      const role = roles.get(member) === 'agent' ? 'viewer' : 'agent';
      return {
        kind: 'role changed',
        text: opened.accessToken,
        revoke: async (replica) => {
          const body = { roles: [{ role }] };
          const times = await timed(() => api(replica).patch(`/users/${member}`, body, { token }));
          roles.set(member, role);
          return times;
        },
        spared: elsewhere.accessToken,
        renewed: async () => (await refreshed(elsewhere.refreshToken)).accessToken,
        release: async () => void freeMembers.push(member),
      };
    },
    async 'organization suspended'() {
      const account = await taken(freeOrganizations);
      const [opened] = await sessionsOf(account.userId, 1);
      demand(opened !== undefined, 'no session was opened');
      const path = `/admin/organizations/${account.organization.id}`;
      return {
        kind: 'organization suspended',
        text: opened.accessToken,
        revoke: (replica) => timed(() => api(replica).post(`${path}/suspend`, undefined, { token })),
        release: async () => {
          await timed(() => api(2).post(`${path}/activate`, undefined, { token }));
          // A process knows that the organization is active again after at most two readings of PostgreSQL.
          setTimeout(() => freeOrganizations.push(account), ACTIVE_EVERYWHERE_MILLISECONDS).unref();
        },
      };
    },
    async 'client rotated'() {
      const client = await taken(freeClients);
      return {
        kind: 'client rotated',
        text: await clientToken(setup, client),
        revoke: (replica) =>
          timed(async () => {
            const reply = await api(replica).post(`/clients/${client.id}/secret`, { overlapSeconds: 0 }, { token });
            if (reply.status < 300) client.secret = reply.body.data.clientSecret;
            return reply;
          }),
        renewed: () => clientToken(setup, client),
        release: async () => void freeClients.push(client),
      };
    },
  };
  return {
    next: (kind) => makers[kind](),
    async bystanders(count) {
      const opened = await sessionsOf(owner.userId, count);
      return opened.map(({ accessToken }) => accessToken);
    },
  };
}

async function insertMemberships({ testbed }: Setup, organizationId: string, userIds: readonly string[]) {
  await asAdmin(testbed, (query) =>
    query('INSERT INTO memberships (organization_id, user_id) SELECT $1, unnest($2::uuid[])', [
      organizationId,
      userIds,
    ]),
  );
}

interface ServiceClient {
  readonly id: string;
  secret: string;
}

async function makeClient({ apis }: Setup, token: string): Promise<ServiceClient> {
  const body = { name: 'rotated', permissions: ['contacts:read'] };
  const reply = await apis[0]?.post('/clients', body, { token });
  demand(reply?.status === 201, `POST /clients answered ${reply?.status}: ${reply?.text}`);
  return { id: reply.body.data.id, secret: reply.body.data.clientSecret };
}

async function clientToken({ replicas }: Setup, { id, secret }: ServiceClient): Promise<string> {
  const reply = await fetch(`${replicas[1]?.url}/oauth/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` },
    body: new URLSearchParams({ grant_type: 'client_credentials' }),
  });
  const answer = (await reply.json()) as { access_token: string };
  demand(reply.status === 200, `/oauth/token answered ${reply.status}: ${JSON.stringify(answer)}`);
  return answer.access_token;
}

/** Takes one item out of a pool, and waits until the pool has one. */
async function taken<T>(pool: T[]): Promise<T> {
  for (;;) {
    const found = pool.shift();
    if (found !== undefined) return found;
    await delay(5);
  }
}
