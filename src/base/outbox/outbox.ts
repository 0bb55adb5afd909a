// The dispatcher of the outbox: takes what is due of the kinds it was given, has it made and sent, and tries again later
// when that fails. Any number of processes may do so at once; a row has one taker at a time. Rows of a kind that it does
// not know, a newer version's, stay for that.
import type { Database } from '../database/db.ts';
import { openLoop } from '../loops/loop.ts';
import { MAIL_MS_MAX, type SendMail } from '../mail/smtp.ts';
import type { Log } from '../platform/log.ts';
import type { MailKind } from './kinds.ts';
import { sendOne } from './send-one.ts';
import { claimMails, deleteSettledMails } from './store.ts';

export interface OutboxDeps {
  readonly db: Database;
  readonly log: Log;
  readonly kinds: readonly MailKind[];
  /** Null when mail cannot leave: then it waits. */
  readonly send: SendMail | null;
}

export interface Outbox {
  /** Looks every second from now on. */
  follow(): void;
  /** Looks at once: after a commit that has asked for a mail. */
  nudge(): void;
  /** Sends what is due now; resolves when that is settled. Raises DatabaseUnavailable. */
  sendDue(): Promise<void>;
  /** Takes nothing more, and waits for the mails under way; what takes too long comes again later. */
  stop(): Promise<void>;
}

const LOOK_EVERY_MS = 1_000;
const TIDY_EVERY_MS = 10 * 60_000;
const SETTLED_KEPT_SECONDS = 30 * 86_400;
/** Mails under way at once in one process. */
const AT_ONCE = 4;
// Twice as long as the longest mail: whoever holds a claim is done with it, or was killed, before another takes it.
const LEASE_SECONDS = (2 * MAIL_MS_MAX) / 1000;

/** Opens the outbox without looking into it. */
export function openOutbox({ db, log, kinds, send }: OutboxDeps): Outbox {
  const byName = new Map(kinds.map((kind) => [kind.kind, kind]));
  const deps = { db, log, kinds: byName };

  const sending = openLoop({
    name: 'outbox',
    everyMs: LOOK_EVERY_MS,
    failing: 'the outbox cannot be emptied',
    working: 'the outbox is emptied again',
    log,
    async work({ isStopping, signal }) {
      if (send === null) return;
      while (!isStopping()) {
        const claimed = await claimMails(db.systemReader(), [...byName.keys()], AT_ONCE, LEASE_SECONDS);
        const settled = await Promise.allSettled(claimed.map((mail) => sendOne(deps, send, mail, signal)));
        const unsettled = settled.find((outcome) => outcome.status === 'rejected');
        if (unsettled) throw unsettled.reason;
        if (claimed.length < AT_ONCE) return;
      }
    },
  });

  const tidying = openLoop({
    name: 'settled mails',
    everyMs: TIDY_EVERY_MS,
    failing: 'settled mails stay for now',
    working: 'settled mails are removed again',
    log,
    work: () => deleteSettledMails(db.systemReader(), SETTLED_KEPT_SECONDS),
  });

  return {
    follow() {
      sending.start();
      tidying.start();
    },
    nudge: sending.nudge,
    sendDue: sending.run,
    async stop() {
      await Promise.all([sending.stop(), tidying.stop()]);
    },
  };
}
