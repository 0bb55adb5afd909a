// The commands of `tenantry users` about leaving: a copy of what is stored about a person, closing an account, and the
// proof of an address, without which an account is removed after some time.
import { once } from 'node:events';
import type { Command } from 'commander';
import { closeForOperator } from '../../admin/accounts/close-account.ts';
import { verifyAccount } from '../../admin/accounts/verify-account.ts';
import { getOrganizationByReference } from '../../admin/organizations/organizations.ts';
import { Problem } from '../../base/errors/problem.ts';
import { getAccount } from '../../directory/users/accounts.ts';
import { exportDocument } from '../../sign-in/leaving/export-document.ts';
import { act, collect, leaf, type Outcome } from '../line/command.ts';
import type { Invocation } from '../line/invocation.ts';
import { writeNewFile } from '../line/new-file.ts';
import { fileOf, withOperator } from '../line/operator.ts';
import { CommandRefused } from '../line/refusal.ts';
import { confirm } from '../line/terminal.ts';

interface DeleteOptions {
  readonly deleteOrganizations?: readonly string[];
  readonly yes?: true;
}

/** Adds the commands. */
export function leavingCommands(users: Command, invocation: Invocation): void {
  leaf(users, 'verify <user>', 'Mark the e-mail address of an account as proven').action(act(invocation, verify));
  leaf(users, 'export <user>', 'Write what is stored about a person as one JSON document')
    .option('--output <file>', 'write a new file that only you can read; standard output by default')
    .action(act<{ readonly output?: string }>(invocation, writeExport));
  leaf(users, 'delete <user>', 'Close an account for good and erase the personal data of its user')
    .option(
      '--delete-organizations <id or slug>',
      'an organization without another owner or active member, which is deleted too; may be repeated',
      collect,
    )
    .option('--yes', 'do not ask for confirmation')
    .action(act<DeleteOptions>(invocation, close));
}

function verify(invocation: Invocation, _: object, user: string): Promise<Outcome> {
  return withOperator(invocation, async (operator) => {
    const { id } = await getAccount(operator, user);
    const changed = await verifyAccount(operator, id);
    const account = await getAccount(operator, id);
    const text = `The address ${account.email} is proven${changed ? '' : ' already'}.`;
    return { document: { data: { user: account, changed } }, text };
  });
}

function close(invocation: Invocation, options: DeleteOptions, user: string): Promise<Outcome> {
  return withOperator(invocation, async (operator) => {
    const account = await getAccount(operator, user);
    const named = options.deleteOrganizations ?? [];
    const organizations = await Promise.all(named.map((one) => getOrganizationByReference(operator, one)));
    const slugs = organizations.map(({ slug }) => slug);
    const also = slugs.length === 0 ? '' : ` ${slugs.join(', ')} will be deleted with everything in it.`;
    const warning = `${account.email} will be closed for good, and its personal data erased.${also}`;
    await confirm(invocation, warning, options.yes);
    const ids = organizations.map(({ id }) => id);
    const closed = await closeForOperator(operator, account.id, ids).catch(explain);
    const deleted = closed?.organizationsDeleted.map(({ id, slug }) => ({ id, slug })) ?? [];
    const text = `Closed ${account.email}${slugs.length === 0 ? '' : ` and deleted ${slugs.join(', ')}`}.`;
    return { document: { data: { id: account.id, organizationsDeleted: deleted } }, text };
  });
}

/** Names the organizations that prevent the closing, and what to do with each. */
function explain(error: unknown): never {
  if (!(error instanceof Problem) || !error.extras.organizations) throw error;
  const lines = error.extras.organizations.map(({ slug, canBeDeleted }) => {
    const grant = `tenantry users grant … --organization ${slug} --role …`;
    const other = `give another member a role of owners (${grant}; tenantry roles list names them)`;
    return `${slug}: ${other}${canBeDeleted ? ', or add --delete-organizations ' : ''}${canBeDeleted ? slug : ''}`;
  });
  throw new CommandRefused(error.code, ['The user is the last owner of organizations', ...lines].join('\n'));
}

function writeExport(invocation: Invocation, { output }: { readonly output?: string }, user: string): Promise<Outcome> {
  return withOperator(invocation, async (operator) => {
    const account = await getAccount(operator, user);
    if (output === undefined) {
      for await (const text of exportDocument(operator, account.id, null)) {
        if (!invocation.stdout.write(text)) await once(invocation.stdout, 'drain');
      }
      return { document: { data: null }, text: '', isWritten: true };
    }
    const path = fileOf(invocation, output);
    await writeNewFile(path, exportDocument(operator, account.id, null), invocation.signal);
    const text = `Wrote what is stored about ${account.email} to ${path}.`;
    return { document: { data: { user: account, file: path } }, text };
  });
}
