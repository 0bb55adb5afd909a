// The dispatcher of the outbox: takes what is due, makes the token and the mail, hands it in, and tries again later when
// that fails. Any number of processes may do so at once; a row has one taker at a time.
import type { Database } from '../../base/database/db.ts';
import { MAIL_MS_MAX, MailRefused, type SendMail } from '../../base/mail/smtp.ts';
import type { Log } from '../../base/platform/log.ts';
import type { Random } from '../../base/platform/random.ts';
import { writeInvitationMail } from './mail.ts';
import {
  type ClaimedMail,
  claimMails,
  deleteSettledMails,
  markMailDone,
  markMailFailed,
  settleUnsent,
  updateToken,
} from './outbox-store.ts';
import { hashOfToken, newInvitationToken } from './token.ts';

export interface OutboxDeps {
  readonly db: Database;
  readonly log: Log;
  readonly random: Random;
  /** Where links in mails begin. */
  readonly appUrl: string;
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
/** How long to wait after each failure but the last: about 16 hours in all. */
export const RETRY_SECONDS = [10, 30, 120, 600, 1800, 3600, 7200, 14_400, 28_800] as const;
/** How long a mail waits before it is looked at again whether its organization is active. */
const SUSPENDED_SECONDS = 600;
const STOP_MS = 5_000;

/** Opens the outbox without looking into it. */
export function openOutbox(deps: OutboxDeps): Outbox {
  const stopping = new AbortController();
  let looking: Promise<void> | undefined;
  let again = false;
  let failing = false;
  let timer: NodeJS.Timeout | undefined;
  let tidying: NodeJS.Timeout | undefined;
  let stopped = false;

  async function sendDue(): Promise<void> {
    const { send } = deps;
    if (send === null) return;
    while (!stopped) {
      const claimed = await claimMails(deps.db.systemReader(), AT_ONCE, LEASE_SECONDS);
      const settled = await Promise.allSettled(claimed.map((mail) => sendOne(deps, send, mail, stopping.signal)));
      const unsettled = settled.find((outcome) => outcome.status === 'rejected');
      if (unsettled) throw unsettled.reason;
      if (claimed.length < AT_ONCE) return;
    }
  }

  async function look(): Promise<void> {
    do {
      again = false;
      try {
        await sendDue();
        failing = false;
      } catch (error) {
        if (!failing) deps.log.warn({ err: error }, 'the outbox cannot be emptied');
        failing = true;
      }
    } while (again && !stopped);
  }

  function nudge(): void {
    if (stopped) return;
    if (looking) again = true;
    else {
      looking = look().finally(() => {
        looking = undefined;
      });
    }
  }

  return {
    follow() {
      timer ??= setInterval(nudge, LOOK_EVERY_MS).unref();
      tidying ??= setInterval(tidy, TIDY_EVERY_MS, deps).unref();
    },
    nudge,
    sendDue,
    async stop() {
      stopped = true;
      clearInterval(timer);
      clearInterval(tidying);
      const patience = setTimeout(() => stopping.abort(), STOP_MS);
      await looking;
      clearTimeout(patience);
    },
  };
}

function tidy({ db, log }: OutboxDeps): void {
  deleteSettledMails(db.systemReader(), SETTLED_KEPT_SECONDS).catch((error: Error) =>
    log.warn({ reason: error.message }, 'settled mails stay for now'),
  );
}

/** Settles one claimed mail. The transport is asked outside of any transaction. */
async function sendOne(deps: OutboxDeps, send: SendMail, mail: ClaimedMail, signal: AbortSignal): Promise<void> {
  const reader = deps.db.systemReader();
  // More than were allowed: the process that had the last attempt did not live to settle it.
  if (mail.attempts > RETRY_SECONDS.length + 1) return giveUp(deps, mail, 'interrupted');
  // The token is made now, and nowhere but in the mail: a look into the database redeems nothing.
  const token = newInvitationToken(deps.random);
  const addressed = await updateToken(reader, mail, hashOfToken(token));
  if (!addressed) return settleUnsent(reader, mail, SUSPENDED_SECONDS);
  try {
    await send({ to: addressed.email, ...writeInvitationMail({ ...addressed, appUrl: deps.appUrl, token }) }, signal);
  } catch (error) {
    const refused = error instanceof MailRefused;
    if (!refused) deps.log.error({ err: error, mailId: mail.id }, 'a mail could not be made or handed in');
    const failure = refused ? error.message : 'unexpected';
    const againSeconds = RETRY_SECONDS[mail.attempts - 1];
    if (againSeconds === undefined) return giveUp(deps, mail, failure);
    deps.log.warn({ mailId: mail.id, attempts: mail.attempts, failure }, 'a mail was not taken and waits');
    return markMailFailed(reader, mail, failure, againSeconds);
  }
  await markMailDone(reader, mail);
}

async function giveUp(deps: OutboxDeps, mail: ClaimedMail, failure: string): Promise<void> {
  deps.log.error({ mailId: mail.id, attempts: mail.attempts, failure }, 'a mail could not be sent and is given up');
  await markMailFailed(deps.db.systemReader(), mail, failure, null);
}
