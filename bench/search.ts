// `npm run bench:search` measures the search for members of a large organization, whose names and e-mail addresses are
// sealed. README.md explains the figures.
import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { asAdmin } from '../scripts/prove/database.ts';
import { demand } from '../scripts/prove/proof.ts';
import { withTestbed } from '../scripts/prove/testbed.ts';
import { openApi } from '../test/support/client.ts';
import { newAccount } from '../test/support/fixtures/accounts.ts';
import { insertPeople, personalIn } from '../test/support/personal.ts';
import { median } from './paired.ts';

const { values: options } = parseArgs({
  options: { members: { type: 'string', default: '100000' }, rounds: { type: 'string', default: '40' } },
});
const MEMBERS = Number(options.members);
const ROUNDS = Number(options.rounds);
const BATCH = 5_000;
const FIRST = [
  'Ada',
  'Grace',
  'Alan',
  'Edsger',
  'Barbara',
  'Donald',
  'Frances',
  'Ken',
  'Radia',
  'Leslie',
  'Zoë',
  'Ľubica',
];
const LAST = ['Lovelace', 'Hopper', 'Turing', 'Dijkstra', 'Liskov', 'Knuth', 'Allen', 'Thompson', 'Perlman', 'Lamport'];
const QUERIES = ['nobody', 'perlman 12345', 'person99999@', 'person77', 'Lovelace 7', 'zoë', 'Turing', 'example', 'a'];

function personAt(number: number) {
  const [first, last] = [FIRST[number % FIRST.length], LAST[Math.floor(number / 7) % LAST.length]];
  return { id: randomUUID(), email: `Person${number}@example.com`, name: `${first} ${last} ${number}` };
}

await withTestbed({ name: 'search', disposable: true }, async (testbed) => {
  const service = await testbed.startService({ settings: { TRIAL_TEAM_MEMBERS: '1000000' } });
  const api = openApi(service.url);
  const { accessToken: token, organization } = await newAccount(api);
  const personal = await personalIn(testbed.keysDirectory);
  return asAdmin(testbed, async (query) => {
    for (let from = 0; from < MEMBERS; from += BATCH) {
      const people = Array.from({ length: Math.min(BATCH, MEMBERS - from) }, (_, at) => personAt(from + at));
      await insertPeople({ query }, people, personal);
      const ids = people.map(({ id }) => id);
      await query('INSERT INTO memberships (organization_id, user_id) SELECT $1, unnest($2::uuid[])', [
        organization.id,
        ids,
      ]);
    }
    await query('VACUUM (ANALYZE)');
    const lines: string[] = [];
    for (const q of QUERIES) {
      const times: number[] = [];
      let total = 0;
      for (let round = 0; round < ROUNDS; round += 1) {
        const begun = performance.now();
        const { status, body, text } = await api.get(`/users?q=${encodeURIComponent(q)}`, { token });
        demand(
          status === 200,
          `a search for ${JSON.stringify(q)} answered ${status} after ${(performance.now() - begun).toFixed(0)} ms: ${text}`,
        );
        times.push(performance.now() - begun);
        total = body.pagination.total;
      }
      const p95 = times.toSorted((a, b) => a - b)[Math.floor(ROUNDS * 0.95)] ?? 0;
      lines.push(
        `${JSON.stringify(q).padEnd(16)} ${String(total).padStart(7)} found  p50 ${median(times).toFixed(0).padStart(5)} ms  p95 ${p95.toFixed(0).padStart(5)} ms`,
      );
    }
    return `${MEMBERS} members, ${ROUNDS} searches each\n${lines.join('\n')}`;
  });
});
