// The epochs of memberships. A change in one organization ends the member's tokens for this organization, and no other
// token of the person. The previous version knows only the epoch of the user, in its tokens and in its rows.
import { randomUUID } from 'node:crypto';
import t, { type Test } from 'tap';
import { grantRoles } from '../../../src/admin/accounts/grant-roles.ts';
import { raiseEpochs, raiseMembershipEpochs } from '../../../src/directory/users/epoch-store.ts';
import { atOnce } from '../../support/client.ts';
import { seedInvitation } from '../../support/fixtures/invitations.ts';
import { seedMembership, seedPerson, signInPerson } from '../../support/fixtures/people.ts';
import { furtherTeam, openTeam, type Team } from '../../support/fixtures/team.ts';
import { forge, partsOf, rsa, serviceKey } from '../../support/forge.ts';
import { refillChangeBudgets } from '../../support/rows.ts';
import { rounds } from '../../support/thorough.ts';

type AnyTeam = Pick<Team, 'organization' | 'join'>;

/** Two organizations with an owner each, and one person who is a member of both and signed in to each. */
async function openTeams(t: Test) {
  const here = await openTeam(t);
  const there = await furtherTeam(here.database, here.api);
  const person = await seedPerson(here.database, 'both');
  const owners = { here: await here.join('owner'), there: await there.join('owner') };
  const enter = async ({ organization }: AnyTeam) =>
    (await signInPerson(here.api, person, organization.slug)).accessToken;
  for (const { organization } of [here, there]) {
    await seedMembership(here.database, { organizationId: organization.id, userId: person.userId, role: 'agent' });
  }
  const { database, api, service } = here;
  const change = (role: string, place: 'here' | 'there' = 'here') =>
    api.patch(`/users/${person.userId}`, { roles: [{ role }] }, { token: owners[place].token });
  const ask = async (token: string) => {
    const { status, code } = await api.get('/me', { token });
    return code ?? status;
  };
  const epochs = () =>
    database.query<{ org: string; mep: number; epoch: number }>(
      `SELECT m.organization_id AS org, m.epoch AS mep, u.epoch FROM users u JOIN memberships m ON m.user_id = u.id
       WHERE u.id = $1 ORDER BY m.organization_id`,
      [person.userId],
    );
  return { database, api, service, here, there, person, owners, enter, change, ask, epochs };
}

/** The token as the previous version would have issued it. */
async function olderForm({ service }: Awaited<ReturnType<typeof openTeams>>, token: string): Promise<string> {
  const { header, claims } = partsOf(token);
  const { mep: _, ...older } = claims;
  return forge({ header, claims: { ...older, jti: randomUUID() } }, rsa(serviceKey(service.keysDirectory, 'access')));
}

t.test('every change of a membership ends the tokens for its organization, and none for another', async (t) => {
  const teams = await openTeams(t);
  const { api, database, service, here, there, person, owners, enter, change, ask } = teams;
  const patch = (body: object) => api.patch(`/users/${person.userId}`, body, { token: owners.here.token });
  const changes: Record<string, () => Promise<unknown>> = {
    'other roles': () => change('viewer'),
    'a scope': () => patch({ roles: [{ role: 'viewer', scope: { projectId: 'p' } }] }),
    suspended: () => patch({ status: 'suspended' }),
    'active again': () => patch({ status: 'active' }),
    'a role of an operator': () =>
      service.app.parts.db
        .system((tx) =>
          grantRoles(
            service.app.parts,
            tx,
            { id: person.userId, email: person.email },
            { organizationId: here.organization.id, roles: ['agent'] },
          ),
        )
        .then(() => service.app.parts.revocations.synchronize()),
    removed: () => api.delete(`/users/${person.userId}`, { token: owners.here.token }),
  };
  const elsewhere = await enter(there);
  const elsewhereOlder = await olderForm(teams, elsewhere);
  for (const [what, happen] of Object.entries(changes)) {
    const isActive = what !== 'active again';
    const token = isActive ? await enter(here) : null;
    const older = token === null ? null : await olderForm(teams, token);
    await happen();
    if (token) t.equal(await ask(token), 'token_stale', what);
    if (older) t.equal(await ask(older), 'token_stale', `${what}: older form`);
    t.same([await ask(elsewhere), await ask(elsewhereOlder)], [200, 200], `${what}: tokens for the other organization`);
  }
  const rows = await database.query(
    `SELECT DISTINCT membership_organization_id AS of FROM revocations WHERE subject = $1 AND kind = 'user'`,
    [person.userId],
  );
  t.same(rows, [{ of: here.organization.id }]);
});

t.test('a change of the person ends the tokens for every organization', async (t) => {
  const { service, here, there, person, enter, ask } = await openTeams(t);
  const tokens = [await enter(here), await enter(there)];
  const { db, publish } = service.app.parts;
  publish(await db.system((tx) => raiseEpochs(tx, [person.userId])));
  for (const token of tokens) t.equal(await ask(token), 'token_stale');
});

t.test('what the previous version writes ends all older tokens of the person', async (t) => {
  const { database, service, here, there, person, enter, ask } = await openTeams(t);
  const tokens = [await enter(here), await enter(there)];
  const [{ epoch } = { epoch: 0 }] = await database.query<{ epoch: number }>(
    'UPDATE users SET epoch = epoch + 1 WHERE id = $1 RETURNING epoch',
    [person.userId],
  );
  await database.query(
    `INSERT INTO revocations (id, kind, subject, epoch, caused_in) VALUES (gen_random_uuid(), 'user', $1, $2, $3)`,
    [person.userId, epoch, here.organization.id],
  );
  await service.app.parts.revocations.synchronize();
  for (const token of tokens) t.equal(await ask(token), 'token_stale');
  for (const token of [await enter(here), await enter(there)]) t.equal(await ask(token), 200);
});

t.test('a member who was removed and joins again gets tokens above every revoked epoch', async (t) => {
  const teams = await openTeams(t);
  const { api, database, service, here, person, owners, change, ask, enter } = teams;
  const joins: Record<string, () => Promise<string>> = {
    'by an invitation': async () => {
      const { token } = await seedInvitation(database, here.organization.id, { email: person.email, role: 'agent' });
      const { accessToken } = await signInPerson(api, person);
      const reply = await api.post('/invitations/accept', { token }, { token: accessToken });
      return reply.body.data.accessToken;
    },
    'by an operator': async () => {
      const { parts } = service.app;
      const [user, grant] = [
        { id: person.userId, email: person.email },
        { organizationId: here.organization.id, roles: ['agent'] },
      ];
      await parts.db.system((tx) => grantRoles(parts, tx, user, grant));
      return enter(here);
    },
    'by the previous version, which knows no epochs of memberships': async () => {
      await seedMembership(database, { organizationId: here.organization.id, userId: person.userId, role: 'agent' });
      return enter(here);
    },
  };
  for (const [how, join] of Object.entries(joins)) {
    for (const role of ['viewer', 'agent', 'viewer']) t.equal((await change(role)).status, 200);
    const before = await enter(here);
    t.equal((await api.delete(`/users/${person.userId}`, { token: owners.here.token })).status, 204);
    const [{ revoked } = { revoked: 0 }] = await database.query<{ revoked: number }>(
      'SELECT max(epoch) AS revoked FROM revocations WHERE subject = $1 AND membership_organization_id = $2',
      [person.userId, here.organization.id],
    );
    const token = await join();
    t.equal(await ask(token), 200, how);
    t.ok(Number(partsOf(token).claims.mep) >= revoked, 'its epoch is not below a revoked one');
    t.equal(await ask(before), 'token_stale', 'the older token is still refused');
    await refillChangeBudgets(database);
  }
});

t.test('simultaneous changes in two organizations each raise the epoch, and no change is lost', async (t) => {
  const { database, service, here, there, person, epochs } = await openTeams(t);
  const { db } = service.app.parts;
  const before = (await epochs())[0]?.epoch ?? 0;
  const ROUNDS = rounds(40);
  const organizations = [here.organization.id, there.organization.id];
  for (let round = 1; round <= ROUNDS; round += 1) {
    const raised = await atOnce(4, (index) => {
      const organizationId = organizations[index % 2] ?? '';
      return db.organization({ organizationId }, (tx) =>
        raiseMembershipEpochs(tx, [{ organizationId, userId: person.userId }]),
      );
    });
    const values = raised.flat().map((event) => (event.kind === 'membership' ? event.epoch : -1));
    const first = before + 4 * (round - 1);
    t.same(
      values.sort((a, b) => a - b),
      [first + 1, first + 2, first + 3, first + 4],
    );
  }
  const now = await epochs();
  t.ok(now.every(({ epoch }) => epoch === before + 4 * ROUNDS));
  t.equal(Math.max(...now.map(({ mep }) => mep)), before + 4 * ROUNDS, 'the last change has the highest epoch');
  const rows = await database.query('SELECT 1 FROM revocations WHERE subject = $1', [person.userId]);
  t.equal(rows.length, 4 * ROUNDS, 'each change has its own revocation');
});

t.test('a token that is issued during changes is refused, or has the rights after the last change', async (t) => {
  const teams = await openTeams(t);
  const { api, database, service, here, person, owners } = teams;
  const { refreshToken } = await signInPerson(api, person, here.organization.slug);
  let chain = refreshToken;
  for (let round = 0; round < rounds(40); round += 1) {
    await refillChangeBudgets(database);
    const role = round % 2 === 0 ? 'viewer' : 'agent';
    const [refreshed] = await atOnce(2, (index) =>
      index === 0
        ? api.post('/auth/refresh', { refreshToken: chain })
        : api.patch(`/users/${person.userId}`, { roles: [{ role }] }, { token: owners.here.token }),
    );
    const { accessToken, refreshToken: next } = refreshed?.body.data ?? {};
    chain = next;
    const { claims } = partsOf(accessToken);
    const verdict = service.app.parts.revocations.judge({
      id: person.userId,
      sessionId: String(claims.sid),
      epoch: Number(claims.epoch),
      membershipEpoch: Number(claims.mep),
      organizationId: String(claims.org),
      issuedAt: Number(claims.iat),
    });
    const isNew = (claims.roles as string[]).includes(role);
    t.equal(verdict, isNew ? null : 'token_stale', 'old rights are refused, new rights are accepted');
  }
});

t.test('the claim mep is the epoch of the membership in every token for an organization', async (t) => {
  const teams = await openTeams(t);
  const { api, here, there, person, change, epochs } = teams;
  const { accessToken, refreshToken } = await signInPerson(api, person, there.organization.slug);
  await change('viewer');
  const mepOf = (token: string) => partsOf(token).claims.mep;
  const known = new Map((await epochs()).map(({ org, mep }) => [org, mep]));
  t.equal(mepOf(accessToken), known.get(there.organization.id), 'sign-in');
  const other = await api.post('/auth/refresh', { refreshToken, organization: here.organization.id });
  t.equal(mepOf(other.body.data.accessToken), known.get(here.organization.id), 'refresh');
  const switched = await api.post(
    '/auth/switch-organization',
    { organization: here.organization.id },
    { token: accessToken },
  );
  t.equal(mepOf(switched.body.data.accessToken), known.get(here.organization.id), 'switch');
  t.not(known.get(here.organization.id), known.get(there.organization.id));
  const alone = await signInPerson(api, await seedPerson(here.database));
  t.equal('mep' in partsOf(alone.accessToken).claims, false, 'no organization');
});
