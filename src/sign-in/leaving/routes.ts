// The HTTP routes with which people export their data and close their account.
import { type Endpoint, endpoint, signedIn } from '../../base/http/endpoint.ts';
import { assertFresh } from '../reauthentication/assert-fresh.ts';
import type { OwnPasswordDeps } from '../reauthentication/own-password.ts';
import { type CookieSettings, clearCookie, presentedToken } from '../sessions/cookie.ts';
import { type ClosingDeps, closeAccount } from './close-account.ts';
import { type ExportDeps, exportPage } from './export.ts';
import { CloseAccount, ExportQuery, PersonalExportPage } from './schema.ts';

/** The name under which a browser stores the document. */
export const EXPORT_FILE = 'tenantry-export.json';

export interface LeavingRouteDeps extends ClosingDeps, ExportDeps, OwnPasswordDeps {
  readonly cookie: CookieSettings;
}

export function leavingRoutes(deps: LeavingRouteDeps): Endpoint[] {
  return [
    endpoint({
      method: 'GET',
      url: '/api/v1/me/export',
      access: signedIn({ alsoSuspended: true }),
      id: 'exportMyData',
      summary: 'Read what is stored about you, in pages',
      tag: 'Me',
      query: ExportQuery,
      reply: { 200: PersonalExportPage },
      problems: ['reauthentication_required'],
      handle: async ({ caller, query, request: { network }, answer }) => {
        await assertFresh(deps, caller, { network });
        answer.header('content-disposition', `attachment; filename="${EXPORT_FILE}"`);
        return exportPage(deps, caller.id, { cursor: query.cursor ?? null, actorId: caller.id });
      },
    }),
    endpoint({
      method: 'DELETE',
      url: '/api/v1/me',
      access: signedIn({ alsoSuspended: true }),
      limit: 'sign_in',
      id: 'closeMyAccount',
      summary: 'Close your account for good and erase your personal data',
      tag: 'Me',
      body: CloseAccount,
      reply: { 204: null },
      problems: [
        ...(['reauthentication_required', 'wrong_password', 'password_not_set'] as const),
        ...(['last_owner', 'last_administrator', 'cross_site_request'] as const),
      ],
      handle: async ({ caller, body: { password, deleteOrganizations }, request, answer }) => {
        const presented = presentedToken(deps, request, undefined);
        await assertFresh(deps, caller, { currentPassword: password, network: request.network });
        await closeAccount(deps, { userId: caller.id, caller, deleteOrganizations });
        if (presented?.transport === 'cookie') answer.header('set-cookie', clearCookie(deps.cookie));
      },
    }),
  ];
}
