// One token and several who hold it, and the last seat: many rounds of each, all calls waiting for the same moment.
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
import { newAccount } from '../../support/fixtures/accounts.ts';
import { rounds } from '../../support/thorough.ts';

const ROUNDS = rounds(50);
const inviting = await openInviting(t);
const { api, database, owner } = inviting;
const organizationId = owner.organization.id;

t.test('one token at once makes one account and one member', async (t) => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const before = await countMembers(database, organizationId);
    const { token } = await inviting.invited(freshEmail());
    const replies = await atOnce(2, () => api.post('/invitations/accept', registering(token)));
    t.same(statusesOf(replies), [200, 410], `round ${round}`);
    t.equal(await countMembers(database, organizationId), before + 1);
  }
});

t.test('one token at once by one user joins once', async (t) => {
  const guest = await openGuest(inviting);
  for (let round = 0; round < ROUNDS; round += 1) {
    const { token } = await inviting.invited(guest.email);
    const replies = await atOnce(4, () => guest.accept(token));
    t.equal(replies.filter(({ status }) => status === 200).length, 1, `round ${round}`);
    // The winner's older access token is stale from then on.
    t.ok(replies.every(({ code }) => code === null || code === 'invitation_invalid' || code === 'token_stale'));
    await guest.letGo();
  }
});

t.test('the last seat is given to exactly one of two invitations', async (t) => {
  const company = await newAccount(api);
  for (let round = 0; round < ROUNDS; round += 1) {
    const replies = await atOnce(2, () => inviting.invite(freshEmail(), 'agent', company.accessToken));
    t.same(statusesOf(replies), [201, 409], `round ${round}`);
    t.same(codesOf(replies), ['team_member_limit']);
    await database.query('DELETE FROM invitations WHERE organization_id = $1', [company.organization.id]);
  }
});

t.test('the last seat is given to exactly one of two who accept', async (t) => {
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

t.test('who comes to a used token while it is being used is told so, not that the e-mail is taken', async (t) => {
  const { token } = await inviting.invited(freshEmail());
  const { parts } = inviting.service.app;
  // The winner is done just after the loser has found the token good, and before the loser looks for the account.
  let winner: Reply | undefined;
  const systemReader = (): SystemReader => ({
    async rows<Row>(asked: Statement, values: readonly unknown[]) {
      const found = await parts.db.systemReader().rows<Row>(asked, values);
      winner ??= await api.post('/invitations/accept', registering(token));
      return found;
    },
  });
  const device = { ip: null, userAgent: null };
  const loser = acceptByRegistering(
    { ...parts, refreshTtlSeconds: 86_400, sessionMaxAgeSeconds: 86_400, db: { ...parts.db, systemReader } },
    { ...registering(token), tenants: [], email: null, device },
  );
  await t.rejects(loser, { code: 'invitation_invalid' });
  t.equal(winner?.status, 200);
});
