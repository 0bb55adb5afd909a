// Tokens that are revoked in several ways, and how each is revoked through a replica. Other files watch the tokens.
import { newAccount } from '../../../test/support/fixtures/accounts.ts';
import { demand } from '../proof.ts';
import { openSessionMaker } from '../sessions.ts';
import { taken, timed } from './calls.ts';
import { openRoleChanges } from './role-changes.ts';
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

  // Nothing changes the rights of the first two members.
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

  const organizations = await Promise.all(Array.from({ length: 4 }, () => newAccount(api(0))));
  const freeOrganizations = [...organizations];
  const freeClients = await Promise.all(Array.from({ length: 8 }, () => makeClient(setup, token)));

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
    'role changed': await openRoleChanges(setup, changed, sessionsOf),
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
