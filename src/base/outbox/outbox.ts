// The outbox claims due mails of its kinds, and creates and sends them. A mail that fails is tried again later, until
// its attempts are used up. Any number of processes may do this at the same time, but only one at a time has the claim
// on a row. A row with an unknown kind belongs to a newer version of the program, and stays for that version.
import type { Database } from '../database/db.ts';
import { openLoop } from '../loops/loop.ts';
import { MAIL_MS_MAX, type SendMail } from '../mail/smtp.ts';
import type { Log } from '../platform/log.ts';
import type { MailKind } from './kinds.ts';
import { sendOne } from './send-one.ts';
import { claimMails, senderOf } from './store.ts';
import { tidyOutbox } from './tidy.ts';

export interface OutboxDeps {
  readonly db: Database;
  readonly log: Log;
  readonly kinds: readonly MailKind[];
  /** Null when no mail can be sent. Then all mails wait for as long as a mail is tried otherwise, and then are dead. */
  readonly send: SendMail | null;
}

export interface Outbox {
  /** Starts to check the outbox every second. */
  follow(): void;
  /** Checks the outbox now. Call it after the commit that requested a mail. */
  nudge(): void;
  /**
   * Sends the due mails. Resolves when each of them is sent, is postponed, is no longer wanted, or has failed. Raises
   * DatabaseUnavailable.
   */
  sendDue(): Promise<void>;
  /**
   * Gives up mails that have waited too long while no mail can be sent, and removes old mails and old recipients, as
   * the outbox does every ten minutes. Raises DatabaseUnavailable.
   */
  tidy(): Promise<void>;
  /**
   * Claims no more mails, and waits for the mails that are being sent. A mail that takes too long is aborted and tried
   * again later.
   */
  stop(): Promise<void>;
}

const CHECK_EVERY_MS = 1_000;
const TIDY_EVERY_MS = 10 * 60_000;
/** The maximum number of mails that one process sends at the same time. */
const AT_ONCE = 4;
/** The number of claims that are remembered for the turns of the senders. */
const REMEMBERED_CLAIMS = 100;
// Twice the longest time for one mail. Before another process claims the mail, this process has finished it or was
// killed.
const LEASE_SECONDS = (2 * MAIL_MS_MAX) / 1000;

/** Opens the outbox. The outbox does nothing before one of its functions is called. */
export function openOutbox({ db, log, kinds, send }: OutboxDeps): Outbox {
  const byName = new Map(kinds.map((kind) => [kind.kind, kind]));
  const deps = { db, log, kinds: byName };
  const claiming = { kinds: [...byName.keys()], count: AT_ONCE, leaseSeconds: LEASE_SECONDS };
  let recentSenders: readonly string[] = [];

  const sending = openLoop({
    name: 'outbox',
    everyMs: CHECK_EVERY_MS,
    failing: 'mails cannot be sent from the outbox',
    working: 'mails are sent from the outbox again',
    log,
    async work({ isStopping, signal }) {
      if (send === null) return;
      while (!isStopping()) {
        const claimed = await claimMails(db.systemReader(), { ...claiming, recentSenders });
        recentSenders = [...recentSenders, ...claimed.map(senderOf)].slice(-REMEMBERED_CLAIMS);
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
    failing: 'settled mails cannot be removed',
    working: 'settled mails are removed again',
    log,
    work: ({ isStopping }) => tidyOutbox({ db, log, kinds: claiming.kinds, canSend: send !== null }, isStopping),
  });

  return {
    follow() {
      sending.start();
      tidying.start();
    },
    nudge: sending.nudge,
    sendDue: sending.run,
    tidy: tidying.run,
    async stop() {
      await Promise.all([sending.stop(), tidying.stop()]);
    },
  };
}
