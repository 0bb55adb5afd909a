// What is stored about a person, as one document. It is read in portions, and given in pages of bounded size: a person
// may have acted for years.
import type { Database, SystemReader } from '../../base/database/db.ts';
import { invalid, problem } from '../../base/errors/problem.ts';
import { record } from '../../base/events/record.ts';
import { type Clock, monotonicMs } from '../../base/platform/clock.ts';
import { newId, type Random } from '../../base/platform/random.ts';
import { findAccount } from '../../directory/users/account-store.ts';
import { isWrittenId } from '../../protocol/id.ts';
import {
  type After,
  BEGINNING,
  type EventRow,
  findLocale,
  type InvitationRow,
  listEventsAfter,
  listInvitationsAfter,
  listMembershipsAfter,
  listSessionsAfter,
  type MembershipRow,
  type SessionRow,
} from './export-store.ts';

export interface ExportDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly random: Random;
}

export interface ExportedAccount {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  /** The language of the mails to the user. Null when the service chooses it. */
  readonly locale: string | null;
  readonly emailVerified: boolean;
  readonly platformAdministrator: boolean;
  readonly createdAt: string;
}

type Listed<Row> = Omit<Row, 'id'>;

export interface PersonalExport {
  readonly exportedAt: string;
  readonly account: ExportedAccount;
  readonly memberships: readonly Listed<MembershipRow>[];
  readonly sessions: readonly SessionRow[];
  readonly invitationsSent: readonly InvitationRow[];
  readonly invitationsAccepted: readonly InvitationRow[];
  readonly events: readonly Omit<EventRow, 'microseconds'>[];
}

/** The parts of the document that are lists, in their order. */
export const PARTS = ['memberships', 'sessions', 'invitationsSent', 'invitationsAccepted', 'events'] as const;
export type Part = (typeof PARTS)[number];

/** A page of the document. */
export interface ExportPage {
  readonly data: PersonalExport;
  readonly pagination: { readonly limit: number; readonly nextCursor: string | null; readonly hasMore: boolean };
}

/** The maximum number of rows of all lists together in one page. */
export const ROWS_MAX = 2_000;
const PORTION_ROWS = 500;
/** A page ends after this time, however few rows it has. A request has twice as long. */
const PAGE_MS_MAX = 4_000;

interface Place {
  readonly part: Part;
  readonly after: After;
}

const CURSOR = /^([a-zA-Z]+) (\d{1,16}) (.{36})$/;

function encodeCursor({ part, after }: Place): string {
  return Buffer.from(`${part} ${after.at} ${after.id}`).toString('base64url');
}

function decodeCursor(cursor: string): Place {
  const [, name, at, id] = CURSOR.exec(Buffer.from(cursor, 'base64url').toString('latin1')) ?? [];
  const part = PARTS.find((one) => one === name);
  if (part === undefined || at === undefined || !isWrittenId(id)) {
    throw invalid('cursor', 'must be the nextCursor of a page');
  }
  return { part, after: { at, id } };
}

/** The list in which the page of a cursor begins. Raises validation_failed. */
export function partOf(cursor: string): Part {
  return decodeCursor(cursor).part;
}

/**
 * Returns a page of what is stored about the user. Without a cursor it is the first page, and the export is recorded.
 * Raises validation_failed for a wrong cursor, and session_revoked when the account is closed.
 */
export async function exportPage(
  deps: ExportDeps,
  userId: string,
  { cursor, actorId }: { readonly cursor: string | null; readonly actorId: string | null },
): Promise<ExportPage> {
  const place = cursor === null ? null : decodeCursor(cursor);
  const reader = deps.db.systemReader({ bulk: true });
  const account = await findAccount(reader, { id: userId });
  if (!account) throw problem('session_revoked');
  if (place === null) {
    const event = { type: 'user.exported', organizationId: null, targetId: userId } as const;
    await deps.db.system((tx) => record(tx, { id: newId(deps.random, deps.clock), actorId, ...event }));
  }
  const { id, email, name, emailVerified, platformAdministrator } = account;
  const exported = {
    id,
    email,
    name,
    locale: await findLocale(reader, userId),
    emailVerified,
    platformAdministrator,
    createdAt: account.createdAt.toISOString(),
  };
  const { lists, next } = await readPage(reader, userId, place ?? { part: PARTS[0], after: BEGINNING });
  return {
    data: { exportedAt: deps.clock.now().toISOString(), account: exported, ...lists },
    pagination: { limit: ROWS_MAX, nextCursor: next && encodeCursor(next), hasMore: next !== null },
  };
}

type Lists = { [Name in Part]: PersonalExport[Name][number][] };

async function readPage(
  reader: SystemReader,
  userId: string,
  begin: Place,
): Promise<{ readonly lists: Lists; readonly next: Place | null }> {
  const begun = monotonicMs();
  const lists: Lists = { memberships: [], sessions: [], invitationsSent: [], invitationsAccepted: [], events: [] };
  let left = ROWS_MAX;
  let place: Place | null = begin;
  while (place !== null && left > 0 && monotonicMs() - begun < PAGE_MS_MAX) {
    const count = Math.min(PORTION_ROWS, left);
    const last: { readonly after: After; readonly rows: number } = await READ[place.part](lists, reader, userId, {
      after: place.after,
      count,
    });
    left -= last.rows;
    place = last.rows < count ? partAfter(place.part) : { part: place.part, after: last.after };
  }
  return { lists, next: place };
}

function partAfter(part: Part): Place | null {
  const next = PARTS[PARTS.indexOf(part) + 1];
  return next === undefined ? null : { part: next, after: BEGINNING };
}

interface Portion {
  readonly after: After;
  readonly count: number;
}

type ReadPortion = (
  lists: Lists,
  reader: SystemReader,
  userId: string,
  portion: Portion,
) => Promise<{ readonly after: After; readonly rows: number }>;

const READ: Readonly<Record<Part, ReadPortion>> = {
  async memberships(lists, reader, userId, { after, count }) {
    const rows = await listMembershipsAfter(reader, userId, after, count);
    lists.memberships.push(...rows.map(({ id: _, ...row }) => row));
    return lastOf(rows);
  },
  async sessions(lists, reader, userId, { after, count }) {
    const rows = await listSessionsAfter(reader, userId, after, count);
    lists.sessions.push(...rows);
    return lastOf(rows);
  },
  async invitationsSent(lists, reader, userId, { after, count }) {
    const rows = await listInvitationsAfter(reader, 'sent', userId, after, count);
    lists.invitationsSent.push(...rows);
    return lastOf(rows);
  },
  async invitationsAccepted(lists, reader, userId, { after, count }) {
    const rows = await listInvitationsAfter(reader, 'accepted', userId, after, count);
    lists.invitationsAccepted.push(...rows);
    return lastOf(rows);
  },
  async events(lists, reader, userId, { after, count }) {
    const rows = await listEventsAfter(reader, userId, after, count);
    lists.events.push(...rows.map(({ microseconds: _, ...row }) => row));
    const last = rows.at(-1);
    return { rows: rows.length, after: last ? { id: last.id, at: last.microseconds } : BEGINNING };
  },
};

function lastOf(rows: readonly { readonly id: string }[]) {
  const last = rows.at(-1);
  return { rows: rows.length, after: last ? { ...BEGINNING, id: last.id } : BEGINNING };
}
