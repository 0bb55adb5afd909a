// `npm run bench:search` measures the search for members of a large organization, whose names and e-mail addresses are
// sealed. README.md explains the figures.
import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { asAdmin } from '../scripts/prove/database.ts';
import { withTestbed } from '../scripts/prove/testbed.ts';
import { openApi } from '../test/support/client.ts';
import { newAccount } from '../test/support/fixtures/accounts.ts';
import { insertPeople, personalIn } from '../test/support/personal.ts';
import { FIRST, LAST, measureSearches } from './searches.ts';

const { values: options } = parseArgs({
  options: { members: { type: 'string', default: '100000' }, rounds: { type: 'string', default: '40' } },
});
const MEMBERS = Number(options.members);
const ROUNDS = Number(options.rounds);
const BATCH = 5_000;
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
    return `${MEMBERS} members, ${ROUNDS} searches each\n${await measureSearches(api, token, ROUNDS)}`;
  });
});
