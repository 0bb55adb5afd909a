// One claimed mail: made in a short transaction, handed in outside of any, and settled by what came of it.
import { type Database, DatabaseUnavailable } from '../database/db.ts';
import { describeFailure, MailRefused } from '../mail/failures.ts';
import type { Mail, SendMail } from '../mail/smtp.ts';
import type { Log } from '../platform/log.ts';
import type { MailKind } from './kinds.ts';
import { type ClaimedMail, holdClaim, markMailDone, markMailFailed, markMailPostponed } from './store.ts';

export interface SendingDeps {
  readonly db: Database;
  readonly log: Log;
  readonly kinds: ReadonlyMap<string, MailKind>;
}

/** How long a mail waits after each failure but the last: 24 hours in all. */
export const RETRY_SECONDS = [10, 50, 240, 900, 1800, 3600, 7200, 14_400, 28_800, 29_400] as const;

/** Sends or settles a mail that was claimed. Raises DatabaseUnavailable: then it comes again when the claim has run out. */
export async function sendOne(deps: SendingDeps, send: SendMail, claimed: ClaimedMail, signal: AbortSignal) {
  // More than were allowed: the process that had the last attempt did not live to settle it.
  if (claimed.attempts > RETRY_SECONDS.length + 1) return fail(deps, claimed, 'interrupted');
  try {
    const mail = await prepare(deps, claimed);
    if (!mail) return;
    await send({ ...mail, id: claimed.id }, signal);
  } catch (error) {
    if (error instanceof DatabaseUnavailable) throw error;
    if (error instanceof MailRefused) return fail(deps, claimed, error.failure);
    deps.log.error({ err: error, mailId: claimed.id, kind: claimed.kind }, 'a mail could not be made or handed in');
    return fail(deps, claimed, 'unexpected');
  }
  await markMailDone(deps.db.systemReader(), claimed, 'sent');
}

/** The mail; null when there is none to send now, which is settled then. */
function prepare({ db, kinds }: SendingDeps, claimed: ClaimedMail): Promise<Mail | null> {
  return db.system(async (tx) => {
    const kind = kinds.get(claimed.kind);
    if (!kind || !(await holdClaim(tx, claimed))) return null; // whoever takes it next looks again
    const prepared = await kind.prepare(tx, claimed);
    if (prepared && 'to' in prepared) return prepared;
    if (prepared) await markMailPostponed(tx, claimed, prepared.failure, prepared.againSeconds);
    else await markMailDone(tx, claimed, 'unwanted');
    return null;
  });
}

async function fail({ db, log }: SendingDeps, mail: ClaimedMail, failure: string): Promise<void> {
  const { code, detail, trace } = describeFailure(failure);
  const line = { mailId: mail.id, kind: mail.kind, attempts: mail.attempts, failure: code, trace, reason: detail };
  const againSeconds = RETRY_SECONDS[mail.attempts - 1] ?? null;
  if (againSeconds === null) log.error(line, 'a mail could not be sent and is given up: see tenantry mail list');
  else log.warn(line, 'a mail was not taken and waits');
  await markMailFailed(db.systemReader(), mail, failure, againSeconds);
}
