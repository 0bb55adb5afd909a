// `tenantry clients`: service clients of organizations, and those of the whole installation, which only operators make.
// A secret is printed once, to standard output, by the command that makes it.
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { changeClient, removeClient } from '../access/clients/change-client.ts';
import { type Client, type ClientWithSecret, getAnyClient, listAnyClients } from '../access/clients/clients.ts';
import { createClient } from '../access/clients/create-client.ts';
import { publicKeysIn } from '../access/clients/public-key-file.ts';
import { OVERLAP_MAX_SECONDS, rotateSecret } from '../access/clients/rotate.ts';
import type { Actor } from '../access/clients/run-change.ts';
import { Audience, ClientDescription, ClientName, ClientPermissions, Jwks } from '../access/clients/schema.ts';
import { getOrganizationByReference } from '../admin/organizations/organizations.ts';
import { duration } from '../base/config/fields.ts';
import { isIdShaped } from '../protocol/id.ts';
import { act, checked, collect, group, leaf, type Outcome, pageText, paginated, table } from './command.ts';
import type { Invocation } from './invocation.ts';
import { fileOf, type Operator, withOperator } from './operator.ts';
import { CommandRefused, UsageRefused } from './refusal.ts';
import { confirm } from './terminal.ts';

interface CreateOptions {
  readonly organization?: string;
  readonly permission?: readonly string[];
  readonly description?: string;
  readonly audience?: string;
  readonly publicKey?: string;
}

interface ListOptions {
  readonly organization?: string;
  readonly limit: number;
  readonly offset: number;
}

interface Sure {
  readonly yes?: true;
}

/** All that a client of the whole installation may do. */
const OF_INSTALLATION = 'revocations:read';

/** Adds the commands. */
export function clientsCommands(program: Command, invocation: Invocation): void {
  const clients = group(program, 'clients', 'Service clients; <client> is an id');
  paginated(leaf(clients, 'list', 'List service clients, the oldest first'))
    .option('--organization <id or slug>', 'only its own')
    .action(act<ListOptions>(invocation, list));
  leaf(clients, 'create <name>', 'Make a service client and print its secret, this once')
    .addHelpText(
      'after',
      `\nWithout --organization it is a client of the whole installation, and may ${OF_INSTALLATION} alone.`,
    )
    .option('--organization <id or slug>', 'the organization that it acts for')
    .option('--permission <permission>', 'what it may do; may be repeated', collect)
    .option('--description <text>', 'what it is for')
    .option('--audience <audience>', 'the audience of its tokens, instead of TOKEN_AUDIENCE')
    .option('--public-key <file>', 'it signs assertions instead of having a secret: PEM, JWK or JWK set')
    .action(act<CreateOptions>(invocation, create));
  leaf(clients, 'rotate <client>', 'Give it another secret and print that, this once')
    .option('--overlap <time>', 'how long the former secrets go on working at most', '24h')
    .option('--yes', 'do not ask before they end at once')
    .action(act<Sure & { overlap: string }>(invocation, rotate));
  leaf(clients, 'disable <client>', 'Refuse it and its tokens, from now on')
    .option('--yes', 'do not ask')
    .action(act<Sure>(invocation, disable));
  leaf(clients, 'enable <client>', 'Let it in again').action(act(invocation, enable));
  leaf(clients, 'delete <client>', 'Delete it with its secrets, for good; its tokens end')
    .option('--yes', 'do not ask')
    .action(act<Sure>(invocation, remove));
}

function list(invocation: Invocation, { organization, limit, offset }: ListOptions): Promise<Outcome> {
  return withOperator(invocation, async (operator) => {
    const of = organization === undefined ? null : (await getOrganizationByReference(operator, organization)).id;
    const page = await listAnyClients(operator, of, { limit, offset });
    const rows = page.data.map((client) => [
      client.id,
      client.name,
      client.organization?.slug ?? '(installation)',
      client.status,
      client.authentication,
      client.permissions.join(' '),
    ]);
    const names = ['ID', 'NAME', 'ORGANIZATION', 'STATUS', 'AUTHENTICATION', 'PERMISSIONS'];
    return { document: page as { data: unknown }, text: pageText(names, rows, page.pagination) };
  });
}

async function create(invocation: Invocation, options: CreateOptions, typed: string): Promise<Outcome> {
  const { organization, publicKey } = options;
  const name = checked(ClientName, typed, 'name');
  const description = checked(ClientDescription, options.description ?? '', 'description');
  const audience = checked(Audience, options.audience ?? null, 'audience');
  const permissions = checked(ClientPermissions, permissionsOf(options), 'permission');
  const jwks = publicKey === undefined ? null : checked(Jwks, publicKeysIn(read(invocation, publicKey)), 'public-key');
  return withOperator(invocation, async (operator) => {
    const of = organization === undefined ? null : (await getOrganizationByReference(operator, organization)).id;
    const authentication = jwks ? 'private_key_jwt' : 'client_secret';
    const input = { name, description, permissions, audience, jwks, authentication } as const;
    const made = await createClient(operator, { kind: 'operator', organizationId: of }, input);
    const place = made.organization === null ? 'of the whole installation' : `of ${made.organization.slug}`;
    return { document: { data: made }, text: `Made the service client ${made.name} ${place}.\n${credentials(made)}` };
  });
}

function permissionsOf({ organization, permission }: CreateOptions): readonly string[] {
  if (organization === undefined) {
    const others = (permission ?? []).filter((asked) => asked !== OF_INSTALLATION);
    if (others.length === 0) return [OF_INSTALLATION];
    throw new UsageRefused(
      'usage',
      `A client of the whole installation may ${OF_INSTALLATION} alone: name an --organization`,
    );
  }
  if (permission === undefined) throw new UsageRefused('usage', 'Say what it may do: --permission, once or more');
  return permission;
}

function read(invocation: Invocation, named: string): string {
  try {
    return readFileSync(fileOf(invocation, named), 'utf8');
  } catch (error) {
    throw new CommandRefused('file_refused', `${named} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

function credentials(client: Client | ClientWithSecret): string {
  const rows = [['client_id', client.id]];
  if (!('clientSecret' in client)) return table(rows);
  return `${table([...rows, ['client_secret', client.clientSecret]])}\nThe secret is not shown again.`;
}

async function rotate(
  invocation: Invocation,
  { overlap, yes }: Sure & { readonly overlap: string },
  id: string,
): Promise<Outcome> {
  const overlapSeconds = checked(duration(0, OVERLAP_MAX_SECONDS), overlap, 'overlap');
  return change(invocation, id, async (operator, actor, { name }) => {
    if (overlapSeconds === 0) await confirm(invocation, `The secrets of ${name} until now will end at once.`, yes);
    const rotated = await rotateSecret(operator, actor, id, { overlapSeconds });
    return { document: { data: rotated }, text: `${name} has a new secret.\n${credentials(rotated)}` };
  });
}

function disable(invocation: Invocation, { yes }: Sure, id: string): Promise<Outcome> {
  return change(invocation, id, async (operator, actor, { name, status }) => {
    await confirm(invocation, `${name} will be refused, and its tokens as well.`, yes);
    return turned(status, await changeClient(operator, actor, id, { status: 'disabled' }));
  });
}

function enable(invocation: Invocation, _: object, id: string): Promise<Outcome> {
  return change(invocation, id, async (operator, actor, { status }) =>
    turned(status, await changeClient(operator, actor, id, { status: 'active' })),
  );
}

function turned(before: Client['status'], client: Client): Outcome {
  const changed = before !== client.status;
  const state = client.status === 'active' ? 'enabled' : 'disabled';
  return { document: { data: { client, changed } }, text: `${client.name} is ${state}${changed ? '' : ' already'}.` };
}

function remove(invocation: Invocation, { yes }: Sure, id: string): Promise<Outcome> {
  return change(invocation, id, async (operator, actor, client) => {
    await confirm(invocation, `${client.name} will be deleted, and its tokens refused.`, yes);
    await removeClient(operator, actor, id);
    return { document: { data: { deleted: client.id } }, text: `${client.name} is deleted.` };
  });
}

/** Finds the client, whosever it is, and lets the operator change it where it belongs. */
function change(
  invocation: Invocation,
  id: string,
  work: (operator: Operator, actor: Actor, client: Client) => Promise<Outcome>,
): Promise<Outcome> {
  if (!isIdShaped(id)) throw new UsageRefused('usage', 'A client is named by its id: see tenantry clients list');
  return withOperator(invocation, async (operator) => {
    const client = await getAnyClient(operator, id);
    return work(operator, { kind: 'operator', organizationId: client.organization?.id ?? null }, client);
  });
}
