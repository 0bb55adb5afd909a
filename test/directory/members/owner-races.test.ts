// Two owners act at the same moment, and one owner always stays. Each race runs in many rounds. In each round both
// calls pass every guard before the first call continues.
import t from 'tap';
import type { Reply } from '../../support/client.ts';
import { seedMembership, signInPerson } from '../../support/fixtures/people.ts';
import { replaceRoles } from '../../support/fixtures/roles.ts';
import { openTeam, type Team, type Teammate } from '../../support/fixtures/team.ts';
import { collide } from '../../support/locks.ts';
import { heldRoles, ownersOf } from '../../support/rows.ts';
import { rounds } from '../../support/thorough.ts';

const ROUNDS = rounds(50);

/** Returns the status and code of each answer, sorted. */
function outcome(replies: readonly Reply[]): string[] {
  return replies.map(({ status, code }) => `${status} ${code ?? ''}`.trim()).sort();
}

/** Makes both users owners again, and returns new tokens. */
async function twoOwners({ database, api, organization }: Team, pair: readonly Teammate[]): Promise<Teammate[]> {
  await database.query("UPDATE memberships SET status = 'active', changes_paid_until = NULL");
  const { id } = organization;
  const again: Teammate[] = [];
  for (const person of pair) {
    const held = await heldRoles(database, id, person.userId);
    if (held.length === 0) await seedMembership(database, { organizationId: id, userId: person.userId, role: 'owner' });
    else if (held[0] !== 'owner')
      await replaceRoles(database, { organizationId: id, userId: person.userId, role: 'owner' });
    // The end of a membership has removed the organization from the session.
    const refreshed = await api.post('/auth/refresh', { refreshToken: person.refreshToken, organization: id });
    const signedIn = refreshed.status === 200 ? refreshed.body.data : await signInPerson(api, person, id);
    const { accessToken: token, refreshToken, sessionId } = signedIn;
    again.push({ ...person, token, refreshToken, sessionId });
  }
  return again;
}

type Change = (team: Team, by: Teammate, of: Teammate) => Promise<Reply>;

const demote: Change = ({ api }, { token }, { userId }) =>
  api.patch(`/users/${userId}`, { roles: [{ role: 'agent' }] }, { token });
const suspend: Change = ({ api }, { token }, { userId }) =>
  api.patch(`/users/${userId}`, { status: 'suspended' }, { token });
const remove: Change = ({ api }, { token }, { userId }) => api.delete(`/users/${userId}`, { token });
const leave = ({ api, organization }: Team, { token }: Teammate): Promise<Reply> =>
  api.delete(`/me/organizations/${organization.id}`, { token });

interface Race {
  readonly title: string;
  readonly first: (team: Team, one: Teammate, other: Teammate) => Promise<Reply>;
  readonly second: (team: Team, one: Teammate, other: Teammate) => Promise<Reply>;
  readonly outcomes: readonly string[];
}

const RACES: readonly Race[] = [
  {
    title: 'of two owners who demote each other exactly one succeeds, and the other has lost the right',
    first: demote,
    second: (team, one, other) => demote(team, other, one),
    outcomes: ['200,403 permission_denied'],
  },
  {
    title: 'of two owners who give up the role at once exactly one succeeds, and the other is the last owner',
    first: (team, one) => demote(team, one, one),
    second: (team, _one, other) => demote(team, other, other),
    outcomes: ['200,409 last_owner'],
  },
  {
    title: 'of two owners who remove each other exactly one succeeds, and the other is no longer a member',
    first: remove,
    second: (team, one, other) => remove(team, other, one),
    outcomes: ['204,403 organization_access_denied'],
  },
  {
    title: 'of an owner who gives up the role and an owner who leaves exactly one succeeds',
    first: (team, one) => demote(team, one, one),
    second: (team, _one, other) => leave(team, other),
    outcomes: ['200,409 last_owner', '204,409 last_owner'],
  },
  {
    title: 'of two owners who leave at once exactly one succeeds',
    first: (team, one) => leave(team, one),
    second: (team, _one, other) => leave(team, other),
    outcomes: ['204,409 last_owner'],
  },
  {
    title: 'one owner stays active when one suspends the other while the other suspends themselves',
    first: suspend,
    second: (team, _one, other) => suspend(team, other, other),
    outcomes: ['200,200', '200,403 organization_access_denied'],
  },
];

for (const { title, first, second, outcomes } of RACES) {
  t.test(title, async (t) => {
    const team = await openTeam(t);
    const { database, organization, join } = team;
    let pair = [await join('owner'), await join('owner')];
    const seen = new Set<string>();
    for (let round = 0; round < ROUNDS; round += 1) {
      if (round > 0) pair = await twoOwners(team, pair);
      const [one, other] = pair as [Teammate, Teammate];
      const calls = [() => first(team, one, other), () => second(team, one, other)];
      const replies = await collide(t, team, round % 2 === 0 ? calls : calls.toReversed());
      seen.add(outcome(replies).join());
      const owners = await ownersOf(database, organization.id);
      if (owners !== 1) t.fail(`round ${round}: ${owners} owners after ${outcome(replies)}`);
    }
    t.same(
      [...seen].filter((found) => !outcomes.includes(found)),
      [],
      `${[...seen].join(' and ')}`,
    );
  });
}
