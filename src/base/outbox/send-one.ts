// Sends one claimed mail. The mail is made in a short transaction, sent outside of any transaction, and then settled by
// the result.
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

/** How long a mail waits after each failure except the last: 24 hours in total. */
export const RETRY_SECONDS = [10, 50, 240, 900, 1800, 3600, 7200, 14_400, 28_800, 29_400] as const;

/** Sends or settles a claimed mail. Raises DatabaseUnavailable: then the mail is tried again when the claim has expired. */
export async function sendOne(deps: SendingDeps, send: SendMail, claimed: ClaimedMail, signal: AbortSignal) {
  // More attempts than allowed: the process of the last attempt ended before it settled the mail.
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

/** Makes the mail; null when it must not be sent now. In that case the row is settled here. */
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
