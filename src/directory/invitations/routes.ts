// The HTTP routes of an organization's invitations. The route that accepts an invitation also signs in, so it is in
// sign-in/accept-invitation/routes.ts.
import { z } from 'zod';
import type { ProblemCode } from '../../base/errors/problem.ts';
import { type Endpoint, endpoint, needs } from '../../base/http/endpoint.ts';
import { enveloped, Id, page } from '../../base/http/wire.ts';
import {
  getInvitation,
  type InvitationDeps,
  invite,
  listInvitations,
  resendInvitation,
  revokeInvitation,
} from './invitations.ts';
import { Invitation, InvitationQuery, Invite } from './schema.ts';

const INVITING_PROBLEMS: readonly ProblemCode[] = [
  'email_unverified',
  'grant_exceeds_own',
  'already_member',
  'team_member_limit',
  'not_found',
  'organization_suspended',
  'organization_access_denied',
];
const OneInvitation = z.strictObject({ id: Id });

export function invitationRoutes(deps: InvitationDeps): Endpoint[] {
  return [
    inviteRoute(deps, '/api/v1/invitations', 'createInvitation', 'Invite by e-mail, or renew the pending invitation'),
    inviteRoute(deps, '/api/v1/users', 'inviteUser', 'Invite by e-mail (another name of POST /api/v1/invitations)'),
    ...readRoutes(deps),
    endpoint({
      method: 'POST',
      url: '/api/v1/invitations/:id/resend',
      access: needs('users:invite'),
      id: 'resendInvitation',
      summary: 'Mail a pending or expired invitation again, with a new token and the full lifetime',
      tag: 'Invitations',
      params: OneInvitation,
      reply: { 200: enveloped(Invitation) },
      idempotent: true,
      versioned: true,
      problems: INVITING_PROBLEMS,
      handle: ({ caller, params, once, assertVersion }) =>
        once((kept) => resendInvitation(deps, caller, params.id, { once: kept, assertVersion })),
    }),
    endpoint({
      method: 'DELETE',
      url: '/api/v1/invitations/:id',
      access: needs('users:invite'),
      id: 'revokeInvitation',
      summary: 'Revoke a pending or expired invitation',
      tag: 'Invitations',
      params: OneInvitation,
      reply: { 204: null },
      versioned: enveloped(Invitation),
      problems: ['not_found', 'organization_suspended', 'organization_access_denied'],
      handle: ({ caller, params, assertVersion }) => revokeInvitation(deps, caller, params.id, assertVersion),
    }),
  ];
}

function inviteRoute(deps: InvitationDeps, url: string, id: string, summary: string): Endpoint {
  return endpoint({
    method: 'POST',
    url,
    access: needs('users:invite'),
    id,
    summary,
    tag: 'Invitations',
    body: Invite,
    reply: { 201: enveloped(Invitation) },
    idempotent: true,
    versioned: true,
    problems: INVITING_PROBLEMS,
    handle: ({ caller, body, once }) => once((kept) => invite(deps, caller, body, kept)),
  });
}

function readRoutes(deps: InvitationDeps): Endpoint[] {
  return [
    endpoint({
      method: 'GET',
      url: '/api/v1/invitations',
      access: needs('users:invite'),
      id: 'listInvitations',
      summary: 'List the invitations of the organization, the newest first',
      tag: 'Invitations',
      query: InvitationQuery,
      reply: { 200: page(Invitation) },
      handle: ({ caller, query }) => listInvitations(deps, caller, { ...query, status: query.status ?? null }),
    }),
    endpoint({
      method: 'GET',
      url: '/api/v1/invitations/:id',
      access: needs('users:invite'),
      id: 'getInvitation',
      summary: 'Read one invitation',
      tag: 'Invitations',
      params: OneInvitation,
      reply: { 200: enveloped(Invitation) },
      versioned: true,
      problems: ['not_found'],
      handle: async ({ caller, params }) => ({ data: await getInvitation(deps, caller, params.id) }),
    }),
  ];
}
