// The HTTP routes with which people leave, and take their data along.
import { type Endpoint, endpoint, signedIn } from '../../base/http/endpoint.ts';
import { type CookieSettings, clearCookie, presentedToken } from '../sessions/cookie.ts';
import { type ClosingDeps, closeAccount } from './close-account.ts';
import { type ExportDeps, exportPage } from './export.ts';
import { assertPassword, type ProofDeps } from './proof.ts';
import { CloseAccount, ExportQuery, PersonalExportPage } from './schema.ts';

/** The name of the file under which a browser stores the document. */
const FILE = 'attachment; filename="tenantry-export.json"';

export interface LeavingRouteDeps extends ClosingDeps, ExportDeps, ProofDeps {
  readonly cookie: CookieSettings;
}

export function leavingRoutes(deps: LeavingRouteDeps): Endpoint[] {
  return [
    endpoint({
      method: 'GET',
      url: '/api/v1/me/export',
      access: signedIn({ alsoSuspended: true }),
      id: 'exportMyData',
      summary: 'Read what is stored of you, in pages',
      tag: 'Me',
      query: ExportQuery,
      reply: { 200: PersonalExportPage },
      handle: ({ caller, query, answer }) => {
        answer.header('content-disposition', FILE);
        return exportPage(deps, caller.id, { cursor: query.cursor ?? null, actorId: caller.id });
      },
    }),
    endpoint({
      method: 'DELETE',
      url: '/api/v1/me',
      access: signedIn({ alsoSuspended: true }),
      id: 'closeMyAccount',
      summary: 'Close your account: nothing of your personal data stays',
      tag: 'Me',
      body: CloseAccount,
      reply: { 204: null },
      problems: ['invalid_credentials', 'last_owner', 'last_administrator', 'cross_site_request'],
      handle: async ({ caller, body, request, answer }) => {
        const presented = presentedToken(deps, request, undefined);
        await assertPassword(deps, caller.id, { password: body.password, address: request.network });
        const { deleteOrganizations } = body;
        await closeAccount(deps, { userId: caller.id, caller, deleteOrganizations });
        if (presented?.transport === 'cookie') answer.header('set-cookie', clearCookie(deps.cookie));
      },
    }),
  ];
}
