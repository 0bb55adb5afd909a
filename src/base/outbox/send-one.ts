// Sends one claimed mail. The mail is created in a short transaction and sent outside of any transaction. The result is
// then written to the row.
import { type Database, DatabaseUnavailable } from '../database/db.ts';
import { describeFailure, MailRefused } from '../mail/failures.ts';
import type { Mail, SendMail } from '../mail/smtp.ts';
import type { Log } from '../platform/log.ts';
import type { MailKind } from './kinds.ts';
import { type ClaimedMail, lockClaim, markMailDone, markMailFailed, markMailPostponed } from './store.ts';

export interface SendingDeps {
  readonly db: Database;
  readonly log: Log;
  readonly kinds: ReadonlyMap<string, MailKind>;
}

/** How long a mail waits after each failure except the last. The waits take 24 hours in total. */
export const RETRY_SECONDS = [10, 50, 240, 900, 1800, 3600, 7200, 14_400, 28_800, 29_400] as const;
/** How long a mail is tried. */
export const TRIED_SECONDS = RETRY_SECONDS.reduce((sum, seconds) => sum + seconds, 0);

/**
 * Sends a claimed mail and writes the result to the row. When it raises DatabaseUnavailable, the mail is tried again
 * after the claim has expired.
 */
export async function sendOne(deps: SendingDeps, send: SendMail, claimed: ClaimedMail, signal: AbortSignal) {
  // There were more attempts than allowed, so the process of the last attempt ended before it wrote a result.
  if (claimed.attempts > RETRY_SECONDS.length + 1) return fail(deps, claimed, 'interrupted');
  try {
    const mail = await prepare(deps, claimed);
    if (!mail) return;
    await send({ ...mail, id: claimed.id }, signal);
  } catch (error) {
    if (error instanceof DatabaseUnavailable) throw error;
    if (error instanceof MailRefused) return fail(deps, claimed, error.failure);
    deps.log.error({ err: error, mailId: claimed.id, kind: claimed.kind }, 'a mail could not be created or sent');
    return fail(deps, claimed, 'unexpected');
  }
  await markMailDone(deps.db.systemReader(), claimed, 'sent');
}

/** Creates the mail. Returns null when the mail must not be sent now, and then writes the reason to the row. */
function prepare({ db, kinds }: SendingDeps, claimed: ClaimedMail): Promise<Mail | null> {
  return db.system(async (tx) => {
    const kind = kinds.get(claimed.kind);
    if (!kind || !(await lockClaim(tx, claimed))) return null; // the process that claims it next decides
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
  if (againSeconds === null) log.error(line, 'a mail could not be sent and is dead: see tenantry mail list');
  else log.warn(line, 'a mail was not accepted and waits for the next attempt');
  await markMailFailed(db.systemReader(), mail, failure, againSeconds);
}
