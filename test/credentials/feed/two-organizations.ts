// Creates two organizations, and compares the events that the clients of each organization receive in three ways.
import type { Test } from 'tap';
import { type Revocation, revocationOf } from '../../../src/protocol/revocation.ts';
import { createDatabase } from '../../support/database.ts';
import { seedClientWithToken } from '../../support/fixtures/clients.ts';
import { seedMembership, seedPerson, signInPerson } from '../../support/fixtures/people.ts';
import { furtherTeam } from '../../support/fixtures/team.ts';
import { openService } from '../../support/service.ts';
import { type Consumer, consume, eventsOf, type Frame, untilSettled } from './consumer.ts';

/**
 * Creates two organizations with an owner and agents, a user in both, a user in neither, a client of each organization,
 * and a client of the installation.
 */
export async function openTwoOrganizations(t: Test) {
  const database = await createDatabase(t);
  const service = await openService(t, database);
  const { api, app, url } = service;
  const [p, q] = [await furtherTeam(database, api), await furtherTeam(database, api)];
  const [pOwner, pAgent, pOther] = [await p.join('owner'), await p.join('agent'), await p.join('agent')];
  const [qOwner, qAgent] = [await q.join('owner'), await q.join('agent')];
  const person = await seedPerson(database, 'both');
  await seedMembership(database, { organizationId: p.organization.id, userId: person.userId, role: 'agent' });
  await seedMembership(database, { organizationId: q.organization.id, userId: person.userId, role: 'viewer' });
  const inP = await signInPerson(api, person, p.organization.slug);
  const inQ = await signInPerson(api, person, q.organization.slug);
  const stranger = await seedPerson(database, 'loner');
  const alone = await signInPerson(api, stranger);
  const marker = await seedPerson(database, 'marker');
  for (const { organization } of [p, q])
    await seedMembership(database, { organizationId: organization.id, userId: marker.userId, role: 'viewer' });
  const client = (organizationId: string | null) =>
    seedClientWithToken(app, database, { organizationId, permissions: ['revocations:read'] });
  const readers = {
    p: await client(p.organization.id),
    q: await client(q.organization.id),
    all: await client(null),
  };
  const names = new Map<string, string>([
    ...Object.entries({ pOwner, pAgent, pOther, qOwner, qAgent }).flatMap(([name, { userId, sessionId }]) => [
      [userId, name] as const,
      [sessionId, `${name}'s`] as const,
    ]),
    [person.userId, 'both'],
    [inP.sessionId, "both's in p"],
    [inQ.sessionId, "both's in q"],
    [stranger.userId, 'loner'],
    [alone.sessionId, "loner's"],
    [p.organization.id, 'p'],
    [q.organization.id, 'q'],
  ]);
  return {
    ...{ database, app, api, url, readers, names, p: p.organization, q: q.organization },
    ...{ pOwner, pAgent, pOther, qOwner, qAgent, both: { ...person, inP, inQ }, loner: { ...stranger, ...alone } },
    marker: marker.userId,
  };
}

export type TwoOrganizations = Awaited<ReturnType<typeof openTwoOrganizations>>;
type Reader = keyof TwoOrganizations['readers'];

let marks = 0;

/** Writes a last event, which all readers receive. Returns a predicate for the frame of this event. */
async function mark({ app, database, marker }: TwoOrganizations): Promise<(frame: Frame) => boolean> {
  marks += 1;
  await database.query(
    `INSERT INTO revocations (id, kind, subject, epoch) VALUES (gen_random_uuid(), 'user', $1, $2)`,
    [marker, marks],
  );
  await app.parts.revocations.synchronize();
  const epoch = marks;
  return ({ data }) => data.sub === marker && data.epoch === epoch;
}

/** Returns the names of the subjects of the events, sorted and without repeats. Both forms of an event count as one. */
export function told({ names, marker }: TwoOrganizations, written: readonly Revocation[]): string[] {
  const events = written.map(revocationOf).filter((event) => event !== null);
  const others = events.filter((event) => !('sub' in event && event.sub === marker));
  const about = others.map((event) => {
    if (event.kind === 'everything') return 'everything';
    if (event.kind === 'key') return `key ${event.kid}`;
    if (event.kind === 'membership') return `membership ${names.get(event.sub)} in ${names.get(event.org)}`;
    const id =
      event.kind === 'session'
        ? event.sid
        : event.kind === 'user'
          ? event.sub
          : event.kind === 'client'
            ? event.client_id
            : event.org;
    return `${event.kind} ${names.get(id) ?? id}`;
  });
  return [...new Set(about)].sort();
}

/** Runs `happen`, and compares the events that each reader receives, in each way, with the expected ones. */
export async function tells(
  t: Test,
  setup: TwoOrganizations,
  happen: () => Promise<unknown>,
  expected: Readonly<Partial<Record<Reader, readonly string[]>>>,
): Promise<void> {
  const readers = Object.keys(expected) as Reader[];
  const { app, api, database, url, readers: clients } = setup;
  await untilSettled(app, database); // otherwise the readers would get earlier events again
  const ask = async (reader: Reader, query = '') =>
    (await api.get(`/revocations${query}`, { token: clients[reader].token })).body.data;
  const before = new Map<Reader, { cursor: string; events: Revocation[]; stream: Consumer }>();
  for (const reader of readers) {
    const { cursor, events } = await ask(reader);
    const stream = await consume(t, url, clients[reader].token);
    await stream.heartbeat();
    before.set(reader, { cursor, events, stream });
  }
  await happen();
  const isMark = await mark(setup);
  for (const reader of readers) {
    const { cursor, events, stream } = before.get(reader) ?? (t.fail('no reader') as never);
    const wanted = [...(expected[reader] ?? [])].sort();
    const isOld = new Set(events.map((event) => JSON.stringify(event)));
    const fresh = (all: readonly Revocation[]) =>
      told(
        setup,
        all.filter((event) => !isOld.has(JSON.stringify(event))),
      );
    const live = eventsOf(await stream.until(isMark));
    t.strictSame(fresh(live), wanted, `${reader}: as it happens`);
    stream.leave();
    t.strictSame(fresh((await ask(reader, `?after=${cursor}`)).events), wanted, `${reader}: what came since`);
    const everything = (await ask(reader)).events;
    t.strictSame(fresh(everything), wanted, `${reader}: everything`);
    t.strictSame(
      told(setup, everything).filter((name) => told(setup, events).includes(name)),
      told(setup, events),
    );
  }
}
