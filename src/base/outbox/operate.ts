// The operations of operators on mails: list them, retry dead ones, and drop mails that need not be sent. Each change
// records an event without an actor.
import type { Database } from '../database/db.ts';
import { problem } from '../errors/problem.ts';
import { record } from '../events/record.ts';
import { type DescribedFailure, describeFailure } from '../mail/failures.ts';
import type { Clock } from '../platform/clock.ts';
import { type Page, type Paged, paged } from '../platform/page.ts';
import { newId, type Random } from '../platform/random.ts';
import {
  countMails,
  listDead,
  listKnown,
  listMailRows,
  lockStates,
  markDropped,
  type StoredMail,
  updateDeadToDue,
} from './operator-store.ts';

/**
 * `dead`: every attempt has failed. `unwanted`: the mail was no longer wanted before it was sent. `dropped`: an
 * operator dropped it. `done`: sent or unwanted, but the previous version, which ended the mail, did not record which.
 */
export const MAIL_STATES = ['waiting', 'dead', 'sent', 'unwanted', 'dropped', 'done'] as const;
export type MailState = (typeof MAIL_STATES)[number];

export interface MailOperatorDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly random: Random;
}

/** A mail as operators see it, without its address or text. */
export type ListedMail = Omit<StoredMail, 'createdAt' | 'dueAt' | 'triedAt' | 'doneAt' | 'failure'> & {
  readonly createdAt: string;
  readonly dueAt: string | null;
  readonly triedAt: string | null;
  readonly doneAt: string | null;
  /** The failure of the last attempt. */
  readonly failure: DescribedFailure | null;
};

/** The result of a change of several mails. */
export interface MailsChanged {
  readonly changed: readonly string[];
  /** The mails that cannot be changed in this way, with their states. */
  readonly unchanged: readonly { readonly id: string; readonly state: MailState }[];
}

/** The maximum number of mails that one transaction changes. */
const MAILS_PER_TRANSACTION = 50;

/**
 * Lists the mails of the outbox, the newest first. The outbox keeps settled mails for 30 days. With the state null,
 * lists the mails of every state.
 */
export async function listMails(
  { db }: Pick<MailOperatorDeps, 'db'>,
  state: MailState | null,
  page: Page,
): Promise<Paged<ListedMail>> {
  const reader = db.systemReader();
  return paged(await listMailRows(reader, state, page), page, {
    toItem: toListedMail,
    countAll: () => countMails(reader, state),
  });
}

/** Returns the number of dead mails. */
export function countDeadMails({ db }: Pick<MailOperatorDeps, 'db'>): Promise<number> {
  return countMails(db.systemReader(), 'dead');
}

/** How mails are changed: `retry` makes dead ones due now, `drop` ends dead and waiting ones. */
const CHANGES = {
  retry: { type: 'mail.retried', update: updateDeadToDue },
  drop: { type: 'mail.dropped', update: markDropped },
} as const;
export type MailChange = keyof typeof CHANGES;

/**
 * Retries or drops the mails with these ids. A retried mail has as many attempts as a new one. A dropped mail is never
 * sent, unless it is being sent at this moment. Raises not_found when an id has no mail, and then changes nothing.
 */
export async function changeMails(
  deps: MailOperatorDeps,
  change: MailChange,
  named: readonly string[],
): Promise<MailsChanged> {
  const ids = [...new Set(named)];
  const known = new Set(await listKnown(deps.db.systemReader(), ids));
  const missing = ids.find((id) => !known.has(id));
  if (missing !== undefined)
    throw problem('not_found', { detail: `There is no mail ${missing}: list the mails first.` });
  const done: MailsChanged[] = [];
  for (const part of chunksOf(ids)) done.push(await changeSome(deps, change, part));
  return { changed: done.flatMap(({ changed }) => changed), unchanged: done.flatMap(({ unchanged }) => unchanged) };
}

/** Retries or drops every dead mail. Returns their ids. A mail that was removed meanwhile is left out. */
export async function changeAllDead(deps: MailOperatorDeps, change: MailChange): Promise<MailsChanged> {
  const changed: string[] = [];
  let left = await countDeadMails(deps); // mails that become dead later are not included
  while (left > 0) {
    const ids = await listDead(deps.db.systemReader(), Math.min(MAILS_PER_TRANSACTION, left));
    if (ids.length === 0) break;
    changed.push(...(await changeSome(deps, change, ids)).changed);
    left -= ids.length;
  }
  return { changed, unchanged: [] };
}

function chunksOf(ids: readonly string[]): (readonly string[])[] {
  const chunks: (readonly string[])[] = [];
  for (let at = 0; at < ids.length; at += MAILS_PER_TRANSACTION) chunks.push(ids.slice(at, at + MAILS_PER_TRANSACTION));
  return chunks;
}

/** Changes the mails in one transaction. An id without a mail is left out. */
function changeSome(deps: MailOperatorDeps, change: MailChange, ids: readonly string[]): Promise<MailsChanged> {
  const { type, update } = CHANGES[change];
  return deps.db.system(async (tx) => {
    const states = await lockStates(tx, ids);
    const mails = await update(tx, ids);
    for (const { id, kind, organizationId, subjectId } of mails) {
      await record(tx, {
        id: newId(deps.random, deps.clock),
        type,
        organizationId,
        actorId: null,
        targetId: id,
        data: { kind, subjectId },
      });
    }
    const changed = mails.map(({ id }) => id);
    return { changed, unchanged: states.filter(({ id }) => !changed.includes(id)) };
  });
}

function toListedMail(row: StoredMail): ListedMail {
  const { id, kind, state, organizationId, userId, subjectId, attempts } = row;
  return {
    id,
    kind,
    state,
    organizationId,
    userId,
    subjectId,
    attempts,
    createdAt: row.createdAt.toISOString(),
    dueAt: row.dueAt?.toISOString() ?? null,
    triedAt: row.triedAt?.toISOString() ?? null,
    doneAt: row.doneAt?.toISOString() ?? null,
    failure: row.failure === null ? null : describeFailure(row.failure),
  };
}
