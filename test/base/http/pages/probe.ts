// A server with one page for visitors and one for signed-in browsers, for tests of what every page has.
import type { FastifyInstance } from 'fastify';
import type { Test } from 'tap';
import { z } from 'zod';
import { assetRoutes } from '../../../../src/base/assets/routes.ts';
import { problem } from '../../../../src/base/errors/problem.ts';
import { type Endpoint, endpoint, open } from '../../../../src/base/http/endpoint.ts';
import { browser, page, seeOther, visitor } from '../../../../src/base/http/page.ts';
import { createSeenKeys } from '../../../../src/base/http/page-admission.ts';
import { openServer, type ServerOptions } from '../../../../src/base/http/server.ts';
import { wrong } from '../../../../src/base/page-kit/blocks.ts';
import { field, form } from '../../../../src/base/page-kit/form.ts';
import { html } from '../../../../src/base/page-kit/html.ts';
import { layout } from '../../../../src/base/page-kit/layout.ts';
import { openLog } from '../../../../src/base/platform/log.ts';
import type { Caller } from '../../../../src/protocol/caller.ts';
import { ORIGIN, openVisitor, type Visitor } from '../../../support/pages/visitor.ts';
import { kitOf } from '../../page-kit/views.ts';

/** Two people, by the value of their cookie. */
const CALLERS: ReadonlyMap<string, Caller> = new Map(
  ['ada', 'eve'].map((id) => [
    `key-of-${id}`,
    {
      kind: 'user',
      id,
      sessionId: `session-of-${id}`,
      organizationId: null,
      organizationSlug: null,
      roles: [],
      permissions: [],
      permissionsElsewhere: false,
      epoch: 0,
      membershipEpoch: null,
      rolesEpoch: null,
      authenticatedAt: 0,
      issuedAt: 0,
    } satisfies Caller,
  ]),
);

export interface Probe {
  readonly url: string;
  /** What forms did, in order: who sent which name. */
  readonly sent: string[];
  /** The keys of browsers that the guard was asked for. */
  readonly asked: string[];
  readonly visitor: Visitor;
}

function probePages(sent: string[]): Endpoint[] {
  const schema = z.strictObject({
    name: z.string().min(1, 'must not be empty').max(5, 'must have at most 5 characters'),
  });
  const send = async ({ caller, form: { name } }: { caller: Caller | null; form: { name: string } }) => {
    if (name === 'taken') throw problem('email_taken');
    if (name === 'wait') throw problem('too_many_requests', { retryAfterSeconds: 7 });
    if (name === 'busy') throw problem('service_busy', { retryAfterSeconds: 3 });
    sent.push(`${caller?.id ?? 'nobody'} ${name}`);
    return seeOther('/done');
  };
  const common = { query: z.object({ note: z.string().max(10) }), form: { schema, keeps: ['name'], send } };
  const show: Parameters<typeof page>[0]['show'] = ({ view, attempt, query, allowFormTo }) => {
    const { note } = query as { note?: string };
    if (note === 'away') allowFormTo('https://app.example.com');
    const [action = ''] = view.target.split('?');
    const name = { name: 'name', label: 'Name', autocomplete: 'name', codes: ['email_taken'] } as const;
    const body = html`${wrong(view, attempt)}<p>Note: ${note}</p>${form(view, { action, submit: 'Send', fields: field(view, attempt, name) })}`;
    return layout(view, { title: 'Probe', body });
  };
  return [
    ...page({ url: '/open', access: visitor(), name: 'Open', summary: 'Probe', show, ...common }),
    ...page({ url: '/closed', access: browser(), name: 'Closed', summary: 'Probe', show, ...common }),
    ...page({
      url: '/closed/:id',
      access: browser(),
      name: 'One',
      summary: 'Probe',
      show,
      ...common,
      params: z.strictObject({ id: z.string() }),
    }),
    ...page({
      url: '/sign-in',
      access: visitor(),
      name: 'SignIn',
      summary: 'Probe',
      show: ({ view }) => layout(view, { title: 'Sign in', body: html`` }),
    }),
    ...page({
      url: '/done',
      access: visitor(),
      name: 'Done',
      summary: 'Probe',
      show: ({ view }) => layout(view, { title: 'Done', body: html`` }),
    }),
    ...page({
      url: '/broken',
      access: visitor(),
      name: 'Broken',
      summary: 'Probe',
      show: () => {
        throw new Error('SELECT secret FROM table');
      },
    }),
    endpoint({
      method: 'GET',
      url: '/api/v1/thing',
      access: open(),
      id: 'thing',
      summary: 'Probe',
      tag: 'Test',
      reply: { 204: null },
      handle: () => {
        throw problem('database_unavailable', { retryAfterSeconds: 1 });
      },
    }),
    ...assetRoutes(),
  ];
}

export async function openProbe(t: Test, more: Partial<ServerOptions> = {}): Promise<Probe> {
  const sent: string[] = [];
  const asked: string[] = [];
  const app: FastifyInstance = await openServer({
    log: openLog({ level: 'silent', pretty: false }),
    endpoints: probePages(sent),
    guard: {
      authenticate: () => Promise.reject(problem('unauthenticated')),
      actFor: () => Promise.reject(problem('organization_access_denied')),
      holds: () => false,
      isPlatformAdministrator: async () => false,
      pages: {
        kit: kitOf({ PUBLIC_URL: ORIGIN }),
        seenKeys: createSeenKeys(),
        async authenticateBrowser(key) {
          asked.push(key);
          return CALLERS.get(key) ?? null;
        },
      },
    },
    translate: () => null,
    limits: { enabled: false, signIn: 1, session: 1, other: 1, organization: 1, client: 1 },
    corsOrigins: [],
    trustedProxies: [],
    https: false,
    ...more,
  });
  t.teardown(() => app.close());
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  return { url, sent, asked, visitor: openVisitor(url) };
}
