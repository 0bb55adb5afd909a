// One token used by several callers, and the last free seat. Most races run in many rounds, and all calls of a round
// start at the same moment.
import t from 'tap';
import type { Statement, SystemReader } from '../../../src/base/database/db.ts';
import { acceptByRegistering } from '../../../src/sign-in/accept-invitation/accept-invitation.ts';
import {
  codesOf,
  countMembers,
  freshEmail,
  openGuest,
  openInviting,
  registering,
  setSeats,
  statusesOf,
} from '../../directory/invitations/inviting.ts';
import { atOnce, type Reply } from '../../support/client.ts';
import { newProvenAccount } from '../../support/fixtures/accounts.ts';
import { rounds } from '../../support/thorough.ts';

const ROUNDS = rounds(50);
const inviting = await openInviting(t);
const { api, database, owner } = inviting;
const organizationId = owner.organization.id;

t.test('simultaneous acceptances of one token create one account and one member', async (t) => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const before = await countMembers(database, organizationId);
    const { token } = await inviting.invited(freshEmail());
    const replies = await atOnce(2, () => api.post('/invitations/accept', registering(token)));
    t.same(statusesOf(replies), [200, 410], `round ${round}`);
    t.equal(await countMembers(database, organizationId), before + 1);
  }
});

t.test('simultaneous acceptances of one token by one user create one membership', async (t) => {
  const guest = await openGuest(inviting);
  for (let round = 0; round < ROUNDS; round += 1) {
    const { token } = await inviting.invited(guest.email);
    const replies = await atOnce(4, () => guest.accept(token));
    t.equal(replies.filter(({ status }) => status === 200).length, 1, `round ${round}`);
    // After the acceptance, the earlier access token of the winner is stale.
    t.ok(replies.every(({ code }) => code === null || code === 'invitation_invalid' || code === 'token_stale'));
    await guest.letGo();
  }
});

t.test('if two invitations are sent at the same time, exactly one gets the last seat', async (t) => {
  const company = await newProvenAccount(api, inviting.database);
  for (let round = 0; round < ROUNDS; round += 1) {
    const replies = await atOnce(2, () => inviting.invite(freshEmail(), 'agent', company.accessToken));
    t.same(statusesOf(replies), [201, 409], `round ${round}`);
    t.same(codesOf(replies), ['team_member_limit']);
    await database.query('DELETE FROM invitations WHERE organization_id = $1', [company.organization.id]);
  }
});

t.test('if two users accept at the same time, exactly one gets the last seat', async (t) => {
  const guests = [await openGuest(inviting), await openGuest(inviting)];
  for (let round = 0; round < ROUNDS; round += 1) {
    const tokens: string[] = [];
    for (const { email } of guests) tokens.push((await inviting.invited(email)).token);
    const members = await countMembers(database, organizationId);
    await setSeats(database, organizationId, members + 1);
    const replies = await Promise.all(guests.map((guest, index) => guest.accept(tokens[index] ?? '')));
    t.same(statusesOf(replies), [200, 409], `round ${round}`);
    t.same(codesOf(replies), ['team_member_limit']);
    t.equal(await countMembers(database, organizationId), members + 1);
    await setSeats(database, organizationId, 1000);
    for (const guest of guests) await guest.letGo();
  }
});

t.test('in a race for one invitation, the second user gets invitation_invalid, not email_taken', async (t) => {
  const { token } = await inviting.invited(freshEmail());
  const { parts } = inviting.service.app;
  // The first caller finishes after the second has found the token valid, and before the second reads the account.
  let winner: Reply | undefined;
  const systemReader = (): SystemReader => ({
    personal: parts.db.personal,
    async rows<Row>(asked: Statement, values: readonly unknown[]) {
      const found = await parts.db.systemReader().rows<Row>(asked, values);
      winner ??= await api.post('/invitations/accept', registering(token));
      return found;
    },
  });
  const device = { ip: null, userAgent: null, network: 'unknown' };
  const times = { refreshTtlSeconds: 86_400, sessionMaxAgeSeconds: 86_400 };
  const loser = acceptByRegistering(
    { ...parts, ...times, db: { ...parts.db, systemReader }, removeClientsOf: async () => [] },
    { ...registering(token), tenants: [], email: null, locale: null, device },
  );
  await t.rejects(loser, { code: 'invitation_invalid' });
  t.equal(winner?.status, 200);
});
