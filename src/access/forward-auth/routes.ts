// HTTP of forward authentication, for nginx, Traefik and Caddy (`/verify`) and for Envoy, which puts the path that it asks
// about behind ours (`/verify/…`) and keeps the method.
import { z } from 'zod';
import { problem } from '../../base/errors/problem.ts';
import { type Answer, type Endpoint, endpoint, type RequestInfo, signedIn } from '../../base/http/endpoint.ts';
import type { Principal } from '../../protocol/caller.ts';
import { PERMISSION_PATTERN } from '../../protocol/permission.ts';
import { admit, type ForwardDeps } from './forward.ts';

const Wanted = z.string().regex(PERMISSION_PATTERN, 'must be a permission: resource:action');
const VerifyQuery = z.strictObject({ permission: z.union([Wanted, z.array(Wanted).max(20)]).optional() });
/** What stands in the query of a path behind ours is the client's, and says nothing to us. */
const AnyQuery = z.looseObject({});

const ASKED_METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

export function forwardRoutes(deps: ForwardDeps): Endpoint[] {
  const answerWith = async (caller: Principal, wanted: readonly string[], request: RequestInfo, answer: Answer) => {
    // A client may send this header itself: it can only ask for more than the proxy does.
    const headers = await admit(deps, caller, [...wanted, ...listed(request.requiredPermission)]);
    for (const [name, value] of Object.entries(headers)) answer.header(name, value);
  };
  const common = {
    access: signedIn({ orClient: true }),
    limit: 'none',
    tag: 'Forward authentication',
    reply: { 200: null },
    problems: ['permission_denied', 'organization_required', 'revocations_stale'],
  } as const;
  return [
    endpoint({
      ...common,
      method: 'GET',
      url: '/verify',
      id: 'verify',
      summary: 'Say to a proxy whether a request may pass, and who sent it',
      query: VerifyQuery,
      handle: ({ caller, query, request, answer }) =>
        answerWith(caller, [query.permission ?? []].flat(), request, answer),
    }),
    ...ASKED_METHODS.map((method) =>
      endpoint({
        ...common,
        method,
        url: '/verify/*',
        id: `verifyPath${method[0]}${method.slice(1).toLowerCase()}`,
        summary: `Tell Envoy whether a ${method} may pass, and whom it is from`,
        query: AnyQuery,
        handle: ({ caller, request, answer }) => answerWith(caller, [], request, answer),
      }),
    ),
  ];
}

function listed(header: string | undefined): string[] {
  if (header === undefined) return [];
  // A proxy that sends it empty has lost what it was to ask for: nobody passes for that.
  const permissions = header.split(',').map((entry) => entry.trim());
  if (permissions.length > 20 || permissions.some((permission) => !PERMISSION_PATTERN.test(permission))) {
    throw problem('bad_request', { detail: 'X-Required-Permission must be permissions (resource:action) and commas.' });
  }
  return permissions;
}
