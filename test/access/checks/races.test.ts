// Checks while a role is removed: a check that begins after the change has been answered is never granted.
import t from 'tap';
import { atOnce } from '../../support/client.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { seedMember } from '../../support/fixtures/people.ts';
import { refillChangeBudgets } from '../../support/rows.ts';
import { openService } from '../../support/service.ts';
import { rounds } from '../../support/thorough.ts';

const ROUNDS = rounds(50);
const CHECKS = 8;

t.test('a check that begins after the answer to the removal of a role is refused, in every round', async (t) => {
  const database = await createDatabase(t);
  const { api, app } = await openService(t, database);
  await app.parts.revocations.synchronize(); // from now on memory may answer a check
  const { organization, accessToken: token } = await newAccount(api);
  const userId = await seedMember(database, organization.id, 'agent');
  const question = { resource: 'deals', action: 'write', userId };
  // An explanation always reads PostgreSQL. Without one, memory may answer.
  const ask = async (explain = false) => {
    const { status, body } = await api.post('/authz/check', { ...question, explain }, { token });
    return status === 200 ? body.data.allowed : status;
  };
  const give = (role: string) => api.patch(`/users/${userId}`, { roles: [{ role }] }, { token });
  const wrong: string[] = [];
  const during = new Map<unknown, number>();
  for (let round = 0; round < ROUNDS; round += 1) {
    await refillChangeBudgets(database);
    // Every second round removes the role. The other rounds assign the role again.
    if ((round % 2 === 0) !== (await ask())) wrong.push(`round ${round}: before`);
    const target = round % 2 === 0 ? 'viewer' : 'agent';
    let answered = false;
    const late: unknown[] = [];
    await atOnce(CHECKS + 1, async (party) => {
      if (party === round % (CHECKS + 1)) {
        const reply = await give(target);
        if (reply.status !== 200) wrong.push(`round ${round}: ${reply.text}`);
        answered = true;
        return;
      }
      for (let times = 0; times < 4; times += 1) {
        const isLate = answered;
        const allowed = await ask(party % 2 === 0);
        if (isLate) late.push(allowed);
        else during.set(allowed, (during.get(allowed) ?? 0) + 1);
      }
    });
    late.push(await ask());
    if (late.some((allowed) => allowed !== (target === 'agent'))) wrong.push(`round ${round}: ${target} ${late}`);
  }
  t.same(wrong, []);
  t.same([...during.keys()].sort(), [false, true], 'during the change both answers were seen, and no other answer');
});
