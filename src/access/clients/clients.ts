// Reads service clients for the members who manage them and for operators: a list, or one client. Also decides who may
// get the answer again when a request that created a secret is repeated.
import type { Database } from '../../base/database/db.ts';
import { type Page, type Paged, paged } from '../../base/platform/page.ts';
import { assertMayGrant, type Standing } from '../../directory/rights/granting.ts';
import type { OrganizationCaller } from '../../protocol/caller.ts';
import { noSuchClient } from './run-change.ts';
import {
  type ClientRow,
  countAllClients,
  countClients,
  findAnyClient,
  findClient,
  listAllClientRows,
  listClientRows,
} from './store.ts';

/** A client as the people who manage it see it, without its secrets. Instants are in ISO 8601 format and in UTC. */
export interface Client extends Omit<ClientRow, 'createdAt' | 'updatedAt'> {
  readonly clientId: string;
  readonly createdAt: string;
  readonly updatedAt: string;
}

/** A client with its new secret, which is shown only once. */
export interface ClientWithSecret extends Client {
  readonly clientSecret: string;
}

/** Converts the row of a client for the answer. */
export function toClient(row: ClientRow): Client {
  const iso = (instant: string) => new Date(instant).toISOString();
  return {
    id: row.id,
    clientId: row.id,
    organization: row.organization,
    name: row.name,
    description: row.description,
    permissions: row.permissions,
    audience: row.audience,
    authentication: row.authentication,
    jwks: row.jwks,
    status: row.status,
    secrets: row.secrets.map(({ createdAt, expiresAt }) => ({
      createdAt: iso(createdAt),
      expiresAt: expiresAt && iso(expiresAt),
    })),
    createdBy: row.createdBy,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}

interface ReadDeps {
  readonly db: Database;
}

/** The clients of the caller's organization, the oldest first. */
export async function listClients(deps: ReadDeps, caller: OrganizationCaller, page: Page): Promise<Paged<Client>> {
  const { organizationId } = caller;
  const reader = deps.db.organizationReader({ organizationId, userId: caller.id }, { bulk: true });
  return paged(await listClientRows(reader, organizationId, page), page, {
    toItem: toClient,
    countAll: () => countClients(reader, organizationId),
  });
}

/** For operators: the clients of one organization, or all clients, the oldest first. */
export async function listAnyClients(
  deps: ReadDeps,
  organizationId: string | null,
  page: Page,
): Promise<Paged<Client>> {
  const reader = deps.db.systemReader({ bulk: true });
  const rows = organizationId === null ? listAllClientRows(reader, page) : listClientRows(reader, organizationId, page);
  return paged(await rows, page, {
    toItem: toClient,
    countAll: () => (organizationId === null ? countAllClients(reader) : countClients(reader, organizationId)),
  });
}

/** One client of the caller's organization. Raises not_found. */
export async function getClient(deps: ReadDeps, caller: OrganizationCaller, id: string): Promise<Client> {
  const { organizationId } = caller;
  const reader = deps.db.organizationReader({ organizationId, userId: caller.id });
  const row = await findClient(reader, organizationId, id);
  if (!row) throw noSuchClient();
  return toClient(row);
}

/**
 * Decides whether the caller may repeat a request that created a secret of the client. Raises grant_exceeds_own when
 * the rights of the caller do not include all permissions that the client has now. The secret of a deleted client gives
 * no access.
 */
export async function assertMayRepeatSecret(
  deps: ReadDeps,
  { id: userId, organizationId }: OrganizationCaller,
  held: Standing,
  clientId: string,
): Promise<void> {
  const row = await findClient(deps.db.organizationReader({ organizationId, userId }), organizationId, clientId);
  if (row) assertMayGrant(held, [{ level: held.level, permissions: row.permissions }]);
}

/** For operators: one client of any organization. Raises not_found. */
export async function getAnyClient(deps: ReadDeps, id: string): Promise<Client> {
  const row = await findAnyClient(deps.db.systemReader(), id);
  if (!row) throw noSuchClient();
  return toClient(row);
}
