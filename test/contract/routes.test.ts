// The routes of the service, who may use each route, and how often. routes.txt has the list for review.
import { readFileSync } from 'node:fs';
import t from 'tap';
import { describedEndpoints, routeList } from '../../scripts/generate/endpoints.ts';
import { createDatabase } from '../support/database.ts';
import { openService } from '../support/service.ts';

const GOLDEN = new URL('routes.txt', import.meta.url);
const REMEDY = 'routes.txt is the list of all routes: if the change is meant, run `npm run generate` and commit it';

t.test('routes.txt lists every route with its access and its rate limit', async (t) => {
  t.equal(readFileSync(GOLDEN, 'utf8'), routeList(describedEndpoints()), REMEDY);
});

t.test('the server has exactly these routes, and each of them requires the declared access', async (t) => {
  const { app, api } = await openService(t, await createDatabase(t), { DOCS_ENABLED: 'true' });
  const endpoints = describedEndpoints();
  const mounted = app.server
    .printRoutes({ commonPrefix: false, includeHooks: false })
    .match(/\((?:[A-Z]+(?:, )?)+\)/g)
    ?.flatMap((methods) => methods.slice(1, -1).split(', '))
    .filter((method) => method !== 'HEAD');
  t.equal(mounted?.length, endpoints.length, 'no route exists that is not in the list');
  for (const { method, url, access, wire } of endpoints) {
    const route = `${method} ${url}`;
    t.ok(app.server.hasRoute({ method, url }), `${route} is there`);
    const path = url.replace(/:\w+/g, '019aa3f0-5c00-7a10-8b2f-3d6f1c2a4e01');
    const reply = await api.call(method, path, method === 'GET' || method === 'DELETE' ? undefined : {});
    if (wire === 'page' && method === 'POST') t.equal(reply.code, 'cross_site_request', `${route} takes its own forms`);
    else if (access.kind === 'browser') t.equal(reply.headers.get('location'), '/sign-in', `${route} is for a browser`);
    else if (['open', 'visitor'].includes(access.kind)) t.not(reply.code, 'unauthenticated', `${route} is open`);
    else t.equal(reply.code, 'unauthenticated', `${route} requires an access token`);
  }
});

t.test('every operation has its own name', async (t) => {
  const ids = describedEndpoints().map(({ id }) => id);
  t.same(
    ids.filter((id, at) => ids.indexOf(id) !== at),
    [],
  );
  t.same(
    ids.filter((id) => !/^[a-z][A-Za-z]+$/.test(id)),
    [],
  );
});
