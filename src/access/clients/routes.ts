// The HTTP routes of service clients. Only users may call these routes, so a client cannot create or change clients.
import { z } from 'zod';
import type { AssertVersion } from '../../base/headers/conditions.ts';
import { type Endpoint, endpoint, needs } from '../../base/http/endpoint.ts';
import { enveloped, Id, PageQuery, page } from '../../base/http/wire.ts';
import { changeClient, removeClient } from './change-client.ts';
import { assertMayRepeatSecret, type Client as ClientShown, getClient, listClients } from './clients.ts';
import { createClient } from './create-client.ts';
import { endOverlap, rotateSecret } from './rotate.ts';
import type { ClientDeps } from './run-change.ts';
import { ChangeClient, Client, CreateClient, CreatedClient, RotatedClient, RotateSecret } from './schema.ts';

const MANAGES = needs('clients:manage');
const ById = z.strictObject({ id: Id });
const CHANGE_PROBLEMS = ['not_found', 'organization_suspended', 'organization_access_denied'] as const;

export function clientRoutes(deps: ClientDeps): Endpoint[] {
  return [...readingRoutes(deps), ...changingRoutes(deps), ...secretRoutes(deps)];
}

/** The representation of a client, without the secret that the answer of a change may add. */
const SHOWN = enveloped(Client.strip());

/** The client without its organization, which is always the organization of the caller. */
function shown<C extends ClientShown>({ organization: _, ...client }: C): Omit<C, 'organization'> {
  return client;
}

function inEnvelope<C extends ClientShown>(client: C) {
  return { data: shown(client) };
}

function ofShown(assertVersion: AssertVersion<unknown>): AssertVersion<ClientShown> {
  return (current) => assertVersion(async () => shown(await current()));
}

function readingRoutes(deps: ClientDeps): Endpoint[] {
  return [
    endpoint({
      method: 'GET',
      url: '/api/v1/clients',
      access: MANAGES,
      id: 'listClients',
      summary: 'List the service clients of the organization, the oldest first',
      tag: 'Clients',
      query: PageQuery,
      reply: { 200: page(Client) },
      handle: async ({ caller, query }) => {
        const { data, pagination } = await listClients(deps, caller, query);
        return { data: data.map(shown), pagination };
      },
    }),
    endpoint({
      method: 'GET',
      url: '/api/v1/clients/:id',
      access: MANAGES,
      id: 'getClient',
      summary: 'Read a service client; its secrets are never shown',
      tag: 'Clients',
      params: ById,
      reply: { 200: enveloped(Client) },
      versioned: true,
      problems: ['not_found'],
      handle: async ({ caller, params }) => ({ data: shown(await getClient(deps, caller, params.id)) }),
    }),
  ];
}

function changingRoutes(deps: ClientDeps): Endpoint[] {
  return [
    endpoint({
      method: 'POST',
      url: '/api/v1/clients',
      access: MANAGES,
      id: 'createClient',
      summary: 'Create a service client within your own rights; its secret is shown only once',
      tag: 'Clients',
      body: CreateClient,
      reply: { 201: enveloped(CreatedClient) },
      idempotent: true,
      versioned: SHOWN,
      problems: [
        'grant_exceeds_own',
        'audience_not_listed',
        'client_limit',
        'organization_suspended',
        'organization_access_denied',
      ],
      handle: ({ caller, body, once }) => {
        const { jwks = null, ...input } = body;
        return once(
          (kept) => createClient(deps, caller, { ...input, jwks }, kept),
          inEnvelope,
          (held, { data }) => assertMayRepeatSecret(deps, caller, held, String(data.id)),
        );
      },
    }),
    endpoint({
      method: 'PATCH',
      url: '/api/v1/clients/:id',
      access: MANAGES,
      id: 'changeClient',
      summary: 'Change, disable or enable a service client',
      tag: 'Clients',
      params: ById,
      body: ChangeClient,
      reply: { 200: enveloped(Client) },
      versioned: true,
      problems: ['grant_exceeds_own', 'audience_not_listed', ...CHANGE_PROBLEMS],
      handle: async ({ caller, params, body, assertVersion }) =>
        inEnvelope(await changeClient(deps, caller, params.id, body, ofShown(assertVersion))),
    }),
    endpoint({
      method: 'DELETE',
      url: '/api/v1/clients/:id',
      access: MANAGES,
      id: 'deleteClient',
      summary: 'Delete a service client and its secrets, and end its tokens',
      tag: 'Clients',
      params: ById,
      reply: { 204: null },
      versioned: SHOWN,
      problems: CHANGE_PROBLEMS,
      handle: ({ caller, params, assertVersion }) => removeClient(deps, caller, params.id, ofShown(assertVersion)),
    }),
  ];
}

function secretRoutes(deps: ClientDeps): Endpoint[] {
  return [
    endpoint({
      method: 'POST',
      url: '/api/v1/clients/:id/secret',
      access: MANAGES,
      id: 'rotateClientSecret',
      summary: 'Add a new secret to a service client; the older ones stay valid for an overlap time',
      tag: 'Clients',
      params: ById,
      body: RotateSecret,
      bodyOptional: true,
      reply: { 200: enveloped(RotatedClient) },
      idempotent: true,
      versioned: SHOWN,
      problems: ['grant_exceeds_own', 'client_without_secret', 'client_secret_limit', ...CHANGE_PROBLEMS],
      handle: ({ caller, params, body, once, assertVersion }) => {
        const guards = { assertVersion: ofShown(assertVersion) };
        return once(
          (kept) => rotateSecret(deps, caller, params.id, body, { once: kept, ...guards }),
          inEnvelope,
          (held) => assertMayRepeatSecret(deps, caller, held, params.id),
        );
      },
    }),
    endpoint({
      method: 'DELETE',
      url: '/api/v1/clients/:id/secret',
      access: MANAGES,
      id: 'endClientOverlap',
      summary: 'End every secret of a service client except the newest, at once',
      tag: 'Clients',
      params: ById,
      reply: { 204: null },
      versioned: SHOWN,
      problems: ['client_without_secret', ...CHANGE_PROBLEMS],
      handle: ({ caller, params, assertVersion }) => endOverlap(deps, caller, params.id, ofShown(assertVersion)),
    }),
  ];
}
