// Simultaneous changes of one member, and the removal of a member during other requests.
import t from 'tap';
import { atOnce, type Reply } from '../../support/client.ts';
import { seedMembership, signInPerson } from '../../support/fixtures/people.ts';
import { openTeam, renewed, type Team, type Teammate } from '../../support/fixtures/team.ts';
import { collide, openTransaction, waiters } from '../../support/locks.ts';
import { countRows, heldRoles, refillChangeBudgets } from '../../support/rows.ts';
import { rounds } from '../../support/thorough.ts';

const ROUNDS = rounds(50);

/** Returns the status and code of each answer, sorted. */
function outcome(replies: readonly Reply[]): string[] {
  return replies.map(({ status, code }) => `${status} ${code ?? ''}`.trim()).sort();
}

function remove({ api }: Team, { token }: Teammate, { userId }: Teammate): Promise<Reply> {
  return api.delete(`/users/${userId}`, { token });
}

t.test('a change during a removal leaves no role behind without its member', async (t) => {
  const team = await openTeam(t);
  const { database, api, organization, join } = team;
  const owner = await join('owner');
  const agent = await join('agent');
  const seen = new Set<string>();
  for (let round = 0; round < ROUNDS; round += 1) {
    if (round > 0)
      await seedMembership(database, { organizationId: organization.id, userId: agent.userId, role: 'agent' });
    const change = () =>
      api.patch(`/users/${agent.userId}`, { roles: [{ role: 'viewer' }, { role: 'admin' }] }, { token: owner.token });
    const calls = [change, () => remove(team, owner, agent)];
    const replies = await collide(t, team, round % 2 === 0 ? calls : calls.toReversed());
    seen.add(outcome(replies).join());
    t.same(await heldRoles(database, organization.id, agent.userId), []);
    t.equal(await countRows(database, 'memberships'), 1);
  }
  // A change that came first returns the member, or 404 if the read for its answer came after the removal.
  t.same(
    [...seen].filter((found) => !['200,204', '204,404 not_found'].includes(found)),
    [],
  );
});

t.test('simultaneous changes of one member are each applied completely, one after the other', async (t) => {
  const team = await openTeam(t);
  const { database, api, organization, join } = team;
  const owner = await join('owner');
  const agent = await join('agent');
  const sets = [['viewer'], ['admin', 'agent'], ['agent', 'viewer']];
  for (let round = 0; round < ROUNDS; round += 1) {
    await refillChangeBudgets(database);
    const replies = await atOnce(sets.length, (index) => {
      const roles = (sets[index] ?? []).map((role) => ({ role }));
      return api.patch(`/users/${agent.userId}`, { roles }, { token: owner.token });
    });
    t.same(outcome(replies), ['200', '200', '200']);
    const held = await heldRoles(database, organization.id, agent.userId);
    t.ok(
      sets.some((set) => set.join() === held.join()),
      held.join(),
    );
  }
});

t.test('after a sign-in, switch or refresh during a removal, no session acts for the organization', async (t) => {
  const team = await openTeam(t);
  const { database, api, organization, join } = team;
  const owner = await join('owner');
  const agent = await join('agent');
  const bad: string[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    if (round > 0)
      await seedMembership(database, { organizationId: organization.id, userId: agent.userId, role: 'agent' });
    const free = await signInPerson(api, agent, organization.slug);
    await database.query('UPDATE sessions SET organization_id = NULL WHERE id = $1', [free.sessionId]);
    const held = await signInPerson(api, agent, organization.slug);
    const body = { organization: organization.slug };
    const replies = await atOnce(4, (index) => {
      if (index === 0) return remove(team, owner, agent);
      if (index === 1) return api.post('/auth/switch-organization', body, { token: free.accessToken });
      if (index === 2) return api.post('/auth/refresh', { refreshToken: held.refreshToken });
      return api.post('/auth/refresh', { refreshToken: free.refreshToken, ...body });
    });
    if (replies[0]?.status !== 204 || replies.some(({ status }) => status >= 500)) bad.push(outcome(replies).join());
    for (const { body: answer } of replies) {
      const token = answer.data?.accessToken;
      if (!token) continue;
      const { status, code } = await api.get('/users', { token });
      if (status !== 401 && code !== 'organization_required') bad.push(`round ${round}: a token still works`);
    }
    const left = await database.query('SELECT 1 FROM sessions WHERE organization_id = $1 AND user_id = $2', [
      organization.id,
      agent.userId,
    ]);
    if (left.length > 0) bad.push(`round ${round}: a session acts for it`);
    await renewed(api, owner);
  }
  t.same(bad, []);
});

t.test('a request that waits for the end of a membership is refused as if it came after the end', async (t) => {
  const { database, api, organization, join } = await openTeam(t);
  const agent = await join('agent');
  const { accessToken: token, refreshToken } = await signInPerson(api, agent, organization.slug);
  const body = { organization: organization.slug };
  const calls: Record<string, () => Promise<unknown>> = {
    'a switch': async () => (await api.post('/auth/switch-organization', body, { token })).code,
    'a switch with the refresh token': async () =>
      (await api.post('/auth/switch-organization', { ...body, refreshToken }, { token })).code,
    'a sign-in': () => signInPerson(api, agent, organization.slug).catch(String),
  };
  for (const [what, call] of Object.entries(calls)) {
    await database.query('UPDATE sessions SET organization_id = NULL');
    const ending = await openTransaction(t, database);
    await ending.query('DELETE FROM memberships WHERE user_id = $1', [agent.userId]);
    const answer = call();
    await waiters(database, 1);
    await ending.query('COMMIT');
    t.match(await answer, /organization_access_denied/, what);
    await seedMembership(database, { organizationId: organization.id, userId: agent.userId, role: 'agent' });
  }
});

t.test('no session starts to act for the organization while a member is removed', async (t) => {
  const team = await openTeam(t);
  const { database, api, organization, join } = team;
  const owner = await join('owner');
  const agent = await join('agent');
  const held = await openTransaction(t, database);
  await held.query('SELECT 1 FROM sessions WHERE id = $1 FOR UPDATE', [agent.sessionId]);
  const removed = remove(team, owner, agent);
  await waiters(database, 1);
  const signedIn = signInPerson(api, agent, organization.slug).catch(String);
  await Promise.race([signedIn, waiters(database, 2)]);
  await held.query('COMMIT');
  t.equal((await removed).status, 204);
  t.match(await signedIn, /organization_access_denied/);
  t.same(await database.query('SELECT id, organization_id FROM sessions WHERE user_id = $1', [agent.userId]), [
    { id: agent.sessionId, organization_id: null },
  ]);
});
