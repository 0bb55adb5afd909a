// Taking over an account whose e-mail has never been proven, during sign-ins with the password that someone else has
// set. Also tests two invitations for one new e-mail. Each race runs in many rounds.
import t from 'tap';
import {
  codesOf,
  freshEmail,
  openInviting,
  registering,
  setSeats,
  statusesOf,
} from '../../directory/invitations/inviting.ts';
import { atOnce } from '../../support/client.ts';
import { newAccount, newProvenAccount } from '../../support/fixtures/accounts.ts';
import { lookupOf } from '../../support/personal.ts';
import { rounds } from '../../support/thorough.ts';

const inviting = await openInviting(t);
const { api, database } = inviting;

t.test('no session of the earlier password survives the takeover of the account, in any order', async (t) => {
  for (let round = 0; round < rounds(50); round += 1) {
    const unproven = await newAccount(api, { email: freshEmail() });
    const { token } = await inviting.invited(unproven.email);
    const { email, password } = unproven;
    const replies = await atOnce(3, (index) =>
      index === 0 ? api.post('/invitations/accept', registering(token)) : api.post('/auth/login', { email, password }),
    );
    t.equal(replies[0]?.status, 200);
    const live = await database.query<{ id: string }>(
      'SELECT id FROM sessions WHERE user_id = $1 AND revoked_at IS NULL',
      [unproven.userId],
    );
    t.same(live, [{ id: replies[0]?.body.data.sessionId }], `round ${round}`);
  }
});

t.test('if two organizations invite a new e-mail, the first accepted invitation creates the account', async (t) => {
  const other = await newProvenAccount(api, database);
  await setSeats(database, other.organization.id, 1000);
  for (let round = 0; round < rounds(50); round += 1) {
    const email = freshEmail();
    const one = await inviting.invited(email);
    const two = await inviting.invited(email, 'agent', other.accessToken);
    const replies = await atOnce(2, (index) =>
      api.post('/invitations/accept', registering(index === 0 ? one.token : two.token)),
    );
    t.same(statusesOf(replies), [200, 409], `round ${round}`);
    t.same(codesOf(replies), ['email_taken']);
    const [row] = await database.query('SELECT count(*)::int AS users FROM users WHERE email_lookup = $1', [
      lookupOf('users.email', email),
    ]);
    t.same(row, { users: 1 });
  }
});
