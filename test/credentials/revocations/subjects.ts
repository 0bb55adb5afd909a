// Whom a cause of revocation may concern: people with sessions in two organizations and service clients, each with the
// tokens that they hold, and what two replicas say to every one of them.
import { randomUUID } from 'node:crypto';
import type { App } from '../../../src/app/app.ts';
import { readRevocations } from '../../../src/credentials/revocations/revocations.ts';
import type { Revocation } from '../../../src/protocol/revocation.ts';
import type { Api } from '../../support/client.ts';
import type { TestDatabase } from '../../support/database.ts';
import { seedClient, tokenOfClient } from '../../support/fixtures/clients.ts';
import { seedMembership, seedOrganization, seedPerson, signInPerson } from '../../support/fixtures/people.ts';
import { seedRole } from '../../support/fixtures/roles.ts';
import type { Service } from '../../support/service.ts';

export interface SignedInPerson {
  readonly userId: string;
  readonly email: string;
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly sessionId: string;
}

/** Everybody, anew for each cause. */
export interface Stage {
  readonly database: TestDatabase;
  readonly app: App;
  readonly api: Api;
  readonly here: { readonly id: string; readonly slug: string };
  readonly other: { readonly id: string; readonly slug: string };
  /** A role of `here` that `member` holds beside `agent`. */
  readonly role: string;
  /** A member of `here` with two sessions. */
  readonly member: SignedInPerson;
  readonly second: SignedInPerson;
  readonly colleague: SignedInPerson;
  readonly owner: SignedInPerson;
  /** A member of `here` and of another organization, with a session in each. */
  readonly both: SignedInPerson;
  readonly there: SignedInPerson;
  /** A member of the other one only. */
  readonly outsider: SignedInPerson;
  /** Service clients of `here`, of the other one and of the installation. */
  readonly client: { readonly id: string; readonly secret: string; readonly token: string };
  readonly otherClient: { readonly id: string; readonly secret: string; readonly token: string };
  readonly reader: { readonly id: string; readonly secret: string; readonly token: string };
}

/** The names of those who hold a token. */
export const HOLDERS = [
  ...['member', 'second', 'colleague', 'owner', 'both', 'there', 'outsider'],
  ...['client', 'otherClient', 'reader'],
] as const;
export type Holder = (typeof HOLDERS)[number];

export async function openStage({ app, api }: Service, database: TestDatabase): Promise<Stage> {
  const [here, other] = [await seedOrganization(database), await seedOrganization(database)];
  const role = await seedRole(database, here.id, {
    name: `r${randomUUID().slice(0, 8)}`,
    ...{ level: 1, permissions: ['contacts:read'] },
  });
  const person = async (roles: Readonly<Record<string, string>>) => {
    const planted = await seedPerson(database);
    for (const [slug, name] of Object.entries(roles)) {
      await seedMembership(database, {
        organizationId: slug === here.slug ? here.id : other.id,
        userId: planted.userId,
        role: name,
      });
    }
    return planted;
  };
  const signIn = async (who: { readonly userId: string; readonly email: string }, slug: string) => ({
    ...who,
    ...(await signInPerson(api, who, slug)),
  });
  const [member, both] = [
    await person({ [here.slug]: 'agent' }),
    await person({ [here.slug]: 'viewer', [other.slug]: 'viewer' }),
  ];
  await database.query(
    `INSERT INTO role_assignments (id, organization_id, user_id, role_id, role_owner_key)
     VALUES (gen_random_uuid(), $1, $2, $3, $1)`,
    [here.id, member.userId, role],
  );
  const client = async (organizationId: string | null) => {
    const planted = await seedClient(database, { organizationId, permissions: ['revocations:read'] });
    return { ...planted, token: await tokenOfClient(app, database, planted.id) };
  };
  return {
    ...{ database, app, api, here, other, role },
    member: await signIn(member, here.slug),
    second: await signIn(member, here.slug),
    colleague: await signIn(await person({ [here.slug]: 'agent' }), here.slug),
    owner: await signIn(await person({ [here.slug]: 'owner' }), here.slug),
    both: await signIn(both, here.slug),
    there: await signIn(both, other.slug),
    outsider: await signIn(await person({ [other.slug]: 'agent' }), other.slug),
    client: await client(here.id),
    otherClient: await client(other.id),
    reader: await client(null),
  };
}

/** What a replica says to every holder's token: 'good', or the code of its refusal. */
export async function verdicts(api: Api, stage: Stage): Promise<Record<Holder, string>> {
  const asked = HOLDERS.map(async (holder) => {
    const held = stage[holder];
    const [path, token] = 'token' in held ? ['/revocations', held.token] : ['/me', held.accessToken];
    const { status, code } = await api.get(path, { token });
    return [holder, code ?? (status === 200 ? 'good' : `${status}`)] as const;
  });
  return Object.fromEntries(await Promise.all(asked)) as Record<Holder, string>;
}

/** The transaction that wrote the newest revocation or event of a database, so that what comes after it can be told. */
export async function latestTx(database: TestDatabase): Promise<string> {
  const [row] = await database.query<{ tx: string }>(`SELECT pg_current_xact_id()::text AS tx`);
  return row?.tx ?? '0';
}

export interface Written {
  readonly tx: string;
  readonly events: readonly string[];
  readonly revocations: readonly string[];
}

// The row that a revocation is about was changed by the very transaction, unless it is gone.
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

/** What each transaction after one has revoked and recorded, and whether it changed the subjects itself. */
export function writtenSince(
  database: TestDatabase,
  tx: string,
): Promise<{ tx: string; revocations: string[]; events: string[]; together: boolean }[]> {
  return database.query(WRITTEN, [tx]);
}

/** The revocations that were written after a transaction, as events. */
export async function revokedSince({ app }: Stage, tx: string): Promise<Revocation[]> {
  const events: Revocation[] = [];
  await readRevocations(
    app.parts.db,
    { tx: String(BigInt(tx) + 1n), at: 0, snapshot: null },
    (event) => void events.push(event),
  );
  return events;
}
