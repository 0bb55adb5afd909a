// The command `tenantry users` administers the accounts of people.
import { type Command, Option } from 'commander';
import { type AccountChanged, disableAccount, enableAccount, setPassword } from '../admin/accounts/change-account.ts';
import { createAccount } from '../admin/accounts/create-account.ts';
import { grantRoles } from '../admin/accounts/grant-roles.ts';
import { listOwnedAlone } from '../admin/accounts/store.ts';
import { grantPlatformAdministrator, revokePlatformAdministrator } from '../admin/administrators/administrators.ts';
import { getOrganizationByReference } from '../admin/organizations/organizations.ts';
import type { PasswordContext } from '../credentials/passwords/policy.ts';
import { inviteByOperator } from '../directory/invitations/invitations.ts';
import { type Account, getAccount, listAccounts } from '../directory/users/accounts.ts';
import { UserName } from '../directory/users/schema.ts';
import { act, checked, collect, counted, group, leaf, type Outcome, pageText, paginated } from './line/command.ts';
import type { Invocation } from './line/invocation.ts';
import { configuration, type Operator, policyOf, withOperator } from './line/operator.ts';
import { UsageRefused } from './line/refusal.ts';
import { askNewPassword, confirm } from './line/terminal.ts';
import { leavingCommands } from './people/leaving.ts';

interface ListOptions {
  readonly search?: string;
  readonly status?: 'active' | 'disabled';
  readonly organization?: string;
  readonly limit: number;
  readonly offset: number;
}

interface MemberOptions {
  readonly organization?: string;
  readonly role?: readonly string[];
}

interface CreateOptions extends MemberOptions {
  readonly name: string;
  readonly verified?: true;
  readonly passwordStdin?: true;
}

interface GrantOptions extends MemberOptions {
  readonly platformAdmin?: true;
  readonly revokePlatformAdmin?: true;
}

interface ChangeOptions {
  readonly passwordStdin?: true;
  readonly yes?: true;
}

/** Adds the commands. */
export function usersCommands(program: Command, invocation: Invocation): void {
  const users = group(program, 'users', 'Accounts of people; <user> is an e-mail or an id');
  const inOrganization = (command: Command, must: boolean) =>
    command
      .addOption(new Option('--organization <id or slug>', 'the organization').makeOptionMandatory(must))
      .addOption(
        new Option('--role <id or name>', 'a role in the organization; may be repeated')
          .argParser(collect)
          .makeOptionMandatory(must),
      );
  leavingCommands(users, invocation);
  paginated(leaf(users, 'list', 'List accounts, the oldest first'))
    .option('--search <text>', 'part of the e-mail or the name')
    .addOption(new Option('--status <status>', 'only accounts with this status').choices(['active', 'disabled']))
    .option('--organization <id or slug>', 'only members of this organization')
    .action(act<ListOptions>(invocation, list));
  inOrganization(leaf(users, 'create <email>', 'Create an account; asks for its password'), false)
    .requiredOption('--name <name>', 'the name of the person')
    .option('--verified', 'the e-mail address is known to belong to the person')
    .option('--password-stdin', 'read the password from standard input')
    .action(act<CreateOptions>(invocation, create));
  inOrganization(leaf(users, 'invite <email>', 'Invite a person into an organization by mail'), true).action(
    act<Required<MemberOptions>>(invocation, invite),
  );
  leaf(users, 'set-password <user>', 'Set a new password for an account; ends all its sessions')
    .option('--password-stdin', 'read the password from standard input')
    .option('--yes', 'do not ask for confirmation')
    .action(act<ChangeOptions>(invocation, changePassword));
  leaf(users, 'disable <user>', 'Disable an account: the user cannot sign in; ends all their sessions')
    .option('--yes', 'do not ask for confirmation')
    .action(act<ChangeOptions>(invocation, disable));
  leaf(users, 'enable <user>', 'Enable an account: the user can sign in again').action(act(invocation, enable));
  inOrganization(leaf(users, 'grant <user>', 'Give a user roles, or the administration of the platform'), false)
    .addOption(new Option('--platform-admin', 'the user may list and suspend organizations over HTTP'))
    .addOption(
      new Option(
        '--revoke-platform-admin',
        'the user may no longer list and suspend organizations over HTTP',
      ).conflicts('platformAdmin'),
    )
    .action(act<GrantOptions>(invocation, grant));
}

function list(invocation: Invocation, { search, status, organization, limit, offset }: ListOptions): Promise<Outcome> {
  return withOperator(invocation, async (operator) => {
    const organizationId =
      organization === undefined ? null : (await getOrganizationByReference(operator, organization)).id;
    const filter = { text: search ?? null, status: status ?? null, organizationId };
    const page = await listAccounts(operator, filter, { limit, offset });
    const rows = page.data.map((user) => [
      user.id,
      user.email,
      user.name,
      [
        user.status,
        ...(user.emailVerified ? ['verified'] : []),
        ...(user.platformAdministrator ? ['platform administrator'] : []),
      ].join(', '),
    ]);
    return {
      document: page as { data: unknown },
      text: pageText(['ID', 'E-MAIL', 'NAME', 'STATUS'], rows, page.pagination),
    };
  });
}

function memberOf({ organization, role }: MemberOptions): { organization: string; roles: readonly string[] } | null {
  if (organization === undefined && role === undefined) return null;
  if (organization === undefined || role === undefined) {
    throw new UsageRefused('usage', '--organization and --role go together');
  }
  return { organization, roles: role };
}

async function create(invocation: Invocation, options: CreateOptions, email: string): Promise<Outcome> {
  const member = memberOf(options);
  const name = checked(UserName, options.name, 'name');
  const password = await askNewPassword(
    invocation,
    options.passwordStdin ?? false,
    judgeFor(invocation, { email, name }),
  );
  return withOperator(invocation, async (operator) => {
    const organization = member && (await getOrganizationByReference(operator, member.organization));
    const account = await createAccount(
      operator,
      {
        email,
        name,
        password,
        verified: options.verified ?? false,
        ...(organization ? { organizationName: organization.name } : {}),
      },
      async (tx, id) => {
        if (!organization || !member) return;
        await grantRoles(operator, tx, { id, email }, { organizationId: organization.id, roles: member.roles });
      },
    );
    const where = organization ? `, a member of ${organization.slug}` : '';
    return { document: { data: account }, text: `Created ${account.email} (${account.id})${where}.` };
  });
}

/** Returns a function that returns the reason against a password, or null. The operation checks the password again. */
function judgeFor(invocation: Invocation, context: PasswordContext): (password: string) => Promise<string | null> {
  const policy = policyOf(configuration(invocation));
  return async (password) => (await policy.judge(password, context))?.message ?? null;
}

function invite(
  invocation: Invocation,
  { organization, role }: Required<MemberOptions>,
  email: string,
): Promise<Outcome> {
  return withOperator(invocation, async (operator) => {
    const { id } = await getOrganizationByReference(operator, organization);
    const roles = role.map((named) => ({ role: named, scope: {} }));
    const invitation = await inviteByOperator(operator, { organization: id, email, roles });
    const { SMTP_URL: smtp, production } = operator.config;
    const mail =
      production && smtp === undefined ? 'waits for 24 hours until SMTP_URL is set' : 'is sent while the service runs';
    const text = `Invited ${invitation.email} until ${invitation.expiresAt}; the mail ${mail}.`;
    return { document: { data: invitation }, text };
  });
}

function changePassword(invocation: Invocation, options: ChangeOptions, user: string): Promise<Outcome> {
  return withOperator(invocation, async (operator) => {
    const account = await getAccount(operator, user);
    await confirm(invocation, `${account.email} will be signed out everywhere.`, options.yes);
    const password = await askNewPassword(invocation, options.passwordStdin ?? false, judgeFor(invocation, account));
    const sessionsEnded = await setPassword(operator, account, password);
    return changed(account, { changed: true, sessionsEnded }, 'has a new password');
  });
}

function disable(invocation: Invocation, options: ChangeOptions, user: string): Promise<Outcome> {
  return withOperator(invocation, async (operator) => {
    const account = await getAccount(operator, user);
    await confirm(invocation, `${account.email} will be signed out everywhere and cannot sign in.`, options.yes);
    const done = await disableAccount(operator, account.id);
    const ownerless = await listOwnedAlone(operator.db.systemReader(), account.id);
    const slugs = ownerless.map(({ slug }) => slug).join(', ');
    const warning = ownerless.length > 0 ? `\nThese organizations now have no active owner: ${slugs}` : '';
    const outcome = await changed(await getAccount(operator, account.id), done, 'is disabled', { ownerless });
    return { ...outcome, text: `${outcome.text}${warning}` };
  });
}

function enable(invocation: Invocation, _: object, user: string): Promise<Outcome> {
  return withOperator(invocation, async (operator) => {
    const { id } = await getAccount(operator, user);
    const done = await enableAccount(operator, id);
    return changed(await getAccount(operator, id), done, 'is enabled');
  });
}

async function changed(
  account: Account,
  { changed, sessionsEnded }: AccountChanged,
  state: string,
  more: object = {},
): Promise<Outcome> {
  const ended = sessionsEnded > 0 ? `; ${counted(sessionsEnded, 'session')} ended` : '';
  return {
    document: { data: { user: account, changed, sessionsEnded, ...more } },
    text: changed ? `${account.email} ${state}${ended}.` : `${account.email} ${state} already.`,
  };
}

async function grant(invocation: Invocation, options: GrantOptions, user: string): Promise<Outcome> {
  const member = memberOf(options);
  const administration = options.platformAdmin ?? options.revokePlatformAdmin;
  if ((member === null) === (administration === undefined)) {
    throw new UsageRefused(
      'usage',
      'Name the change: --platform-admin, --revoke-platform-admin, or --organization with --role',
    );
  }
  return withOperator(invocation, async (operator) => {
    const account = await getAccount(operator, user);
    if (member) return grantMember(operator, account, member);
    const give = options.platformAdmin === true;
    const change = give ? grantPlatformAdministrator : revokePlatformAdministrator;
    const done = await change(operator, account.email);
    return changed(
      await getAccount(operator, account.id),
      { changed: done, sessionsEnded: 0 },
      give ? 'administers the platform' : 'does not administer the platform',
    );
  });
}

async function grantMember(
  operator: Operator,
  account: Account,
  member: { readonly organization: string; readonly roles: readonly string[] },
): Promise<Outcome> {
  const { id: organizationId, slug } = await getOrganizationByReference(operator, member.organization);
  const { joined, added } = await operator.db.system((tx) =>
    grantRoles(operator, tx, account, { organizationId, roles: member.roles }),
  );
  const text =
    added.length === 0
      ? `${account.email} already has ${member.roles.join(', ')} in ${slug}.`
      : `${account.email} ${joined ? 'is a member of' : 'has a new role in'} ${slug}: ${added.join(', ')}.`;
  return { document: { data: { user: account, organization: { id: organizationId, slug }, joined, added } }, text };
}
