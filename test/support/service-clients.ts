// Service clients as tests want them: planted by SQL, with tokens as the service issues them, and assertions as a client
// signs them.
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import type { App } from '../../src/app/app.ts';
import { issueClientToken } from '../../src/credentials/tokens/access.ts';
import type { TestDatabase } from './database.ts';

const SYSTEM_OWNER = '00000000-0000-0000-0000-000000000000';
export const ISSUER = 'http://localhost:3000';

export interface PlantedClient {
  readonly id: string;
  readonly secret: string;
}

interface ClientSettings {
  /** Null for a client of the whole installation. */
  readonly organizationId: string | null;
  readonly permissions?: readonly string[];
  readonly name?: string;
  /** Then it signs assertions, and its secret is of no use. */
  readonly keys?: readonly object[];
  readonly audience?: string;
}

/** A client past every rule and unannounced, with one secret unless it has keys. */
export async function plantClient(database: TestDatabase, settings: ClientSettings): Promise<PlantedClient> {
  const { organizationId, permissions = [], name = 'planted', keys, audience = null } = settings;
  const id = randomUUID().replace(/^(.{14})4/, '$17'); // ids of the service are UUIDv7
  const secret = `tcs_${randomBytes(32).toString('base64url')}`;
  const owner = organizationId ?? SYSTEM_OWNER;
  await database.query(
    `INSERT INTO clients (id, organization_id, owner_key, name, permissions, authentication, jwks, audience)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [
      id,
      organizationId,
      owner,
      name,
      permissions,
      keys ? 'private_key_jwt' : 'client_secret',
      keys ? JSON.stringify({ keys }) : null,
      audience,
    ],
  );
  if (!keys) {
    await database.query(
      `INSERT INTO client_secrets (id, organization_id, owner_key, client_id, hash) VALUES (gen_random_uuid(), $1, $2, $3, $4)`,
      [organizationId, owner, id, createHash('sha256').update(secret).digest()],
    );
  }
  return { id, secret };
}

/** An access token of the client as it stands now, past its authentication. */
export async function tokenOfClient(app: App, database: TestDatabase, id: string): Promise<string> {
  const [row] = await database.query<{
    epoch: number;
    audience: string | null;
    permissions: string[];
    organization: { id: string; slug: string } | null;
  }>(
    `SELECT c.epoch, c.audience, c.permissions,
       CASE WHEN o.id IS NOT NULL THEN json_build_object('id', o.id, 'slug', o.slug) END AS organization
     FROM clients c LEFT JOIN organizations o ON o.id = c.organization_id WHERE c.id = $1`,
    [id],
  );
  if (!row) throw new Error(`there is no client ${id}`);
  const { epoch, audience, permissions, organization } = row;
  return (await issueClientToken(app.parts, { clientId: id, epoch, audience, organization, permissions })).token;
}

export type KeyKind = 'rsa' | 'P-256' | 'P-384' | 'P-521' | 'ed25519';

export interface ClientKeyPair {
  readonly privateKey: KeyObject;
  /** The public half as a JWK. */
  readonly jwk: Readonly<Record<string, unknown>>;
  /** The same in PEM. */
  readonly publicPem: string;
}

const made = new Map<string, ClientKeyPair>();

/** A key pair of the kind, the same one each time for the same name: making them is slow. */
export function keyPair(kind: KeyKind, name = 'first'): ClientKeyPair {
  const known = made.get(`${kind} ${name}`);
  if (known) return known;
  const { privateKey, publicKey } =
    kind === 'rsa'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : kind === 'ed25519'
        ? generateKeyPairSync('ed25519')
        : generateKeyPairSync('ec', { namedCurve: kind });
  const pair = {
    privateKey,
    jwk: { ...publicKey.export({ format: 'jwk' }) },
    publicPem: publicKey.export({ type: 'spki', format: 'pem' }) as string,
  };
  made.set(`${kind} ${name}`, pair);
  return pair;
}

interface AssertionChanges {
  readonly alg?: string;
  readonly header?: Readonly<Record<string, unknown>>;
  /** Undefined leaves a claim out. */
  readonly claims?: Readonly<Record<string, unknown>>;
}

/** A good assertion of the client, but for the changes. */
export function assertionOf(clientId: string, key: KeyObject, changes: AssertionChanges = {}): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: clientId, sub: clientId, aud: ISSUER, jti: randomUUID(), iat: now, exp: now + 60 };
  const all = Object.entries({ ...claims, ...changes.claims }).filter(([, value]) => value !== undefined);
  return new SignJWT(Object.fromEntries(all))
    .setProtectedHeader({ alg: changes.alg ?? 'ES256', ...changes.header })
    .sign(key);
}
