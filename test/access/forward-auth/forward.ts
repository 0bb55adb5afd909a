// Forward authentication as a proxy requests it: GET /verify with a token, and the identity headers of the answer.
import { randomUUID } from 'node:crypto';
import type { Test } from 'tap';
import { issueAccessToken } from '../../../src/credentials/tokens/access.ts';
import { PERMISSIONS_IN_TOKEN_MAX } from '../../../src/protocol/claims.ts';
import { IDENTITY_HEADERS } from '../../../src/protocol/identity-headers.ts';
import { TENANT_HEADERS } from '../../../src/protocol/tenant-headers.ts';
import type { Api, Reply } from '../../support/client.ts';
import { seedClientWithToken } from '../../support/fixtures/clients.ts';
import { assignRole, seedRole } from '../../support/fixtures/roles.ts';
import { openTeam, type Team, type Teammate } from '../../support/fixtures/team.ts';
import type { Service } from '../../support/service.ts';

export interface ForwardAuth extends Team {
  readonly app: Service['app'];
  /** Creates a service client of the organization, or of the installation if `organizationId` is null. */
  asClient(
    permissions: readonly string[],
    organizationId?: string | null,
  ): Promise<{ readonly id: string; readonly token: string }>;
}

/** A service with one organization. It has read every revocation. */
export async function openForwardAuth(t: Test): Promise<ForwardAuth> {
  const team = await openTeam(t);
  await team.service.app.parts.revocations.synchronize();
  return {
    ...team,
    app: team.service.app,
    asClient: (permissions, organizationId = team.organization.id) =>
      seedClientWithToken(team.service.app, team.database, { organizationId, permissions }),
  };
}

/** An access token with these roles and permissions. They need not exist. */
export async function tokenWith(
  { app }: Pick<Service, 'app'>,
  roles: readonly string[],
  permissions: readonly string[] = [],
): Promise<string> {
  const grant = {
    userId: randomUUID(),
    sessionId: randomUUID(),
    epoch: 1,
    authenticatedAt: 1,
    amr: ['pwd'],
    notAfter: new Date(Date.now() + 3_600_000),
    organization: { id: randomUUID(), slug: 'acme', membershipEpoch: 1, rolesEpoch: 0 },
    roles,
    permissions,
  };
  return (await issueAccessToken(app.parts, grant)).token;
}

/** A member whose role has more permissions than fit into a token: `things0:read`, `things1:read`, … */
export async function memberOfLargeRole({ database, organization, api, join }: ForwardAuth): Promise<Teammate> {
  const permissions = Array.from({ length: PERMISSIONS_IN_TOKEN_MAX + 1 }, (_, index) => `things${index}:read`);
  const roleId = await seedRole(database, organization.id, { name: 'collector', permissions });
  const member = await join('viewer');
  await assignRole(database, { organizationId: organization.id, userId: member.userId, roleId });
  const renewed = await api.post('/auth/refresh', { refreshToken: member.refreshToken });
  return { ...member, token: renewed.body.data.accessToken };
}

/** Returns the identity headers of an answer. A missing header is null. */
export function told({ headers }: Pick<Reply, 'headers'>): Record<string, string | null> {
  return Object.fromEntries(IDENTITY_HEADERS.map((name) => [name, headers.get(name)]));
}

/** Returns the tenant headers of an answer. A missing header is null. */
export function tenantOf({ headers }: Pick<Reply, 'headers'>): (string | null)[] {
  return TENANT_HEADERS.map((name) => headers.get(name));
}

/** Returns whether an answer has no header about the caller. */
export function tellsNothing(reply: Pick<Reply, 'headers'>): boolean {
  return [...Object.values(told(reply)), ...tenantOf(reply)].every((value) => value === null);
}

export function verify(api: Api, query: string, token: string, headers: Record<string, string> = {}): Promise<Reply> {
  return api.get(`/verify${query}`, { token, headers });
}
