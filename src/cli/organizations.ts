// The command `tenantry orgs` creates and administers organizations.
import { type Command, Option } from 'commander';
import { createOrganizationForOwner } from '../admin/organizations/create-for-owner.ts';
import { deleteForOperator } from '../admin/organizations/delete-organization.ts';
import {
  type Administered,
  activateOrganization,
  getOrganizationByReference,
  listOrganizations,
  setSubscription,
  suspendOrganization,
} from '../admin/organizations/organizations.ts';
import { ChangeSubscription } from '../admin/organizations/schema.ts';
import type { SubscriptionChange } from '../admin/organizations/store.ts';
import { readSubscription } from '../directory/organizations/current.ts';
import { OrganizationName, Slug } from '../directory/organizations/schema.ts';
import {
  act,
  checked,
  group,
  instant,
  leaf,
  type Outcome,
  pageText,
  paginated,
  table,
  wholeNumber,
} from './line/command.ts';
import type { Invocation } from './line/invocation.ts';
import { withOperator } from './line/operator.ts';
import { confirm } from './line/terminal.ts';

interface ListOptions {
  readonly search?: string;
  readonly status?: Administered['status'];
  readonly limit: number;
  readonly offset: number;
}

interface CreateOptions {
  readonly owner: string;
  readonly slug?: string;
}

interface SubscriptionOptions {
  readonly plan?: string;
  readonly status?: SubscriptionChange['status'];
  readonly trialEndsAt?: Date;
  readonly teamMembers?: number;
  readonly messages?: number;
  readonly phoneNumbers?: number;
}

const AMOUNT_MAX = 1_000_000_000;

/** Adds the commands. */
export function organizationsCommands(program: Command, invocation: Invocation): void {
  const orgs = group(program, 'orgs', 'Organizations; <organization> is an id or a slug');
  paginated(leaf(orgs, 'list', 'List organizations, the oldest first'))
    .option('--search <text>', 'the beginning of the slug or the name')
    .addOption(new Option('--status <status>', 'only organizations with this status').choices(['active', 'suspended']))
    .action(act<ListOptions>(invocation, list));
  leaf(orgs, 'create <name>', 'Create an organization for a user with an account')
    .requiredOption('--owner <e-mail>', 'the user who becomes its owner')
    .option('--slug <slug>', 'its slug; made from the name by default')
    .action(act<CreateOptions>(invocation, create));
  leaf(orgs, 'suspend <organization>', 'Refuse sign-ins to an organization and all its tokens from now on')
    .option('--yes', 'do not ask for confirmation')
    .action(act<{ yes?: true }>(invocation, suspend));
  leaf(orgs, 'activate <organization>', 'End the suspension of an organization').action(act(invocation, activate));
  leaf(orgs, 'delete <organization>', 'Delete an organization for good, with everything that belongs to it')
    .option('--yes', 'do not ask for confirmation')
    .action(act<{ yes?: true }>(invocation, remove));
  leaf(orgs, 'subscription <organization>', 'Show the subscription, or change the given parts of it')
    .option('--plan <name>', 'the plan')
    .addOption(new Option('--status <status>', 'the status').choices(['trialing', 'active', 'past_due', 'canceled']))
    .option('--trial-ends-at <instant>', 'the end of the trial, such as 2027-01-31T00:00:00Z', instant)
    .option('--team-members <n>', 'the maximum number of members and pending invitations', wholeNumber(0, AMOUNT_MAX))
    .option('--messages <n>', 'the maximum number of messages', wholeNumber(0, AMOUNT_MAX))
    .option('--phone-numbers <n>', 'the maximum number of phone numbers', wholeNumber(0, AMOUNT_MAX))
    .action(act<SubscriptionOptions>(invocation, subscription));
}

function list(invocation: Invocation, { search, status, limit, offset }: ListOptions): Promise<Outcome> {
  return withOperator(invocation, async (operator) => {
    const page = await listOrganizations(
      operator,
      { prefix: search ?? null, status: status ?? null },
      { limit, offset },
    );
    const rows = page.data.map(({ id, slug, name, status, subscription }) => [
      id,
      slug,
      name,
      status,
      subscription ? `${subscription.plan}, ${subscription.status}` : '–',
    ]);
    const names = ['ID', 'SLUG', 'NAME', 'STATUS', 'SUBSCRIPTION'];
    return { document: page as { data: unknown }, text: pageText(names, rows, page.pagination) };
  });
}

async function create(invocation: Invocation, { owner, slug }: CreateOptions, typed: string): Promise<Outcome> {
  const name = checked(OrganizationName, typed, 'name');
  const wanted = slug === undefined ? null : checked(Slug, slug, 'slug');
  return withOperator(invocation, async (operator) => {
    const { organization } = await createOrganizationForOwner(operator, { ownerEmail: owner, name, slug: wanted });
    const made = await getOrganizationByReference(operator, organization.id);
    return { document: { data: made }, text: `Created ${made.slug} (${made.id}) with the owner ${owner}.` };
  });
}

function suspend(invocation: Invocation, { yes }: { readonly yes?: true }, reference: string): Promise<Outcome> {
  return withOperator(invocation, async (operator) => {
    const { id, slug } = await getOrganizationByReference(operator, reference);
    await confirm(invocation, `No user or client will be able to act for ${slug}.`, yes);
    return changed(await suspendOrganization(operator, id, null), 'is suspended');
  });
}

function activate(invocation: Invocation, _: object, reference: string): Promise<Outcome> {
  return withOperator(invocation, async (operator) =>
    changed(await activateOrganization(operator, reference, null), 'is active'),
  );
}

function remove(invocation: Invocation, { yes }: { readonly yes?: true }, reference: string): Promise<Outcome> {
  return withOperator(invocation, async (operator) => {
    const { id, slug } = await getOrganizationByReference(operator, reference);
    await confirm(invocation, `${slug} will be deleted for good: its members, roles, invitations and clients.`, yes);
    await deleteForOperator(operator, { id, slug });
    return { document: { data: { id, slug } }, text: `Deleted ${slug} (${id}).` };
  });
}

function changed(done: { readonly organization: Administered; readonly changed: boolean }, state: string): Outcome {
  const { slug } = done.organization;
  return { document: { data: done }, text: `${slug} ${state}${done.changed ? '' : ' already'}.` };
}

async function subscription(invocation: Invocation, options: SubscriptionOptions, reference: string): Promise<Outcome> {
  const { plan, status, trialEndsAt, teamMembers, messages, phoneNumbers } = options;
  const limits = { teamMembers, messages, phoneNumbers };
  const hasLimits = Object.values(limits).some((value) => value !== undefined);
  const given = { plan, status, trialEndsAt, ...(hasLimits ? { limits } : {}) };
  const isShow = Object.values(given).every((value) => value === undefined);
  const change = isShow ? null : checked(ChangeSubscription, given, 'subscription');
  return withOperator(invocation, async (operator) => {
    const done = change
      ? await setSubscription(operator, reference, change)
      : { organization: await getOrganizationByReference(operator, reference), changed: false };
    const { slug, subscription } = done.organization;
    if (!subscription) return { document: { data: done }, text: `${slug} has no subscription.` };
    const read = await readSubscription(operator.db.systemReader(), done.organization.id);
    const { trialExpired, usage } = read;
    return { document: { data: { ...done, trialExpired, usage } }, text: describe(slug, read) };
  });
}

type Subscription = Awaited<ReturnType<typeof readSubscription>>;

function describe(slug: string, { plan, status, trialEndsAt, trialExpired, limits, usage }: Subscription): string {
  const { teamMembers: members, pendingInvitations: invited } = usage;
  const lines = table([
    ['organization', slug],
    ['plan', plan],
    ['status', status],
    ['trial ends', trialEndsAt === null ? '–' : `${trialEndsAt}${trialExpired ? ' (expired)' : ''}`],
    ['team members', `${members + invited} of ${limits.teamMembers} (${members} joined, ${invited} invited)`],
    ['messages', `${limits.messages} at most`],
    ['phone numbers', `${limits.phoneNumbers} at most`],
  ]);
  const isOver = members + invited > limits.teamMembers;
  return isOver
    ? `${lines}\n! The organization has more members and pending invitations than the limit allows: it can invite no further members.`
    : lines;
}
