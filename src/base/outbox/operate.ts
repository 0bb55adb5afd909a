// What operators do with mails: look at them, let dead ones be tried again, and drop what need not be sent. Each change
// records its event, without an actor.
import type { Database, SystemTx } from '../database/db.ts';
import { problem } from '../errors/problem.ts';
import { record } from '../events/record.ts';
import { type DescribedFailure, describeFailure } from '../mail/failures.ts';
import type { Clock } from '../platform/clock.ts';
import { type Page, type Paged, paged } from '../platform/page.ts';
import { newId, type Random } from '../platform/random.ts';
import {
  countMails,
  listDead,
  listMailRows,
  listStates,
  markDropped,
  type StoredMail,
  type TouchedMail,
  updateDeadToDue,
} from './operator-store.ts';

/** `unwanted`: what it was about had ended before it was sent. `dropped`: an operator did not want it. */
export const MAIL_STATES = ['waiting', 'dead', 'sent', 'unwanted', 'dropped'] as const;
export type MailState = (typeof MAIL_STATES)[number];

export interface MailOperatorDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly random: Random;
}

/** A mail as operators see it: without an address and without its words. */
export type MailSeen = Omit<StoredMail, 'createdAt' | 'dueAt' | 'triedAt' | 'doneAt' | 'failure'> & {
  readonly createdAt: string;
  readonly dueAt: string | null;
  readonly triedAt: string | null;
  readonly doneAt: string | null;
  /** Of the last attempt that failed. */
  readonly failure: DescribedFailure | null;
};

/** What became of the mails that were named. */
export interface MailsChanged {
  readonly changed: readonly string[];
  /** Those that the change does not fit, and what they are. */
  readonly unchanged: readonly { readonly id: string; readonly state: MailState }[];
}

/** One transaction changes so many at the most. */
const AT_ONCE = 50;

/** The mails of the last 30 days, the newest first; `state` null for all. */
export async function listMails(
  { db }: Pick<MailOperatorDeps, 'db'>,
  state: MailState | null,
  asked: Page,
): Promise<Paged<MailSeen>> {
  const reader = db.systemReader();
  return paged(await listMailRows(reader, state, asked), asked, {
    toItem: toSeen,
    countAll: () => countMails(reader, state),
  });
}

/** How many mails are dead. */
export function countDeadMails({ db }: Pick<MailOperatorDeps, 'db'>): Promise<number> {
  return countMails(db.systemReader(), 'dead');
}

/** Lets dead mails be tried again, at once and as often as a new one. Raises not_found, and changes nothing then. */
export function retryMails(deps: MailOperatorDeps, ids: readonly string[]): Promise<MailsChanged> {
  return change(deps, ids, 'mail.retried', updateDeadToDue);
}

/**
 * Lets mails that are dead or wait never be sent; one that is under way at this moment may still leave. Raises not_found,
 * and changes nothing then.
 */
export function dropMails(deps: MailOperatorDeps, ids: readonly string[]): Promise<MailsChanged> {
  return change(deps, ids, 'mail.dropped', markDropped);
}

/** Does one of the two with every mail that is dead; gives their ids. */
export async function changeAllDead(
  deps: MailOperatorDeps,
  work: typeof retryMails | typeof dropMails,
): Promise<MailsChanged> {
  const changed: string[] = [];
  let left = await countDeadMails(deps); // what dies meanwhile is not gone after
  while (left > 0) {
    const ids = await listDead(deps.db.systemReader(), Math.min(AT_ONCE, left));
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
  update: (tx: SystemTx, ids: readonly string[]) => Promise<TouchedMail[]>,
): Promise<MailsChanged> {
  const ids = [...new Set(named)];
  const { states, touched } = await deps.db.system(async (tx) => {
    const found = await listStates(tx, ids);
    if (found.length < ids.length) return { states: found, touched: [] };
    const changed = await update(tx, ids);
    for (const { id, kind, organizationId, subjectId } of changed) {
      await record(tx, {
        id: newId(deps.random, deps.clock),
        type,
        organizationId,
        actorId: null,
        targetId: id,
        data: { kind, subjectId },
      });
    }
    return { states: found, touched: changed };
  });
  const missing = ids.find((id) => !states.some((found) => found.id === id));
  if (missing !== undefined)
    throw problem('not_found', { detail: `There is no mail ${missing}: list the mails first.` });
  const changed = touched.map(({ id }) => id);
  return { changed, unchanged: states.filter(({ id }) => !changed.includes(id)) };
}

function toSeen(row: StoredMail): MailSeen {
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
