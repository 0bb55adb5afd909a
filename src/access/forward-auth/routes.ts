// The HTTP routes of forward authentication. nginx, Traefik and Caddy call `/verify`. Envoy calls `/verify/…`: it
// appends the path of the checked request and keeps the method of that request.
import { z } from 'zod';
import { problem } from '../../base/errors/problem.ts';
import { type Answer, type Endpoint, endpoint, type RequestInfo, signedIn } from '../../base/http/endpoint.ts';
import type { Principal } from '../../protocol/caller.ts';
import { PERMISSION_PATTERN } from '../../protocol/permission.ts';
import { admit, type ForwardDeps } from './forward.ts';

const Wanted = z.string().regex(PERMISSION_PATTERN, 'must be a permission: resource:action');
const VerifyQuery = z.strictObject({ permission: z.union([Wanted, z.array(Wanted).max(20)]).optional() });
/** The query string after `/verify/…` belongs to the checked request and is ignored. */
const AnyQuery = z.looseObject({});

const ASKED_METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

export function forwardRoutes(deps: ForwardDeps): Endpoint[] {
  const answerWith = async (caller: Principal, wanted: readonly string[], request: RequestInfo, answer: Answer) => {
    // The sender of the request may set X-Required-Permission, too. That can only add required permissions.
    const headers = await admit(deps, caller, [...wanted, ...listed(request.requiredPermission)]);
    for (const [name, value] of Object.entries(headers)) answer.header(name, value);
  };
  const common = {
    access: signedIn({ orClient: true }),
    limit: 'none',
    tag: 'Forward authentication',
    reply: { 200: null },
    ignoresConditions: true,
    problems: ['permission_denied', 'organization_required', 'revocations_stale'],
  } as const;
  return [
    endpoint({
      ...common,
      method: 'GET',
      url: '/verify',
      id: 'verify',
      summary: 'Check for a proxy whether a request may pass, and return who sent it',
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
        summary: `Check for Envoy whether a ${method} request may pass, and return who sent it`,
        query: AnyQuery,
        handle: ({ caller, request, answer }) => answerWith(caller, [], request, answer),
      }),
    ),
  ];
}

function listed(header: string | undefined): string[] {
  if (header === undefined) return [];
  // An empty header means that the proxy is configured wrongly, so every request is refused.
  const permissions = header.split(',').map((entry) => entry.trim());
  if (permissions.length > 20 || permissions.some((permission) => !PERMISSION_PATTERN.test(permission))) {
    throw problem('bad_request', { detail: 'X-Required-Permission must be permissions (resource:action) and commas.' });
  }
  return permissions;
}
