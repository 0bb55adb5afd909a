// Accepting an invitation while it is revoked or mailed again, or while its inviter loses rights. Also simultaneous
// invitations of one e-mail. The races run in many rounds.
import t from 'tap';
import { atOnce } from '../../support/client.ts';
import type { Account } from '../../support/fixtures/accounts.ts';
import { refillChangeBudgets } from '../../support/rows.ts';
import { tokenIn } from '../../support/servers/mailbox.ts';
import { rounds } from '../../support/thorough.ts';
import { countMembers, freshEmail, joined, openGuest, openInviting, statusesOf } from './inviting.ts';

const ROUNDS = rounds(50);
const inviting = await openInviting(t);
const { api, database, mailbox, owner } = inviting;
const organizationId = owner.organization.id;
const options = { token: owner.accessToken };
const guest = await openGuest(inviting);

t.test('if an invitation is accepted and revoked at the same moment, only one of the two takes effect', async (t) => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const { id, token } = await inviting.invited(guest.email);
    const before = await countMembers(database, organizationId);
    const [accepted, revoked] = await atOnce(2, (index) =>
      index === 0 ? guest.accept(token) : api.delete(`/invitations/${id}`, options),
    );
    const outcome = `${accepted?.status},${revoked?.status}`;
    t.ok(['200,404', '410,204'].includes(outcome), `round ${round}: ${outcome}`);
    t.equal((await countMembers(database, organizationId)) - before, accepted?.status === 200 ? 1 : 0);
    await guest.letGo();
  }
});

t.test(
  'if an invitation is accepted and mailed again at the same moment, only one of its two tokens works',
  async (t) => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const { id, token } = await inviting.invited(guest.email);
      const [accepted, resent] = await atOnce(2, (index) =>
        index === 0 ? guest.accept(token) : api.post(`/invitations/${id}/resend`, undefined, options),
      );
      const outcome = `${accepted?.status},${resent?.status}`;
      t.ok(['200,404', '410,200'].includes(outcome), `round ${round}: ${outcome}`);
      if (accepted?.status !== 200) {
        const fresh = tokenIn(await mailbox.next(guest.email));
        t.equal((await guest.accept(fresh)).status, 200, 'the new token works');
      }
      await guest.letGo();
    }
  },
);

t.test(
  'an invitation that is accepted while its inviter is demoted grants no right that the inviter has lost',
  async (t) => {
    let admin: Account = await joined(inviting, 'admin');
    for (let round = 0; round < ROUNDS; round += 1) {
      await refillChangeBudgets(database);
      const { token } = await inviting.invited(guest.email, 'agent', admin.accessToken);
      const [accepted, demoted] = await atOnce(2, (index) =>
        index === 0
          ? guest.accept(token)
          : api.patch(`/users/${admin.userId}`, { roles: [{ role: 'viewer' }] }, options),
      );
      t.equal(demoted?.status, 200);
      t.ok([200, 410].includes(accepted?.status ?? 0), `round ${round}: ${accepted?.status}`);
      const [newest] = await database.query<{ type: string }>(
        `SELECT type FROM events WHERE organization_id = $1 AND type IN ('invitation.accepted', 'member.roles_changed')
       ORDER BY at DESC LIMIT 1`,
        [organizationId],
      );
      t.equal(newest?.type, 'member.roles_changed', 'every new member joined before the demotion');
      const restored = await api.patch(`/users/${admin.userId}`, { roles: [{ role: 'admin' }] }, options);
      t.equal(restored.status, 200);
      const refreshed = await api.post('/auth/refresh', { refreshToken: admin.refreshToken });
      const { accessToken, refreshToken } = refreshed.body.data;
      admin = { ...admin, accessToken, refreshToken };
      await guest.letGo();
      await database.query('DELETE FROM invitations WHERE organization_id = $1', [organizationId]);
    }
  },
);

t.test('an e-mail that is invited several times at the same moment has one invitation', async (t) => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const email = freshEmail();
    const replies = await atOnce(3, () => inviting.invite(email));
    t.same(statusesOf(replies), [201, 201, 201], `round ${round}`);
    t.equal(new Set(replies.map(({ body }) => body.data.id)).size, 1);
  }
});
