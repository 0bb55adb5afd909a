// The command `tenantry invitations` shows the invitations of an organization, and revokes them.
import { type Command, Option } from 'commander';
import { getOrganizationByReference } from '../../admin/organizations/organizations.ts';
import type { Invitation } from '../../directory/invitations/invitations.ts';
import { listForOperator, revokeForOperator } from '../../directory/invitations/operate.ts';
import { isWrittenId } from '../../protocol/id.ts';
import { act, group, leaf, type Outcome, pageText, paginated } from '../line/command.ts';
import type { Invocation } from '../line/invocation.ts';
import { withOperator } from '../line/operator.ts';
import { UsageRefused } from '../line/refusal.ts';

interface ListOptions {
  readonly org: string;
  readonly status?: Invitation['status'];
  readonly limit: number;
  readonly offset: number;
}

const STATUSES = ['pending', 'accepted', 'revoked', 'expired'] as const satisfies readonly Invitation['status'][];

/** Adds the commands. */
export function invitationsCommands(program: Command, invocation: Invocation): void {
  const invitations = group(program, 'invitations', 'Invitations into an organization; users invite sends one');
  const org = () => new Option('--org <id or slug>', 'the organization').makeOptionMandatory();
  paginated(leaf(invitations, 'list', 'List the invitations of an organization, the newest first'))
    .addOption(org())
    .addOption(new Option('--status <status>', 'only invitations with this status').choices(STATUSES))
    .action(act<ListOptions>(invocation, list));
  leaf(invitations, 'revoke <id>', 'Revoke a pending or expired invitation')
    .addOption(org())
    .action(act<{ readonly org: string }>(invocation, revoke));
}

function list(invocation: Invocation, { org, status, limit, offset }: ListOptions): Promise<Outcome> {
  return withOperator(invocation, async (operator) => {
    const { id } = await getOrganizationByReference(operator, org);
    const page = await listForOperator(operator, id, { status: status ?? null, limit, offset });
    const rows = page.data.map((invitation) => [
      invitation.id,
      invitation.email,
      invitation.status,
      invitation.roles.map(({ name }) => name).join(', '),
      invitation.expiresAt,
    ]);
    const text = pageText(['ID', 'E-MAIL', 'STATUS', 'ROLES', 'EXPIRES'], rows, page.pagination);
    return { document: page as { data: unknown }, text };
  });
}

function revoke(invocation: Invocation, { org }: { readonly org: string }, id: string): Promise<Outcome> {
  if (!isWrittenId(id))
    throw new UsageRefused('usage', 'An invitation is named by its id: see tenantry invitations list');
  return withOperator(invocation, async (operator) => {
    const { id: organizationId, slug } = await getOrganizationByReference(operator, org);
    await revokeForOperator(operator, organizationId, id);
    return { document: { data: { id, status: 'revoked' } }, text: `Revoked the invitation ${id} of ${slug}.` };
  });
}
