// Sends thousands of requests with a random user, token, tenant headers and ids. The service must give the same answers
// as a small model.
import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import t from 'tap';
import { createDatabase } from '../support/database.ts';
import { openService } from '../support/service.ts';
import { cases } from '../support/thorough.ts';
import { type Call, type Good, makeCall } from './calls.ts';
import { type Bearer, isRefused, type Model, type Refused, resolveTenant, says } from './model.ts';
import { chance, populate } from './population.ts';

const REQUESTS = cases(20_000);
const AT_ONCE = 16;
const seed = Number(process.env.TENANT_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));

function makeHeader(model: Model, below: (n: number) => number): string | null {
  const organization = model.organizations[below(model.organizations.length)];
  const choices = [null, null, null, organization?.id, organization?.slug, organization?.id.toUpperCase()];
  return choices[below(choices.length)] ?? (below(10) === 0 ? randomUUID() : null);
}

/** Returns the model's answer to a request. null if the request would write, because this test does not write. */
function expectedOf(
  model: Model,
  bearer: Bearer | null,
  headers: (string | null)[],
  call: Call,
): Good | Refused | null {
  const acting = resolveTenant(model, bearer, headers, call.alsoSuspended ?? false);
  if (isRefused(acting) || bearer === null) return acting as Refused;
  if (call.needs !== null) {
    if (acting.organization === null) return { status: 403, code: 'organization_required' };
    if (call.needs !== '' && !says(acting.permissions, call.needs)) return { status: 403, code: 'permission_denied' };
  }
  const good = call.good(model, acting, bearer);
  return good.status === 0 ? null : good;
}

interface Answer {
  readonly status: number;
  readonly body: { code?: string; data: never };
}

function ask(
  agent: Agent,
  url: string,
  call: Call,
  bearer: Bearer | null,
  headers: (string | null)[],
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const payload = call.body === undefined ? undefined : JSON.stringify(call.body);
    const sent: Record<string, string> = {};
    if (bearer) sent.authorization = `Bearer ${bearer.token}`;
    if (headers[0]) sent['x-tenant-id'] = headers[0];
    if (headers[1]) sent['x-organization-slug'] = headers[1];
    if (payload !== undefined) sent['content-type'] = 'application/json';
    const sending = request(`${url}/api/v1${call.path}`, { method: call.method, agent, headers: sent }, (reply) => {
      let text = '';
      reply.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      reply.on('end', () => resolve({ status: reply.statusCode ?? 0, body: text === '' ? {} : JSON.parse(text) }));
    });
    sending.on('error', reject);
    sending.end(payload);
  });
}

function agrees(expected: Good | Refused, answer: Answer): boolean {
  if (answer.status !== expected.status) return false;
  return isRefused(expected) ? answer.body.code === expected.code : expected.says(answer.body);
}

t.test(`the service answers ${REQUESTS} requests like the model (seed ${seed})`, async (t) => {
  const database = await createDatabase(t);
  // There are few connections, so that each connection serves every organization in turn.
  const service = await openService(t, database, { DATABASE_POOL_SIZE: '3' });
  const below = chance(seed);
  const { model, bearers } = await populate(service, database, below);
  const people = [...new Set(bearers.map(({ person }) => person))];
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  t.teardown(() => agent.destroy());
  const outcomes = new Map<string, number>();
  const differences: string[] = [];
  let asked = 0;
  async function worker(): Promise<void> {
    while (asked < REQUESTS && differences.length < 10) {
      const bearer = below(40) === 0 ? null : (bearers[below(bearers.length)] ?? null);
      const headers = [makeHeader(model, below), makeHeader(model, below)];
      const call = makeCall(model, people, below);
      const expected = expectedOf(model, bearer, headers, call);
      if (expected === null) continue;
      asked += 1;
      const answer = await ask(agent, service.url, call, bearer, headers);
      const outcome = `${answer.status} ${answer.body.code ?? ''}`;
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      if (agrees(expected, answer)) continue;
      const who = `${bearer?.person.userId} for ${bearer?.organization?.slug}`;
      differences.push(
        `${call.method} ${call.path} ${headers} ${who}: ${JSON.stringify({ expected, answer }).slice(0, 400)}`,
      );
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  t.same(differences, [], 'no difference');
  t.equal(asked, REQUESTS);
  const met = ['200 ', '400 bad_request', '401 token_stale', '401 organization_suspended', '401 unauthenticated'];
  const further = ['403 tenant_mismatch', '403 organization_access_denied', '403 organization_suspended'];
  const last = ['403 permission_denied', '403 organization_required', '404 not_found'];
  for (const outcome of [...met, ...further, ...last]) {
    t.ok((outcomes.get(outcome) ?? 0) >= cases(20), `${outcome} was met ${outcomes.get(outcome) ?? 0} times`);
  }
});
