// The command `tenantry sessions` lists and ends the sessions of users.
import { type Command, Option } from 'commander';
import { endAllSessions, endAnySession, endUserSessions, listUserSessions } from '../admin/sessions/sessions.ts';
import { getAccount } from '../directory/users/accounts.ts';
import { isIdShaped } from '../protocol/id.ts';
import { act, counted, group, leaf, type Outcome, pageText, paginated } from './line/command.ts';
import type { Invocation } from './line/invocation.ts';
import { withOperator } from './line/operator.ts';
import { UsageRefused } from './line/refusal.ts';
import { confirm, showProgress } from './line/terminal.ts';

interface ListOptions {
  readonly user: string;
  readonly limit: number;
  readonly offset: number;
}

interface RevokeOptions {
  readonly user?: string;
  readonly all?: true;
  readonly yes?: true;
}

/** Adds the commands. */
export function sessionsCommands(program: Command, invocation: Invocation): void {
  const sessions = group(program, 'sessions', 'Signed-in devices');
  paginated(leaf(sessions, 'list', 'List the live sessions of a user, the most recently used first'))
    .requiredOption('--user <e-mail or id>', 'the user')
    .action(act<ListOptions>(invocation, list));
  leaf(sessions, 'revoke [session]', 'End one session by its id, all sessions of a user, or all sessions of all users')
    .option('--user <e-mail or id>', 'end every session of this user')
    .addOption(new Option('--all', 'end every session of every user').conflicts('user'))
    .option('--yes', 'do not ask for confirmation')
    .action(act<RevokeOptions>(invocation, revoke));
}

function list(invocation: Invocation, { user, limit, offset }: ListOptions): Promise<Outcome> {
  return withOperator(invocation, async (operator) => {
    const { id } = await getAccount(operator, user);
    const page = await listUserSessions(operator, id, { limit, offset });
    const rows = page.data.map((session) => [
      session.id,
      session.organization?.slug ?? '–',
      session.lastSeenAt,
      session.expiresAt,
      session.ip ?? '–',
      session.userAgent ?? '–',
    ]);
    const names = ['ID', 'ORGANIZATION', 'LAST USED', 'EXPIRES', 'ADDRESS', 'PROGRAM'];
    return { document: page as { data: unknown }, text: pageText(names, rows, page.pagination) };
  });
}

async function revoke(invocation: Invocation, options: RevokeOptions, session?: string): Promise<Outcome> {
  const ways = [session, options.user, options.all].filter((way) => way !== undefined);
  if (ways.length !== 1) throw new UsageRefused('usage', 'Name one session, or use --user or --all');
  if (session !== undefined && !isIdShaped(session)) {
    throw new UsageRefused('usage', 'A session is named by its id: see tenantry sessions list');
  }
  return withOperator(invocation, async (operator) => {
    if (session !== undefined) {
      await endAnySession(operator, session);
      return ended(1);
    }
    if (options.user !== undefined) {
      const { id, email } = await getAccount(operator, options.user);
      await confirm(invocation, `${email} will be signed out everywhere.`, options.yes);
      return ended(await endUserSessions(operator, id));
    }
    await confirm(invocation, 'All users will be signed out everywhere.', options.yes);
    const progress = showProgress(invocation, 'Ending sessions', 1);
    try {
      return ended(await endAllSessions(operator, (done, whole) => progress.at(whole === 0 ? 1 : done / whole)));
    } finally {
      progress.end();
    }
  });
}

function ended(count: number): Outcome {
  return { document: { data: { ended: count } }, text: `${counted(count, 'session')} ended.` };
}
