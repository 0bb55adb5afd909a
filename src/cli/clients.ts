// The command `tenantry clients` administers service clients of organizations and of the whole installation. Only
// operators can create clients of the whole installation. A command that creates a secret prints it once, to standard
// output.
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
import { act, checked, collect, group, leaf, type Outcome, pageText, paginated, table } from './line/command.ts';
import type { Invocation } from './line/invocation.ts';
import { fileOf, type Operator, withOperator } from './line/operator.ts';
import { CommandRefused, UsageRefused } from './line/refusal.ts';
import { confirm } from './line/terminal.ts';

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

interface Confirmed {
  readonly yes?: true;
}

/** The only permission that a client of the whole installation may have. */
const INSTALLATION_PERMISSION = 'revocations:read';

/** Adds the commands. */
export function clientsCommands(program: Command, invocation: Invocation): void {
  const clients = group(program, 'clients', 'Service clients; <client> is an id');
  paginated(leaf(clients, 'list', 'List service clients, the oldest first'))
    .option('--organization <id or slug>', 'only the clients of this organization')
    .action(act<ListOptions>(invocation, list));
  leaf(clients, 'create <name>', 'Create a service client and print its secret, only this once')
    .addHelpText(
      'after',
      `\nWithout --organization it is a client of the whole installation. Its only permission is ${INSTALLATION_PERMISSION}.`,
    )
    .option('--organization <id or slug>', 'the organization that the client acts for')
    .option('--permission <permission>', 'a permission of the client; may be repeated', collect)
    .option('--description <text>', 'the description of the client')
    .option(
      '--audience <audience>',
      'the audience of its tokens, instead of TOKEN_AUDIENCE; with --organization, one of TOKEN_AUDIENCES',
    )
    .option('--public-key <file>', 'the public key for signed assertions, instead of a secret: PEM, JWK or JWK set')
    .action(act<CreateOptions>(invocation, create));
  leaf(clients, 'rotate <client>', 'Make a new secret for the client and print it, only this once')
    .option('--overlap <time>', 'the longest time that the former secrets still work', '24h')
    .option('--yes', 'do not ask before the former secrets end at once')
    .action(act<Confirmed & { overlap: string }>(invocation, rotate));
  leaf(clients, 'set-audience <client> [audience]', 'Give the tokens of the client another audience; its tokens end')
    .addHelpText('after', '\nWithout an audience, its tokens have TOKEN_AUDIENCE again.')
    .option('--yes', 'do not ask for confirmation')
    .action(act<Confirmed>(invocation, setAudience));
  leaf(clients, 'disable <client>', 'Refuse the client and its tokens from now on')
    .option('--yes', 'do not ask for confirmation')
    .action(act<Confirmed>(invocation, disable));
  leaf(clients, 'enable <client>', 'Accept the client again').action(act(invocation, enable));
  leaf(clients, 'delete <client>', 'Delete the client with its secrets for ever; its tokens end')
    .option('--yes', 'do not ask for confirmation')
    .action(act<Confirmed>(invocation, remove));
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
    const text = `Created the service client ${made.name} ${place}.\n${credentials(made)}`;
    return { document: { data: made }, text };
  });
}

function permissionsOf({ organization, permission }: CreateOptions): readonly string[] {
  if (organization === undefined) {
    const others = (permission ?? []).filter((name) => name !== INSTALLATION_PERMISSION);
    if (others.length === 0) return [INSTALLATION_PERMISSION];
    throw new UsageRefused(
      'usage',
      `A client of the whole installation may only have ${INSTALLATION_PERMISSION}: add --organization`,
    );
  }
  if (permission === undefined) throw new UsageRefused('usage', 'Name at least one permission: --permission');
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
  { overlap, yes }: Confirmed & { readonly overlap: string },
  id: string,
): Promise<Outcome> {
  const overlapSeconds = checked(duration(0, OVERLAP_MAX_SECONDS), overlap, 'overlap');
  return change(invocation, id, async (operator, actor, { name }) => {
    if (overlapSeconds === 0) await confirm(invocation, `The former secrets of ${name} will end at once.`, yes);
    const rotated = await rotateSecret(operator, actor, id, { overlapSeconds });
    return { document: { data: rotated }, text: `${name} has a new secret.\n${credentials(rotated)}` };
  });
}

function setAudience(invocation: Invocation, { yes }: Confirmed, id: string, typed?: string): Promise<Outcome> {
  const audience = checked(Audience, typed ?? null, 'audience');
  return change(invocation, id, async (operator, actor, client) => {
    const changed = audience !== client.audience;
    if (changed) await confirm(invocation, `The tokens of ${client.name} will end.`, yes);
    const shown = await changeClient(operator, actor, id, { audience });
    const text = `The tokens of ${client.name} have the audience ${audience ?? operator.audience}.`;
    return { document: { data: { client: shown, changed } }, text };
  });
}

function disable(invocation: Invocation, { yes }: Confirmed, id: string): Promise<Outcome> {
  return change(invocation, id, async (operator, actor, { name, status }) => {
    await confirm(invocation, `${name} and its tokens will be refused.`, yes);
    return statusChange(status, await changeClient(operator, actor, id, { status: 'disabled' }));
  });
}

function enable(invocation: Invocation, _: object, id: string): Promise<Outcome> {
  return change(invocation, id, async (operator, actor, { status }) =>
    statusChange(status, await changeClient(operator, actor, id, { status: 'active' })),
  );
}

function statusChange(before: Client['status'], client: Client): Outcome {
  const changed = before !== client.status;
  const state = client.status === 'active' ? 'enabled' : 'disabled';
  return {
    document: { data: { client, changed } },
    text: `${client.name} is ${state}${changed ? '' : ' already'}.`,
  };
}

function remove(invocation: Invocation, { yes }: Confirmed, id: string): Promise<Outcome> {
  return change(invocation, id, async (operator, actor, client) => {
    await confirm(invocation, `${client.name} will be deleted, and its tokens refused.`, yes);
    await removeClient(operator, actor, id);
    return { document: { data: { deleted: client.id } }, text: `${client.name} is deleted.` };
  });
}

/** Finds a client in any organization, and runs the operator's change in the organization of that client. */
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
