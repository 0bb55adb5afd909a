// Compares the answer of each route to each actor with the table in actors.ts, and checks that no answer to a stranger
// has the id or slug of the first organization or the e-mail of one of its people.
import t from 'tap';
import { describedEndpoints } from '../../scripts/generate/endpoints.ts';
import type { Reply } from '../support/client.ts';
import { createDatabase } from '../support/database.ts';
import { openService } from '../support/service.ts';
import { ACTORS, type Actor, MATRIX } from './actors.ts';
import { type Asked, REQUESTS, type Seeded, seedActors } from './requests.ts';

const routes = describedEndpoints().map(({ method, url }) => ({ method, url, route: `${method} ${url}` }));

t.test('every route has a line in the matrix, and every line has a route', async (t) => {
  t.strictSame(Object.keys(MATRIX).toSorted(), routes.map(({ route }) => route).toSorted());
  for (const [route, line] of Object.entries(MATRIX)) t.equal(line.split(' ').length, ACTORS.length, route);
});

/**
 * Whether an answer has an id, slug or e-mail of the first organization that was not in the request. A stranger must
 * get none of these.
 */
function tellsOfOwn(seeded: Seeded, sent: string, reply: Reply): boolean {
  const secrets = [seeded.own.id, seeded.own.slug, ...Object.values(seeded.people).map(({ email }) => email)];
  return secrets.some((secret) => !sent.includes(secret) && reply.text.includes(secret));
}

const STRANGERS: readonly Actor[] = ['anonymous', 'foreign'];

t.test('every route answers each actor as in the matrix', async (t) => {
  const database = await createDatabase(t);
  const service = await openService(t, database, { DOCS_ENABLED: 'true' });
  const reading = await seedActors(service, database); // shared by all reads, because a read changes nothing
  for (const { method, url, route } of routes) {
    const seeded = method === 'GET' ? reading : await seedActors(service, database);
    await t.test(route, async (t) => {
      const expected = MATRIX[route]?.split(' ') ?? [];
      for (const [index, actor] of ACTORS.entries()) {
        const asked: Asked = (await REQUESTS[route]?.(seeded, actor, service, database)) ?? {};
        const token = asked.bare ? undefined : seeded.tokens[actor];
        const path = asked.path ?? url;
        const reply = await service.api.call(method, path, asked.body, token === undefined ? {} : { token });
        const [status, code] = (expected[index] ?? 'no line').split('.');
        t.equal(`${reply.status}`, status, `${actor}: ${reply.code ?? 'no problem'}`);
        if (code !== undefined) t.equal(reply.code, code, `${actor} gets the reason`);
        if (status === '401')
          t.match(
            reply.code,
            /^(unauthenticated|token_stale|organization_suspended)$/,
            `the code tells ${actor} what to do`,
          );
        if (!STRANGERS.includes(actor)) continue;
        const own = actor === 'foreign' ? seeded.people.foreign.email : '';
        t.notOk(
          tellsOfOwn(seeded, `${path} ${JSON.stringify(asked.body ?? '')} ${own}`, reply),
          `${actor} gets no data of the organization`,
        );
      }
    });
  }
});
