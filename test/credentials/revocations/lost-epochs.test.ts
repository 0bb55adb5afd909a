// A failover has lost changes that raised epochs. The processes remember these changes and refuse older tokens. New
// sign-ins and new tokens of clients are accepted all the same: while the database is in doubt, and after a decision.
import { isDeepStrictEqual } from 'node:util';
import t, { type Test } from 'tap';
import { acceptDatabase } from '../../../src/admin/restore/restore.ts';
import { raiseEpochs } from '../../../src/directory/users/epoch-store.ts';
import type { TestDatabase } from '../../support/database.ts';
import { seedMembership, seedPerson, signInPerson } from '../../support/fixtures/people.ts';
import { openTeam } from '../../support/fixtures/team.ts';
import { UNREAD_USER } from '../../support/personal.ts';
import { openService, type Service } from '../../support/service.ts';
import { promote, rowOf } from './set-back.ts';

async function open(t: Test) {
  const team = await openTeam(t);
  const { api, database, organization } = team;
  const owner = await team.join('owner');
  const person = await seedPerson(database, 'Person');
  await seedMembership(database, { organizationId: organization.id, userId: person.userId, role: 'viewer' });
  const { token } = owner;
  const made = await api.post('/clients', { name: 'c', description: '', permissions: ['users:read'] }, { token });
  const role = { name: 'big', description: '', level: 1, permissions: ['deals:read'] };
  const big = (await api.post('/roles', role, { token })).body.data.id as string;
  const client = { id: made.body.data.id as string, secret: made.body.data.clientSecret as string };
  await team.service.app.parts.revocations.synchronize();
  return { ...team, owner, person, client, big };
}

type Opened = Awaited<ReturnType<typeof open>>;

/** Sets the database back to the state of a standby that has received no change of an epoch. */
async function setBack(database: TestDatabase): Promise<void> {
  await database.query(`SET session_replication_role = replica; DELETE FROM revocations; UPDATE users SET epoch = 0;
    UPDATE clients SET epoch = 0, permissions = '{users:read}'; UPDATE memberships SET epoch = 0;
    UPDATE organizations SET roles_epoch = 0; RESET session_replication_role`);
  await promote(database);
}

const synchronize = async (...services: Service[]) => {
  for (const { app } of services) await app.parts.revocations.synchronize();
};

const signIn =
  ({ person, organization }: Opened) =>
  async ({ api }: Service) =>
    (await signInPerson(api, person, organization.slug)).accessToken;

const CHANGES: Record<string, { change: (team: Opened) => Promise<unknown>; token?: typeof clientToken }> = {
  'a change of the roles of a member': {
    change: ({ api, owner, person }) =>
      api.patch(`/users/${person.userId}`, { roles: [{ role: 'agent' }] }, { token: owner.token }),
  },
  'a removal of a member': {
    change: ({ api, owner, person }) => api.delete(`/users/${person.userId}`, { token: owner.token }),
  },
  'a change of the person': {
    change: async ({ service: { app }, person }) => {
      const { db, publish } = app.parts;
      await publish(await db.system((tx) => raiseEpochs(tx, [person.userId])));
    },
  },
  'a change of a role that many members have': {
    async change({ api, database, organization, owner, person, big }) {
      await api.patch(`/users/${person.userId}`, { roles: [{ role: 'big' }] }, { token: owner.token });
      await database.query(
        `WITH people AS (INSERT INTO users (id, ${UNREAD_USER.columns})
           SELECT gen_random_uuid(), ${UNREAD_USER.values("'h' || n")}
           FROM generate_series(1, 500) n RETURNING id),
         members AS (INSERT INTO memberships (organization_id, user_id) SELECT $1, id FROM people RETURNING user_id)
         INSERT INTO role_assignments (id, organization_id, user_id, role_id, role_owner_key)
         SELECT gen_random_uuid(), $1, user_id, $2, $1 FROM members`,
        [organization.id, big],
      );
      await api.patch(`/roles/${big}`, { permissions: ['deals:write'] }, { token: owner.token });
    },
  },
  'a change of a service client': {
    change: ({ api, owner, client }) => api.patch(`/clients/${client.id}`, { permissions: [] }, { token: owner.token }),
    token: clientToken,
  },
};

function clientToken({ client }: Opened) {
  const authorization = `Basic ${btoa(`${client.id}:${client.secret}`)}`;
  const headers = { 'content-type': 'application/x-www-form-urlencoded', authorization };
  return async ({ api }: Service): Promise<string> =>
    (await api.call('POST', '/oauth/token', undefined, { raw: 'grant_type=client_credentials', headers })).body
      .access_token;
}

for (const [what, { change, token: tokenOf = signIn }] of Object.entries(CHANGES)) {
  t.test(`after a failover has lost ${what}, each process knows it, and new tokens are accepted`, async (t) => {
    const team = await open(t);
    const { database, service, organization, person } = team;
    const other = await openService(t, database); // remembers the same changes
    await change(team);
    await synchronize(service, other);
    const remembered = [...service.app.parts.revocations.events()].filter((event) => 'epoch' in event);
    t.ok(remembered.length > 0);
    await setBack(database);
    if (what === 'a removal of a member') {
      await seedMembership(database, { organizationId: organization.id, userId: person.userId, role: 'viewer' });
    }
    await synchronize(service, other);
    t.match(await rowOf(database), { reason: 'lost' });
    await database.query("UPDATE database_lineage SET doubted_at = doubted_at - interval '30 seconds'");

    const late = await openService(t, database);
    await synchronize(service, other, late);
    const known = [...late.app.parts.revocations.events()].filter((event) => 'epoch' in event);
    // The loop that raises the members of a role in slices may have raised an epoch further meanwhile.
    for (const { epoch, ...about } of remembered) {
      const isKnown = known.some(({ epoch: raised, ...other }) => raised >= epoch && isDeepStrictEqual(other, about));
      t.ok(isKnown, 'a process that starts later knows the event, or a later one about the same');
    }
    const isAccepted = async (when: string) => {
      const token = await tokenOf(team)(late);
      for (const { api } of [service, other, late]) {
        const { status, code } = await api.get(what.endsWith('client') ? '/users' : '/me', { token });
        t.strictSame([status, code], [200, null], when);
      }
    };
    await isAccepted('in doubt');
    await acceptDatabase(service.app.parts);
    await synchronize(service, other, late);
    await isAccepted('after the decision');
  });
}
