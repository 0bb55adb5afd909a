// Opens an outbox that sends only when a test calls it, and reads the rows of the outbox.
import type { Test } from 'tap';
import type { Database } from '../../../src/base/database/db.ts';
import type { SendMail } from '../../../src/base/mail/smtp.ts';
import { openOutbox } from '../../../src/base/outbox/outbox.ts';
import { systemRandom } from '../../../src/base/platform/random.ts';
import { invitationMail } from '../../../src/directory/invitations/mail.ts';
import { type Inviting, openInviting } from '../../directory/invitations/inviting.ts';
import type { TestDatabase } from '../../support/database.ts';
import { mailKitFor } from '../../support/fixtures/mail-kit.ts';
import { lookupOf } from '../../support/personal.ts';
import { until } from '../../support/until.ts';

export interface OutboxRow {
  readonly id: string;
  readonly attempts: number;
  readonly waiting: boolean;
  readonly done: boolean;
  readonly outcome: string | null;
  readonly failure: string | null;
  /** The time until the mail is due. */
  readonly seconds: number;
}

const ROW = `id, attempts, due_at IS NOT NULL AS waiting, done_at IS NOT NULL AS done, outcome, failure,
  coalesce(extract(epoch FROM due_at - now()), 0)::float8 AS seconds`;

/** Returns the newest row of an address. */
export async function rowOf({ database }: { readonly database: TestDatabase }, email: string): Promise<OutboxRow> {
  const [row] = await database.query<OutboxRow & Record<string, unknown>>(
    `SELECT ${ROW} FROM outbox WHERE recipient_lookup = $1 ORDER BY created_at DESC LIMIT 1`,
    [lookupOf('outbox.recipient', email.toLowerCase())],
  );
  if (!row) throw new Error(`no mail to ${email} was asked for`);
  return row;
}

/** Returns the newest row of an address once that row has the wanted state. */
export async function settled(
  asked: { readonly database: TestDatabase },
  email: string,
  wanted: (row: OutboxRow) => boolean,
): Promise<OutboxRow> {
  let row = await rowOf(asked, email);
  await until(async () => {
    row = await rowOf(asked, email);
    return wanted(row);
  });
  return row;
}

/** Returns a log that keeps every line as text. Errors are kept with their stacks. */
export function keepingLog() {
  const lines: string[] = [];
  const asText = (_: string, value: unknown) => (value instanceof Error ? value.stack : value);
  const keep = (...said: unknown[]) => void lines.push(JSON.stringify(said, asText));
  return { lines, debug: keep, info: keep, warn: keep, error: keep, fatal: keep };
}

/** Opens a service that sends no mail. The test sends the mails. */
export async function openQuiet(t: Test): Promise<Inviting> {
  const inviting = await openInviting(t);
  await inviting.service.app.parts.outbox.stop();
  return inviting;
}

/** Opens one more outbox on the database of a service. */
export function outboxOf(
  { service }: Inviting,
  send: SendMail | null,
  { log = keepingLog(), db = service.app.parts.db }: { log?: ReturnType<typeof keepingLog>; db?: Database } = {},
) {
  const kinds = [invitationMail({ random: systemRandom, mailKit: mailKitFor() })];
  return openOutbox({ db, log, kinds, send });
}

/** Makes every waiting mail due. */
export function dueNow({ database }: { readonly database: TestDatabase }) {
  return database.query('UPDATE outbox SET due_at = now() WHERE due_at IS NOT NULL');
}
