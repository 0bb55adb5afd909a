// The queries of service clients. Most of them are about the clients of one organization or, with null, about the
// clients that belong to no organization, which only the system scope can see. secret-store.ts writes the hashes of
// secrets, and client-authentication/store.ts reads them.
import {
  type OrganizationReader,
  type OrganizationTx,
  type SystemReader,
  type SystemTx,
  statement,
} from '../../base/database/db.ts';
import { SYSTEM_OWNER } from '../../directory/roles/store.ts';
import type { PublicKey } from './public-keys.ts';

export type ClientStatus = 'active' | 'disabled';
export type Authentication = 'client_secret' | 'private_key_jwt';
export type PublicKeys = { readonly keys: readonly PublicKey[] };

/** The fields of a client that can be changed. */
export interface ClientContent {
  readonly name: string;
  readonly description: string;
  readonly permissions: readonly string[];
  /** Null for the default audience of the installation. */
  readonly audience: string | null;
  /** Null for a client that does not authenticate by private_key_jwt. */
  readonly jwks: PublicKeys | null;
  readonly status: ClientStatus;
}

export interface ClientRow extends ClientContent {
  readonly id: string;
  readonly organization: { readonly id: string; readonly slug: string } | null;
  readonly authentication: Authentication;
  /** The id of the user who created the client, or null for an operator. */
  readonly createdBy: string | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  /**
   * The valid secrets, the newest first. Instants are in the format that PostgreSQL uses in JSON. Null means no end.
   */
  readonly secrets: readonly { readonly createdAt: string; readonly expiresAt: string | null }[];
}

type AnyTx = OrganizationTx | SystemTx;
type AnyReader = OrganizationReader | SystemReader;

const SECRET_WORKS = '(s.expires_at IS NULL OR s.expires_at > clock_timestamp())';
const COLUMNS = `
c.id::text AS id, c.name, c.description, c.permissions, c.audience, c.jwks, c.status, c.authentication,
c.created_by::text AS "createdBy", c.created_at AS "createdAt", c.updated_at AS "updatedAt",
CASE WHEN o.id IS NOT NULL THEN json_build_object('id', o.id, 'slug', o.slug) END AS organization,
(SELECT coalesce(json_agg(json_build_object('createdAt', s.created_at, 'expiresAt', s.expires_at)
    ORDER BY s.created_at DESC, s.id DESC), '[]')
  FROM client_secrets s WHERE s.owner_key = c.owner_key AND s.client_id = c.id AND ${SECRET_WORKS}) AS secrets`;
const JOINED = 'FROM clients c LEFT JOIN organizations o ON o.id = c.organization_id';

const LIST = statement(`
SELECT ${COLUMNS}, (count(*) OVER ())::int AS total ${JOINED} WHERE c.organization_id = $1::uuid
ORDER BY c.created_at, c.id LIMIT $2::int OFFSET $3::int`);

type Page = { readonly limit: number; readonly offset: number };
type Listed = ClientRow & { readonly total: number };

/** The clients of an organization, the oldest first. */
export function listClientRows(tx: AnyReader, organizationId: string, page: Page): Promise<Listed[]> {
  return tx.rows(LIST, [organizationId, page.limit, page.offset]);
}

const COUNT = statement('SELECT count(*)::int AS total FROM clients WHERE organization_id = $1::uuid');

/** The number of clients of the organization. */
export async function countClients(tx: AnyReader | AnyTx, organizationId: string): Promise<number> {
  const [row] = await tx.rows<{ total: number }>(COUNT, [organizationId]);
  return row?.total ?? 0;
}

const LIST_ALL = statement(`
SELECT ${COLUMNS}, (count(*) OVER ())::int AS total ${JOINED}
ORDER BY c.created_at, c.id LIMIT $1::int OFFSET $2::int`);

/** All clients of all organizations and of the installation, the oldest first. */
export function listAllClientRows(tx: SystemReader, page: Page): Promise<Listed[]> {
  return tx.rows(LIST_ALL, [page.limit, page.offset]);
}

const COUNT_ALL = statement('SELECT count(*)::int AS total FROM clients');

export async function countAllClients(tx: SystemReader): Promise<number> {
  const [row] = await tx.rows<{ total: number }>(COUNT_ALL, []);
  return row?.total ?? 0;
}

const FIND = statement(`SELECT ${COLUMNS} ${JOINED} WHERE c.owner_key = $1::uuid AND c.id = $2::uuid`);

/** A client of the organization or, with null, of the installation. Returns null for any other client. */
export async function findClient(
  tx: AnyReader | AnyTx,
  organizationId: string | null,
  id: string,
): Promise<ClientRow | null> {
  const [row] = await tx.rows<ClientRow>(FIND, [organizationId ?? SYSTEM_OWNER, id]);
  return row ?? null;
}

const FIND_ANY = statement(`SELECT ${COLUMNS} ${JOINED} WHERE c.id = $1::uuid`);

/** A client of any organization or of the installation. */
export async function findAnyClient(tx: SystemReader, id: string): Promise<ClientRow | null> {
  const [row] = await tx.rows<ClientRow>(FIND_ANY, [id]);
  return row ?? null;
}

export interface ClientAudience {
  readonly id: string;
  readonly name: string;
  readonly organizationId: string | null;
  /** Null for a client of the installation. */
  readonly organizationSlug: string | null;
  readonly audience: string;
}

const OWN_AUDIENCES = statement(`
SELECT c.id::text AS id, c.name, c.organization_id::text AS "organizationId", o.slug AS "organizationSlug", c.audience
FROM clients c LEFT JOIN organizations o ON o.id = c.organization_id
WHERE c.audience IS NOT NULL AND c.audience <> ALL ($1::text[])
ORDER BY c.created_at, c.id`);

/** The clients of all organizations and of the installation that have an audience which is not in the list. */
export function listOwnAudiences(tx: SystemReader, audiences: readonly string[]): Promise<ClientAudience[]> {
  return tx.rows(OWN_AUDIENCES, [audiences]);
}

const LOCK = statement('SELECT 1 AS held FROM clients WHERE owner_key = $1::uuid AND id = $2::uuid FOR NO KEY UPDATE');

/**
 * Does the same as findClient, and locks the client. Every other change of the client waits until the transaction ends.
 */
export async function findClientForChange(
  tx: AnyTx,
  organizationId: string | null,
  id: string,
): Promise<ClientRow | null> {
  await tx.rows(LOCK, [organizationId ?? SYSTEM_OWNER, id]);
  return findClient(tx, organizationId, id);
}

// $1 client, $2 organization or null, $3 owner key, $4 name, $5 description, $6 permissions, $7 audience,
// $8 authentication, $9 jwks as JSON, $10 the user who creates it.
const INSERT = statement(`
INSERT INTO clients (id, organization_id, owner_key, name, description, permissions, audience, authentication, jwks, created_by)
VALUES ($1::uuid, $2::uuid, $3::uuid, $4, $5, $6::text[], $7, $8, $9::text::jsonb, $10::uuid)`);

export interface NewClient extends Omit<ClientContent, 'status'> {
  readonly id: string;
  readonly organizationId: string | null;
  readonly authentication: Authentication;
  readonly createdBy: string | null;
}

/** Writes an active client without a secret. */
export async function insertClient(tx: AnyTx, client: NewClient): Promise<void> {
  const { id, organizationId, name, description, permissions, audience, authentication, jwks, createdBy } = client;
  const owner = organizationId ?? SYSTEM_OWNER;
  const keys = jwks && JSON.stringify(jwks);
  await tx.rows(INSERT, [
    id,
    organizationId,
    owner,
    name,
    description,
    permissions,
    audience,
    authentication,
    keys,
    createdBy,
  ]);
}

// $1 owner key, $2 client, $3 name, $4 description, $5 permissions, $6 audience, $7 jwks as JSON, $8 status.
const UPDATE = statement(`
UPDATE clients SET name = $3, description = $4, permissions = $5::text[], audience = $6, jwks = $7::text::jsonb,
  status = $8, updated_at = clock_timestamp()
WHERE owner_key = $1::uuid AND id = $2::uuid`);

export async function updateClient(
  tx: AnyTx,
  organizationId: string | null,
  id: string,
  content: ClientContent,
): Promise<void> {
  const { name, description, permissions, audience, jwks, status } = content;
  const keys = jwks && JSON.stringify(jwks);
  await tx.rows(UPDATE, [organizationId ?? SYSTEM_OWNER, id, name, description, permissions, audience, keys, status]);
}

const DELETE = statement('DELETE FROM clients WHERE owner_key = $1::uuid AND id = $2::uuid');

/** Deletes the client with its secrets and its used assertions. */
export async function deleteClient(tx: AnyTx, organizationId: string | null, id: string): Promise<void> {
  await tx.rows(DELETE, [organizationId ?? SYSTEM_OWNER, id]);
}

const LOCK_MADE_BY = statement('SELECT 1 FROM clients WHERE created_by = $1::uuid ORDER BY id FOR UPDATE');

/** Locks the clients that the user has made, in every organization. */
export async function lockClientsMadeBy(tx: SystemTx, userId: string): Promise<void> {
  await tx.rows(LOCK_MADE_BY, [userId]);
}

const DELETE_MADE_BY = statement(`
DELETE FROM clients WHERE created_by = $1::uuid
RETURNING id::text, organization_id::text AS "organizationId", name, permissions`);

export interface MadeClient {
  readonly id: string;
  readonly organizationId: string | null;
  readonly name: string;
  readonly permissions: readonly string[];
}

/** Deletes the clients that the user has made, with their secrets and used assertions. Returns what they were. */
export function deleteClientsMadeBy(tx: SystemTx, userId: string): Promise<MadeClient[]> {
  return tx.rows(DELETE_MADE_BY, [userId]);
}
