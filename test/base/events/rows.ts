// Compares the rows of the table of events with the catalogue. A test decides when the ids of the other tables are
// read, because the events of a deleted row stay.
import { EVENTS, isEventType } from '../../../src/base/events/catalogue.ts';
import type { ActorKind, TargetKind } from '../../../src/base/events/kind.ts';
import type { TestDatabase } from '../../support/database.ts';

const TABLES: Readonly<Record<Exclude<TargetKind, 'installation'>, string>> = {
  user: 'users',
  session: 'sessions',
  organization: 'organizations',
  invitation: 'invitations',
  role: 'roles',
  client: 'clients',
  mail: 'outbox',
};
const IDS = Object.entries(TABLES).map(([kind, table]) => `SELECT '${kind}' AS kind, id::text FROM ${table}`);

interface EventRow {
  readonly type: string;
  readonly organization_id: string | null;
  readonly actor_id: string | null;
  readonly target_id: string | null;
  readonly data: unknown;
}

export interface EventCheck {
  /** Reads the ids that exist now, with the kind of each id. */
  readIds(): Promise<void>;
  /** Returns the errors of the events, by the ids read so far. Empty when every event matches the catalogue. */
  unfitEvents(): Promise<string[]>;
  /** Returns the types of all events, sorted and without repeats. */
  types(): Promise<string[]>;
}

export function openEventCheck(database: TestDatabase): EventCheck {
  const kinds = new Map<string, string>();
  const kindOf = (id: string) => kinds.get(id) ?? 'unknown';
  const rows = () => database.query<EventRow & Record<string, unknown>>('SELECT * FROM events ORDER BY at');
  return {
    async readIds() {
      const found = await database.query<{ kind: string; id: string }>(IDS.join(' UNION ALL '));
      for (const { kind, id } of found) kinds.set(id, kind);
    },
    unfitEvents: async () =>
      (await rows()).flatMap((row) => wrongOf(row, kindOf).map((wrong) => `${row.type}: ${wrong}`)),
    types: async () => [...new Set((await rows()).map(({ type }) => type))].sort(),
  };
}

function wrongOf(row: EventRow, kindOf: (id: string) => string): string[] {
  if (!isEventType(row.type)) return ['is not in the catalogue'];
  const { actor, target, organization, data } = EVENTS[row.type];
  const wrong = [wrongActor(actor, row.actor_id, kindOf), wrongTarget(target, row.target_id, kindOf)];
  if (organization !== 'maybe' && (organization === 'always') !== (row.organization_id !== null)) {
    wrong.push(`belongs ${organization} to an organization`);
  }
  if (row.organization_id !== null && kindOf(row.organization_id) !== 'organization') wrong.push('no organization');
  const parsed = data.safeParse(row.data);
  if (!parsed.success) wrong.push(`its data: ${parsed.error.issues.map(({ message }) => message).join(', ')}`);
  return wrong.filter((sentence) => sentence !== null);
}

function wrongActor(allowed: readonly ActorKind[], id: string | null, kindOf: (id: string) => string): string | null {
  const names = allowed as readonly string[];
  const isAllowed = id === null ? names.includes('operator') || names.includes('system') : names.includes(kindOf(id));
  return isAllowed ? null : `its actor is ${id === null ? 'nobody' : kindOf(id)}`;
}

function wrongTarget(declared: TargetKind, id: string | null, kindOf: (id: string) => string): string | null {
  const actual = id === null ? 'installation' : kindOf(id);
  return actual === declared ? null : `its target is ${actual}`;
}
