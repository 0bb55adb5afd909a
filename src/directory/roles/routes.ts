// The HTTP routes of roles.
import { z } from 'zod';
import { type Endpoint, endpoint, needs } from '../../base/http/endpoint.ts';
import { enveloped, Id, PageQuery, page } from '../../base/http/wire.ts';
import { changeRole, createRole, getRole, listOwnRoles, type RoleDeps, removeRole } from './roles.ts';
import { ChangeRole, CreateRole, Role } from './schema.ts';

// This is enough for a thousand permissions of the maximum length.
const BODY_BYTES_MAX = 128 * 1024;
const ById = z.strictObject({ id: Id });

export function roleRoutes(deps: RoleDeps): Endpoint[] {
  return [...readingRoutes(deps), ...changingRoutes(deps)];
}

function readingRoutes(deps: RoleDeps): Endpoint[] {
  return [
    endpoint({
      method: 'GET',
      url: '/api/v1/roles',
      access: needs('roles:read', { orClient: true }),
      id: 'listRoles',
      summary: 'List the system roles and those of the organization, the highest level first',
      tag: 'Roles',
      query: PageQuery,
      reply: { 200: page(Role) },
      handle: ({ caller, query }) => listOwnRoles(deps, caller, query),
    }),
    endpoint({
      method: 'GET',
      url: '/api/v1/roles/:id',
      access: needs('roles:read', { orClient: true }),
      id: 'getRole',
      summary: 'Read a role',
      tag: 'Roles',
      params: ById,
      reply: { 200: enveloped(Role) },
      versioned: true,
      problems: ['not_found'],
      handle: async ({ caller, params }) => ({ data: await getRole(deps, caller, params.id) }),
    }),
  ];
}

function changingRoutes(deps: RoleDeps): Endpoint[] {
  return [
    endpoint({
      method: 'POST',
      url: '/api/v1/roles',
      access: needs('roles:write'),
      id: 'createRole',
      summary: 'Create a role of the organization, within your own rights and level',
      tag: 'Roles',
      body: CreateRole,
      bodyBytesMax: BODY_BYTES_MAX,
      reply: { 201: enveloped(Role) },
      idempotent: true,
      versioned: true,
      problems: ['grant_exceeds_own', 'role_name_taken', 'role_limit'],
      handle: ({ caller, body, once }) => once((kept) => createRole(deps, caller, body, kept)),
    }),
    endpoint({
      method: 'PATCH',
      url: '/api/v1/roles/:id',
      access: needs('roles:write'),
      id: 'changeRole',
      summary: 'Change a role of the organization, within your own rights and level',
      tag: 'Roles',
      params: ById,
      body: ChangeRole,
      bodyBytesMax: BODY_BYTES_MAX,
      reply: { 200: enveloped(Role) },
      versioned: true,
      problems: ['grant_exceeds_own', 'not_found', 'role_name_taken'],
      handle: async ({ caller, params, body, assertVersion }) => {
        const { name, description, level, permissions } = body;
        const wanted = { name, description, level, permissions };
        return { data: await changeRole(deps, caller, params.id, wanted, assertVersion) };
      },
    }),
    endpoint({
      method: 'DELETE',
      url: '/api/v1/roles/:id',
      access: needs('roles:write'),
      id: 'deleteRole',
      summary: 'Delete a role of the organization that nobody holds',
      tag: 'Roles',
      params: ById,
      reply: { 204: null },
      versioned: enveloped(Role),
      problems: ['grant_exceeds_own', 'not_found', 'role_in_use'],
      handle: ({ caller, params, assertVersion }) => removeRole(deps, caller, params.id, assertVersion),
    }),
  ];
}
