// Members whose roles are changed, with their tokens. A change revokes the tokens for the organization in which the
// role is changed. The tokens for a second organization must stay valid. Other files watch the tokens.
import { newAccount } from '../../../test/support/fixtures/accounts.ts';
import { asAdmin } from '../database.ts';
import { demand } from '../proof.ts';
import type { Opened } from '../sessions.ts';
import { taken, timed } from './calls.ts';
import type { Setup } from './setup.ts';
import type { Target } from './targets.ts';

/** Makes the members join a second organization. Returns the function that prepares the next target. */
export async function openRoleChanges(
  { testbed, owner, apis }: Setup,
  members: readonly string[],
  sessionsOf: (userId: string, count: number) => Promise<readonly Opened[]>,
): Promise<() => Promise<Target>> {
  const token = owner.accessToken;
  const [first] = apis;
  demand(first !== undefined, 'there is no replica');
  const { organization: second } = await newAccount(first);
  await asAdmin(testbed, (query) =>
    query('INSERT INTO memberships (organization_id, user_id) SELECT $1, unnest($2::uuid[])', [second.id, members]),
  );
  const free = [...members];
  const roles = new Map(members.map((id) => [id, 'agent']));

  async function refreshed(refreshToken: string, organization?: string) {
    const reply = await apis[1]?.post('/auth/refresh', { refreshToken, ...(organization ? { organization } : {}) });
    demand(reply?.status === 200, `a refresh of a member answered ${reply?.status}: ${reply?.text}`);
    return reply.body.data as { readonly accessToken: string; readonly refreshToken: string };
  }

  return async () => {
    const member = await taken(free);
    const [opened] = await sessionsOf(member, 1);
    demand(opened !== undefined, 'no session was opened');
    const elsewhere = await refreshed(opened.refreshToken, second.id);
    const role = roles.get(member) === 'agent' ? 'viewer' : 'agent';
    return {
      kind: 'role changed',
      text: opened.accessToken,
      spared: elsewhere.accessToken,
      revoke: async (replica) => {
        const api = apis[replica];
        demand(api !== undefined, `there is no replica ${replica}`);
        const times = await timed(() => api.patch(`/users/${member}`, { roles: [{ role }] }, { token }));
        roles.set(member, role);
        return times;
      },
      renewed: async () => (await refreshed(elsewhere.refreshToken)).accessToken,
      release: async () => void free.push(member),
    };
  };
}
