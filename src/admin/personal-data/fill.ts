// Seals the rows that the previous version writes unsealed while it runs at the same time as this one. A loop of every
// process does this. The command `tenantry keys seal`, which ends that time, seals the rest.
import { setTimeout as pause } from 'node:timers/promises';
import type { Database, SystemTx } from '../../base/database/db.ts';
import { type Loop, openLoop } from '../../base/loops/loop.ts';
import type { Log } from '../../base/platform/log.ts';
import {
  listUnsealedInvitations,
  listUnsealedMails,
  listUnsealedSessions,
  listUnsealedUsers,
  lockSealing,
  SEALED_AT_ONCE,
  updateInvitationsSealed,
  updateMailsSealed,
  updateSessionsSealed,
  updateUsersSealed,
} from './fill-store.ts';

const CHECK_EVERY_MS = 5_000;
/** Requests come first: between two slices, the process handles other work for at least this long. */
const PAUSE_MS = 20;

/** A function that seals the next rows of one table. It returns how many rows it found. */
type FillSlice = (tx: SystemTx) => Promise<number>;

const users: FillSlice = async (tx) => {
  const rows = await listUnsealedUsers(tx);
  const { personal } = tx;
  await updateUsersSealed(
    tx,
    rows.map((row) => ({
      ...row,
      emailSealed: personal.seal('users.email', row.id, row.email),
      nameSealed: personal.seal('users.name', row.id, row.name),
      emailLookup: personal.lookup('users.email', row.emailKey),
      nameGrams: personal.grams(row.name),
      emailGrams: personal.grams(row.email),
    })),
  );
  return rows.length;
};

const sessions: FillSlice = async (tx) => {
  const rows = await listUnsealedSessions(tx);
  await updateSessionsSealed(
    tx,
    rows.map(({ id, userAgent, ip }) => ({
      id,
      userAgentSealed: tx.personal.seal('sessions.user_agent', id, userAgent),
      ipSealed: tx.personal.seal('sessions.ip', id, ip),
    })),
  );
  return rows.length;
};

const invitations: FillSlice = async (tx) => {
  const rows = await listUnsealedInvitations(tx);
  await updateInvitationsSealed(
    tx,
    rows.map((row) => ({
      ...row,
      emailSealed: tx.personal.seal('invitations.email', row.id, row.email),
      emailLookup: tx.personal.lookup('invitations.email', row.emailKey),
    })),
  );
  return rows.length;
};

const mails: FillSlice = async (tx) => {
  const rows = await listUnsealedMails(tx);
  const found = rows.map(({ id, recipientKey }) => {
    return { id, recipientLookup: tx.personal.lookup('outbox.recipient', recipientKey) };
  });
  await updateMailsSealed(tx, found);
  return rows.length;
};

const TABLES: readonly FillSlice[] = [users, sessions, invitations, mails];

export interface FillOptions {
  /** Called after each slice with the number of its rows. */
  readonly onSlice?: (rows: number) => void;
  /** Stops early when it returns true. */
  readonly isOver?: () => boolean;
  readonly pauseMs?: number;
}

/**
 * Seals every row that is not sealed yet. Returns false when it stopped early, or when another process seals at the
 * moment.
 */
export async function sealRows(
  { db }: { readonly db: Database },
  { onSlice = () => undefined, isOver = () => false, pauseMs = 0 }: FillOptions = {},
): Promise<boolean> {
  for (const fill of TABLES) {
    for (;;) {
      if (isOver()) return false;
      const found = await db.system(async (tx) => ((await lockSealing(tx)) ? fill(tx) : null));
      if (found === null) return false;
      onSlice(found);
      if (found < SEALED_AT_ONCE) break;
      if (pauseMs > 0) await pause(pauseMs);
    }
  }
  return true;
}

/** Opens the loop that seals rows while the database still has unsealed rows. */
export function openSealing({ db, log }: { readonly db: Database; readonly log: Log }): Loop {
  return openLoop({
    name: 'sealing of personal data',
    everyMs: CHECK_EVERY_MS,
    failing: 'unsealed personal data cannot be sealed',
    working: 'unsealed personal data is sealed again',
    log,
    async work({ isStopping }) {
      if (db.personal.isSealed) return;
      await sealRows({ db }, { isOver: isStopping, pauseMs: PAUSE_MS });
    },
  });
}
