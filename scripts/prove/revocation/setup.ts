// The setup of a measurement of revocation: three replicas of the service on one database and one Redis, a
// network to Redis that can be cut, and an organization with an owner, members and a service client. Other files own
// the observers (watcher.ts, socket-holder.ts), the tokens (targets.ts) and the faults (faults.ts).
import { type Api, openApi } from '../../../test/support/client.ts';
import { type Account, newAccount } from '../../../test/support/fixtures/accounts.ts';
import { seededId } from '../../../test/support/fixtures/people.ts';
import { insertPeople, personalIn } from '../../../test/support/personal.ts';
import { type Redis, startRedis } from '../../../test/support/servers/redis.ts';
import { openTcpProxy, type TcpProxy } from '../../../test/support/servers/tcp-proxy.ts';
import { asAdmin } from '../database.ts';
import { type Credentials, createClient } from '../operator.ts';
import type { Service, Testbed } from '../testbed.ts';

export const AUDIENCE = 'tenantry';
const MEMBERS = 40;

export interface Setup {
  readonly testbed: Testbed;
  readonly issuer: string;
  readonly replicas: readonly Service[];
  readonly apis: readonly Api[];
  readonly redis: Redis;
  readonly network: TcpProxy;
  /** Owner of the organization, and an administrator of the platform. */
  readonly owner: Account;
  /** Members of the owner's organization. */
  readonly members: readonly string[];
  /** A client of the whole installation, with which the observers read the feed. */
  readonly watcher: Credentials;
}

/** Opens the setup. `redisUser` is `user:password@` of the replicas at Redis, or empty for the default user. */
export async function openSetup(testbed: Testbed, redisUser = ''): Promise<Setup> {
  const redis = await startRedis(testbed);
  const network = await openTcpProxy(testbed, redis.port);
  const replicas: Service[] = [];
  const settings = {
    REDIS_URL: `redis://${redisUser}127.0.0.1:${network.port}`,
    SESSIONS_PER_USER_MAX: '10000',
    TRIAL_TEAM_MEMBERS: '1000000',
    LOG_LEVEL: 'error',
  };
  for (let index = 0; index < 3; index += 1) {
    const issued = replicas[0] ? { PUBLIC_URL: `http://localhost:${replicas[0].port}` } : {};
    replicas.push(await testbed.startService({ settings: { ...settings, ...issued } }));
  }
  const apis = replicas.map(({ url }) => openApi(url));
  const [api] = apis;
  const [first] = replicas;
  if (!api || !first) throw new Error('no replica');
  const owner = await newAccount(api);
  const members = await insertMembers(testbed, owner.organization.id);
  await asAdmin(testbed, (query) => query('INSERT INTO platform_administrators (user_id) VALUES ($1)', [owner.userId]));
  const watcher = await createClient(testbed, first, 'watcher');
  return { testbed, issuer: `http://localhost:${first.port}`, replicas, apis, redis, network, owner, members, watcher };
}

async function insertMembers(testbed: Testbed, organizationId: string): Promise<string[]> {
  return asAdmin(testbed, async (query) => {
    const ids = Array.from({ length: MEMBERS }, seededId);
    const people = ids.map((id) => ({ id, email: `${id}@example.com`, name: 'Member' }));
    await insertPeople({ query }, people, await personalIn(testbed.keysDirectory));
    await query('INSERT INTO memberships (organization_id, user_id) SELECT $1, unnest($2::uuid[])', [
      organizationId,
      ids,
    ]);
    await query(
      `INSERT INTO role_assignments (id, organization_id, user_id, role_id, role_owner_key)
       SELECT uuidv7(), $1, u, r.id, r.owner_key FROM unnest($2::uuid[]) u, roles r
       WHERE r.organization_id IS NULL AND r.name = 'agent'`,
      [organizationId, ids],
    );
    return ids;
  });
}
