// The command `tenantry mail` lists the mails of the outbox, tries again to send those that could not be sent, and
// drops mails.
import { type Command, Option } from 'commander';
import {
  changeAllDead,
  changeMails,
  countDeadMails,
  type ListedMail,
  listMails,
  MAIL_STATES,
  type MailState,
  type MailsChanged,
} from '../base/outbox/operate.ts';
import { isIdShaped } from '../protocol/id.ts';
import { act, counted, group, leaf, type Outcome, pageText, paginated } from './line/command.ts';
import type { Invocation } from './line/invocation.ts';
import { withOperator } from './line/operator.ts';
import { UsageRefused } from './line/refusal.ts';
import { confirm } from './line/terminal.ts';
import { mailPreviewCommand } from './mail-preview.ts';

interface ListOptions {
  readonly state?: MailState;
  readonly limit: number;
  readonly offset: number;
}

interface ChangeOptions {
  readonly allDead?: true;
  readonly yes?: true;
}

/** Adds the commands. */
export function mailCommands(program: Command, invocation: Invocation): void {
  const mail = group(program, 'mail', 'Mails that wait, were sent, or could not be sent');
  const allDead = () => new Option('--all-dead', 'every mail that could not be sent');
  mailPreviewCommand(mail, invocation);
  paginated(leaf(mail, 'list', 'List the mails of the last 30 days, the newest first'))
    .addOption(new Option('--state <state>', 'only mails in this state').choices(MAIL_STATES))
    .action(act<ListOptions>(invocation, list));
  leaf(mail, 'retry [id...]', 'Try again, at once, to send mails that could not be sent')
    .addOption(allDead())
    .action(act<ChangeOptions>(invocation, retry));
  leaf(mail, 'drop [id...]', 'Drop mails that could not be sent, or that wait; they are never sent')
    .addOption(allDead())
    .option('--yes', 'do not ask for confirmation')
    .action(act<ChangeOptions>(invocation, drop));
}

function list(invocation: Invocation, { state, limit, offset }: ListOptions): Promise<Outcome> {
  return withOperator(invocation, async (operator) => {
    const page = await listMails(operator, state ?? null, { limit, offset });
    const rows = page.data.map((mail) => [
      mail.id,
      mail.kind,
      mail.state,
      mail.organizationId ?? '–',
      mail.createdAt,
      mail.dueAt ?? mail.doneAt ?? mail.triedAt ?? '–',
      String(mail.attempts),
      mail.failure?.code ?? '–',
    ]);
    const names = ['ID', 'KIND', 'STATE', 'ORGANIZATION', 'REQUESTED', 'DUE OR DONE', 'TRIES', 'LAST FAILURE'];
    const text = `${pageText(names, rows, page.pagination)}${legend(page.data)}`;
    return { document: page as { data: unknown }, text };
  });
}

/** Explains each failure on the page once. */
function legend(mails: readonly ListedMail[]): string {
  const known = new Map<string, string>();
  for (const { failure } of mails) {
    if (failure) known.set(failure.trace === '' ? failure.code : `${failure.code} (${failure.trace})`, failure.detail);
  }
  return known.size === 0 ? '' : `\n\n${[...known].map(([code, detail]) => `${code}: ${detail}`).join('\n')}`;
}

async function retry(invocation: Invocation, options: ChangeOptions, ...typed: string[]): Promise<Outcome> {
  const ids = named(options, typed);
  return withOperator(invocation, async (operator) => {
    const done = ids ? await changeMails(operator, 'retry', ids) : await changeAllDead(operator, 'retry');
    return outcome(done, 'will be sent', 'will be sent', 'while the service runs', 'is not dead');
  });
}

async function drop(invocation: Invocation, options: ChangeOptions, ...typed: string[]): Promise<Outcome> {
  const ids = named(options, typed);
  return withOperator(invocation, async (operator) => {
    const count = ids?.length ?? (await countDeadMails(operator));
    if (count > 0) await confirm(invocation, `${counted(count, 'mail')} will never be sent.`, options.yes);
    const done = ids ? await changeMails(operator, 'drop', ids) : await changeAllDead(operator, 'drop');
    return outcome(done, 'is dropped', 'are dropped', '', 'is unchanged');
  });
}

/** Returns the ids in the arguments. Returns null when the command is for every dead mail. */
function named({ allDead }: ChangeOptions, ids: readonly string[]): readonly string[] | null {
  if (ids.length > 0 === (allDead === true))
    throw new UsageRefused('usage', 'Name mails by their ids, or use --all-dead');
  const wrong = ids.find((id) => !isIdShaped(id));
  if (wrong !== undefined) throw new UsageRefused('usage', 'A mail is named by its id: see tenantry mail list');
  return allDead ? null : ids;
}

function outcome(done: MailsChanged, one: string, several: string, when: string, why: string): Outcome {
  const { changed, unchanged } = done;
  const head = `${changed.length} ${changed.length === 1 ? `mail ${one}` : `mails ${several}`} ${when}`.trimEnd();
  const rest = unchanged.map(({ id, state }) => `${id} ${why}: it is ${state}.`);
  return { document: { data: done }, text: [`${head}.`, ...rest].join('\n') };
}
