// The HTTP routes of members.
import { z } from 'zod';
import type { Database } from '../../base/database/db.ts';
import type { ProblemCode } from '../../base/errors/problem.ts';
import { type Endpoint, endpoint, needs, signedIn } from '../../base/http/endpoint.ts';
import { enveloped, Id, page } from '../../base/http/wire.ts';
import { changeMember } from './change-member.ts';
import type { MemberChangeDeps } from './event.ts';
import { getMember, listMembers } from './list-members.ts';
import { leaveOrganization, removeMember } from './remove-member.ts';
import { ChangeMember, Member, MemberQuery } from './schema.ts';

const CHANGE_PROBLEMS: readonly ProblemCode[] = [
  'not_found',
  'organization_access_denied',
  'organization_suspended',
  'member_outranks_you',
  'last_owner',
];

/** The routes to list, read, change and remove members, and to leave an organization. */
export function memberRoutes(deps: MemberChangeDeps): Endpoint[] {
  return [...readingRoutes(deps), ...changingRoutes(deps), leavingRoute(deps)];
}

const MemberParams = z.strictObject({ id: Id });

function readingRoutes(deps: { readonly db: Database }): Endpoint[] {
  return [
    endpoint({
      method: 'GET',
      url: '/api/v1/users',
      access: needs('users:read', { orClient: true }),
      id: 'listMembers',
      summary: 'List the members of the organization in the order in which they joined',
      tag: 'Members',
      query: MemberQuery,
      reply: { 200: page(Member) },
      handle: ({ caller, query }) => listMembers(deps, caller, query),
    }),
    endpoint({
      method: 'GET',
      url: '/api/v1/users/:id',
      access: needs('users:read', { orClient: true }),
      id: 'getMember',
      summary: 'Read one member of the organization',
      tag: 'Members',
      params: MemberParams,
      reply: { 200: enveloped(Member) },
      versioned: true,
      problems: ['not_found'],
      handle: async ({ caller, params }) => ({ data: await getMember(deps, caller, params.id) }),
    }),
  ];
}

function changingRoutes(deps: MemberChangeDeps): Endpoint[] {
  return [
    endpoint({
      method: 'PATCH',
      url: '/api/v1/users/:id',
      access: needs('users:update'),
      id: 'changeMember',
      summary: 'Replace the roles of a member, or suspend or activate them',
      tag: 'Members',
      params: MemberParams,
      body: ChangeMember,
      reply: { 200: enveloped(Member) },
      versioned: true,
      problems: [...CHANGE_PROBLEMS, 'grant_exceeds_own'],
      handle: async ({ caller, params, body: { roles, status }, assertVersion }) => ({
        data: await changeMember(deps, caller, { userId: params.id, roles, status }, assertVersion),
      }),
    }),
    endpoint({
      method: 'DELETE',
      url: '/api/v1/users/:id',
      access: needs('users:remove'),
      id: 'removeMember',
      summary: 'Remove a member from the organization, and end their tokens for it',
      tag: 'Members',
      params: MemberParams,
      reply: { 204: null },
      versioned: enveloped(Member),
      problems: CHANGE_PROBLEMS,
      handle: ({ caller, params, assertVersion }) => removeMember(deps, caller, params.id, assertVersion),
    }),
  ];
}

function leavingRoute(deps: MemberChangeDeps): Endpoint {
  return endpoint({
    method: 'DELETE',
    url: '/api/v1/me/organizations/:id',
    access: signedIn({ alsoSuspended: true }),
    id: 'leaveOrganization',
    summary: 'Leave an organization, even if it is suspended or has suspended you',
    tag: 'Me',
    params: MemberParams,
    reply: { 204: null },
    problems: ['not_found', 'last_owner'],
    handle: ({ caller, params }) => leaveOrganization(deps, caller, params.id),
  });
}
