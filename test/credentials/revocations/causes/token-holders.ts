// Creates users with sessions in two organizations, and service clients, each with a token. Returns the answer of a
// replica to each token.
import { randomUUID } from 'node:crypto';
import type { App } from '../../../../src/app/app.ts';
import { readRevocations } from '../../../../src/credentials/revocations/revocations.ts';
import type { Revocation } from '../../../../src/protocol/revocation.ts';
import type { Api } from '../../../support/client.ts';
import type { TestDatabase } from '../../../support/database.ts';
import { seedClientWithToken } from '../../../support/fixtures/clients.ts';
import {
  type Person,
  seedMembership,
  seedOrganization,
  seedPerson,
  signInPerson,
} from '../../../support/fixtures/people.ts';
import { assignRole, seedRole } from '../../../support/fixtures/roles.ts';
import type { Service } from '../../../support/service.ts';

export interface SignedInPerson {
  readonly userId: string;
  readonly email: string;
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly sessionId: string;
}

/** All holders of tokens. Each cause gets new holders. */
export interface TokenHolders {
  readonly database: TestDatabase;
  readonly app: App;
  readonly api: Api;
  readonly here: { readonly id: string; readonly slug: string };
  readonly other: { readonly id: string; readonly slug: string };
  /** A custom role of `here`. `member` has this role in addition to `agent`. */
  readonly role: string;
  /** A member of `here` with two sessions. */
  readonly member: SignedInPerson;
  readonly second: SignedInPerson;
  readonly colleague: SignedInPerson;
  readonly owner: SignedInPerson;
  /** A member of `here` and of `other`. The session in `other` is `there`. */
  readonly both: SignedInPerson;
  readonly there: SignedInPerson;
  /** A member of `other` only. */
  readonly outsider: SignedInPerson;
  /** Service clients of `here`, of `other` and of the installation. */
  readonly client: { readonly id: string; readonly secret: string; readonly token: string };
  readonly otherClient: { readonly id: string; readonly secret: string; readonly token: string };
  readonly reader: { readonly id: string; readonly secret: string; readonly token: string };
}

/** The names of all holders of a token. */
export const HOLDERS = [
  ...['member', 'second', 'colleague', 'owner', 'both', 'there', 'outsider'],
  ...['client', 'otherClient', 'reader'],
] as const;
export type Holder = (typeof HOLDERS)[number];

export async function openTokenHolders({ app, api }: Service, database: TestDatabase): Promise<TokenHolders> {
  const [here, other] = [await seedOrganization(database), await seedOrganization(database)];
  const role = await seedRole(database, here.id, {
    name: `r${randomUUID().slice(0, 8)}`,
    ...{ level: 1, permissions: ['contacts:read'] },
  });
  const person = async (...memberships: readonly (readonly [{ readonly id: string }, role: string])[]) => {
    const seeded = await seedPerson(database);
    for (const [{ id: organizationId }, name] of memberships) {
      await seedMembership(database, { organizationId, userId: seeded.userId, role: name });
    }
    return seeded;
  };
  const signIn = async (someone: Person, { slug }: { readonly slug: string }) => ({
    ...someone,
    ...(await signInPerson(api, someone, slug)),
  });
  const [member, both] = [await person([here, 'agent']), await person([here, 'viewer'], [other, 'viewer'])];
  await assignRole(database, { organizationId: here.id, userId: member.userId, roleId: role });
  const client = (organizationId: string | null) =>
    seedClientWithToken(app, database, { organizationId, permissions: ['revocations:read'] });
  return {
    ...{ database, app, api, here, other, role },
    member: await signIn(member, here),
    second: await signIn(member, here),
    colleague: await signIn(await person([here, 'agent']), here),
    owner: await signIn(await person([here, 'owner']), here),
    both: await signIn(both, here),
    there: await signIn(both, other),
    outsider: await signIn(await person([other, 'agent']), other),
    client: await client(here.id),
    otherClient: await client(other.id),
    reader: await client(null),
  };
}

/** Returns the answer of a replica to each holder's token: 'good', or the code of the refusal. */
export async function verdicts(api: Api, holders: TokenHolders): Promise<Record<Holder, string>> {
  const answers = HOLDERS.map(async (holder) => {
    const held = holders[holder];
    const [path, token] = 'token' in held ? ['/revocations', held.token] : ['/me', held.accessToken];
    const { status, code } = await api.get(path, { token });
    return [holder, code ?? (status === 200 ? 'good' : `${status}`)] as const;
  });
  return Object.fromEntries(await Promise.all(answers)) as Record<Holder, string>;
}

/**
 * Returns the number of a transaction that is newer than every row. Rows that are written later have a greater number.
 */
export async function latestTx(database: TestDatabase): Promise<string> {
  const [row] = await database.query<{ tx: string }>(`SELECT pg_current_xact_id()::text AS tx`);
  return row?.tx ?? '0';
}

// Compares the transaction of a revocation with the transaction of the row that was revoked, unless that row is
// deleted.
const WRITTEN = `
WITH later AS (SELECT * FROM revocations WHERE tx > $1::bigint),
subjects AS (
  SELECT l.tx, l.kind, coalesce(
    (SELECT xmin::text FROM sessions WHERE id = l.subject AND l.kind = 'session'),
    (SELECT xmin::text FROM users WHERE id = l.subject AND l.kind = 'user'),
    (SELECT xmin::text FROM clients WHERE id = l.subject AND l.kind = 'client'),
    (SELECT xmin::text FROM organizations WHERE id = l.subject AND l.kind = 'organization')) AS changed_by
  FROM later l
),
others AS (SELECT type, xmin::text AS tx FROM events WHERE xmin::text::bigint > $1::bigint)
SELECT s.tx::text, array_agg(DISTINCT s.kind) AS revocations,
  (SELECT coalesce(array_agg(DISTINCT o.type), '{}') FROM others o WHERE o.tx = s.tx::text) AS events,
  coalesce(bool_and(s.changed_by IS NULL OR s.changed_by = s.tx::text), true) AS together
FROM subjects s GROUP BY s.tx`;

/**
 * Returns what each transaction after `tx` has revoked and recorded, and whether the same transaction changed the
 * revoked rows.
 */
export function writtenSince(
  database: TestDatabase,
  tx: string,
): Promise<{ tx: string; revocations: string[]; events: string[]; together: boolean }[]> {
  return database.query(WRITTEN, [tx]);
}

/** Returns the revocations that were written after the transaction `tx`. */
export async function revokedSince({ app }: TokenHolders, tx: string): Promise<Revocation[]> {
  const events: Revocation[] = [];
  await readRevocations(
    app.parts.db,
    { tx: String(BigInt(tx) + 1n), at: 0, snapshot: null, newestTx: '0' },
    (event) => void events.push(event),
  );
  return events;
}
