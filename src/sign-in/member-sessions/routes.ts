// The HTTP routes of the sessions in which members act for the current organization.
import { z } from 'zod';
import { type Endpoint, endpoint, needs } from '../../base/http/endpoint.ts';
import { enveloped, Id, PageQuery, page } from '../../base/http/wire.ts';
import { EndedSessions, MemberSession } from '../sessions/schema.ts';
import { endMemberSession, endMemberSessions, listMemberSessions, type MemberSessionDeps } from './member-sessions.ts';

export function memberSessionRoutes(deps: MemberSessionDeps): Endpoint[] {
  return [
    endpoint({
      method: 'GET',
      url: '/api/v1/users/:id/sessions',
      access: needs('sessions:read'),
      id: 'listMemberSessions',
      summary: 'List the live sessions in which a member acts for the organization, the most recently used first',
      tag: 'Members',
      params: z.strictObject({ id: Id }),
      query: PageQuery,
      reply: { 200: page(MemberSession) },
      problems: ['not_found'],
      handle: ({ caller, params, query }) => listMemberSessions(deps, caller, { userId: params.id, ...query }),
    }),
    endpoint({
      method: 'DELETE',
      url: '/api/v1/users/:id/sessions',
      access: needs('sessions:revoke'),
      id: 'endMemberSessions',
      summary: 'End all sessions in which a member acts for the organization',
      tag: 'Members',
      params: z.strictObject({ id: Id }),
      reply: { 200: enveloped(EndedSessions) },
      problems: ['not_found', 'member_outranks_you'],
      handle: async ({ caller, params }) => ({ data: { ended: await endMemberSessions(deps, caller, params.id) } }),
    }),
    endpoint({
      method: 'DELETE',
      url: '/api/v1/users/:id/sessions/:sessionId',
      access: needs('sessions:revoke'),
      id: 'endMemberSession',
      summary: 'End one session in which a member acts for the organization',
      tag: 'Members',
      params: z.strictObject({ id: Id, sessionId: Id }),
      reply: { 204: null },
      problems: ['not_found', 'member_outranks_you'],
      handle: ({ caller, params }) =>
        endMemberSession(deps, caller, { userId: params.id, sessionId: params.sessionId }),
    }),
  ];
}
