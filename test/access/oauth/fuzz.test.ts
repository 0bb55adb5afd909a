// Generated forms at every OAuth endpoint: each answer is a success or a refusal in the OAuth format, never an internal
// error. The same seed gives the same forms.
import t from 'tap';
import { seedClient } from '../../support/fixtures/clients.ts';
import { openTeam } from '../../support/fixtures/team.ts';
import { cases } from '../../support/thorough.ts';
import { basic, ENDPOINTS, flawsOfOAuthError, goodParameters, inBody, postRaw } from './calls.ts';

const FORMS = cases(3_000);
const IN_FLIGHT = 8;
const SEED = 20_261_121;

/**
 * Returns a generator of numbers that are at least 0 and less than 1 (Mulberry32). The same seed gives the same
 * numbers.
 */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const NAMES =
  'grant_type scope refresh_token resource audience client_id client_secret client_assertion client_assertion_type token token_type_hint unknown __proto__ constructor'.split(
    ' ',
  );
const ODD = [
  '',
  ' ',
  '\0',
  '\r\n',
  'é',
  '👩‍👩‍👧',
  '\u202e',
  "' OR 1=1 --",
  '%00',
  'null',
  '[]',
  '{}',
  'a.b.c',
  'e30.e30.e30',
  `${Buffer.from('{"alg":"RS256"}').toString('base64url')}.${Buffer.from('{"sub":1}').toString('base64url')}.AA`,
  'x'.repeat(5_000),
  '*:*',
  'a:b c:d',
  '00000000-0000-0000-0000-000000000000',
  'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
  'client_credentials',
  'refresh_token',
  'password',
];

t.test(`${FORMS} generated forms get valid answers and well-formed refusals`, async (t) => {
  const { api, database, organization, join } = await openTeam(t);
  const client = await seedClient(database, { organizationId: organization.id, permissions: ['a:b'] });
  const member = await join('agent');
  const texts = [...ODD, client.id, client.secret, member.token, member.refreshToken];
  const next = numbers(SEED);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(next() * from.length)] as T;
  const broken = (form: string) => {
    const at = Math.floor(next() * form.length);
    return form.slice(0, at) + pick(['%', '&', '=', '\0', 'ÿ', '+']) + form.slice(at + 1);
  };
  const makeForm = (path: string) => {
    const pairs = Array.from({ length: Math.floor(next() * 5) }, (): [string, string] => [pick(NAMES), pick(texts)]);
    const known = next() < 0.5 ? Object.entries(inBody(client)) : [];
    const good = next() < 0.4 ? Object.entries(goodParameters(path)) : [];
    const form = new URLSearchParams([...known, ...good, ...pairs]).toString();
    return next() < 0.2 ? broken(form) : form;
  };
  const headers = (): Record<string, string> =>
    next() < 0.2
      ? { authorization: pick([basic(client), 'Basic !', 'Basic Og==', `Bearer ${member.token}`, 'x']) }
      : {};
  const forms = Array.from({ length: FORMS }, () => {
    const path = pick(ENDPOINTS);
    return { path, form: makeForm(path), headers: headers() };
  });
  const statuses = new Map<number, number>();
  const flawed: string[] = [];
  const worker = async () => {
    for (let asked = forms.pop(); asked; asked = forms.pop()) {
      const reply = await postRaw(api, asked.path, asked.form, asked.headers);
      statuses.set(reply.status, (statuses.get(reply.status) ?? 0) + 1);
      const flaws = reply.status === 200 ? [] : flawsOfOAuthError(reply);
      if (reply.status >= 500) flaws.push(`status ${reply.status}`);
      if (flaws.length > 0) flawed.push(`${asked.path} ${asked.form.slice(0, 200)}: ${flaws}`);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  t.same(flawed, []);
  for (const status of [200, 400, 401])
    t.ok((statuses.get(status) ?? 0) > cases(50), `${status} came ${statuses.get(status)}×`);
});
