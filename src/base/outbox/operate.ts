// The operations of operators on mails: list them, retry dead ones, and drop mails that need not be sent. Each change
// records an event without an actor.
import type { Database, SystemTx } from '../database/db.ts';
import { problem } from '../errors/problem.ts';
import { record } from '../events/record.ts';
import { type DescribedFailure, describeFailure } from '../mail/failures.ts';
import type { Clock } from '../platform/clock.ts';
import { type Page, type Paged, paged } from '../platform/page.ts';
import { newId, type Random } from '../platform/random.ts';
import {
  type ChangedMail,
  countMails,
  listDead,
  listMailRows,
  listStates,
  markDropped,
  type StoredMail,
  updateDeadToDue,
} from './operator-store.ts';

/**
 * `unwanted` means that the subject of the mail had ended before the mail was sent. `dropped` means that an operator
 * dropped the mail.
 */
export const MAIL_STATES = ['waiting', 'dead', 'sent', 'unwanted', 'dropped'] as const;
export type MailState = (typeof MAIL_STATES)[number];

export interface MailOperatorDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly random: Random;
}

/** A mail as operators see it, without its address and text. */
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

/** The most mails that one transaction changes. */
const MAILS_PER_TRANSACTION = 50;

/** Lists the mails of the last 30 days, the newest first. With the state null, lists the mails of every state. */
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

/**
 * Makes dead mails due now, with as many attempts as a new mail. Raises not_found when a mail does not exist, and then
 * changes nothing.
 */
export function retryMails(deps: MailOperatorDeps, ids: readonly string[]): Promise<MailsChanged> {
  return change(deps, ids, 'mail.retried', updateDeadToDue);
}

/**
 * Drops dead or waiting mails, so that they are never sent. A mail that is being sent at this moment may still be sent.
 * Raises not_found when a mail does not exist, and then changes nothing.
 */
export function dropMails(deps: MailOperatorDeps, ids: readonly string[]): Promise<MailsChanged> {
  return change(deps, ids, 'mail.dropped', markDropped);
}

/** Retries or drops every dead mail. Returns their ids. */
export async function changeAllDead(
  deps: MailOperatorDeps,
  work: typeof retryMails | typeof dropMails,
): Promise<MailsChanged> {
  const changed: string[] = [];
  let left = await countDeadMails(deps); // mails that become dead later are not included
  while (left > 0) {
    const ids = await listDead(deps.db.systemReader(), Math.min(MAILS_PER_TRANSACTION, left));
    if (ids.length === 0) break;
    changed.push(...(await work(deps, ids)).changed);
    left -= ids.length;
  }
  return { changed, unchanged: [] };
}

async function change(
  deps: MailOperatorDeps,
  named: readonly string[],
  type: 'mail.retried' | 'mail.dropped',
  update: (tx: SystemTx, ids: readonly string[]) => Promise<ChangedMail[]>,
): Promise<MailsChanged> {
  const ids = [...new Set(named)];
  const { states, changed } = await deps.db.system(async (tx) => {
    const found = await listStates(tx, ids);
    if (found.length < ids.length) return { states: found, changed: [] };
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
    return { states: found, changed: mails.map(({ id }) => id) };
  });
  const missing = ids.find((id) => !states.some((found) => found.id === id));
  if (missing !== undefined)
    throw problem('not_found', { detail: `There is no mail ${missing}: list the mails first.` });
  return { changed, unchanged: states.filter(({ id }) => !changed.includes(id)) };
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
