// Several proofs of one address, or a proof and an invitation, an operator or an open registration, at the same moment.
// One of them makes the account, and the others change nothing in it.
import t from 'tap';
import { createAccount } from '../../../src/admin/accounts/create-account.ts';
import { Problem } from '../../../src/base/errors/problem.ts';
import { atOnce } from '../../support/client.ts';
import { seedInvitation } from '../../support/fixtures/invitations.ts';
import { seedOrganization } from '../../support/fixtures/people.ts';
import { openService } from '../../support/service.ts';
import { rounds } from '../../support/thorough.ts';
import { freshAddress, onService, openRegistering, PASSWORD, type Pending } from './registering.ts';

const ROUNDS = rounds(40);
const registering = await openRegistering(t);
const { api, database, mailbox, service, pending, verify, signIn, account, waiting } = registering;
const REFUSED = 'invalid_or_expired_token';

const proofOf = ({ token, registrationId, code }: Pending, by: number, password: string) =>
  by % 2 === 0 ? { token, password } : { registrationId, code };

t.test('of two registrations that are proven at the same moment, one becomes the account', async (t) => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const email = freshAddress();
    const passwords = ['first good password', 'second good password'];
    const made: Pending[] = [];
    for (const password of passwords) made.push(await pending(email, { password }));
    const replies = await atOnce(4, (call) => {
      const [one, password] = [made[call % 2] as Pending, passwords[call % 2] ?? ''];
      return verify(proofOf(one, round + (call >> 1), password));
    });
    const won = replies.flatMap(({ status }, call) => (status === 200 ? [call % 2] : []));
    t.equal(won.length, 1, `round ${round}: ${replies.map(({ text }) => text)}`);
    t.ok(replies.every(({ status, code }) => status === 200 || code === REFUSED));
    for (const [index, password] of passwords.entries()) {
      t.equal((await signIn(email, password)).status, index === won[0] ? 200 : 401, `round ${round}`);
    }
    t.equal(await waiting(email), 0);
  }
});

t.test('a proof and the acceptance of an invitation make one account', async (t) => {
  const { id: organizationId } = await seedOrganization(database);
  const winners = new Set<number>();
  for (let round = 0; round < ROUNDS; round += 1) {
    const one = await pending();
    const { token } = await seedInvitation(database, organizationId, { email: one.email, role: 'agent' });
    const invited = 'another good password';
    const replies = await atOnce(2, async (call) =>
      call === 0
        ? verify(proofOf(one, round, PASSWORD))
        : api.post('/invitations/accept', { token, name: 'Grace', password: invited }),
    );
    const won = replies.flatMap(({ status }, call) => (status === 200 ? [call] : []));
    t.equal(won.length, 1, `round ${round}: ${replies.map(({ text }) => text)}`);
    t.equal(replies[won[0] === 0 ? 1 : 0]?.code, won[0] === 0 ? 'email_taken' : REFUSED);
    t.equal((await signIn(one.email)).status, won[0] === 0 ? 200 : 401);
    t.equal((await signIn(one.email, invited)).status, won[0] === 0 ? 401 : 200);
    t.equal(await waiting(one.email), 0);
    winners.add(won[0] ?? -1);
  }
  t.comment(`winners: ${[...winners]}`);
});

t.test('a proof and an operator at the same moment make one account', async (t) => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const one = await pending();
    const given = { email: one.email, name: 'Grace', password: 'another good password', verified: false };
    const made = () =>
      createAccount(service.app.parts, given).then(
        () => 'made',
        (error: unknown) => (error instanceof Problem ? error.code : Promise.reject(error)),
      );
    const [proven, created] = await Promise.all([verify(proofOf(one, round, PASSWORD)), made()]);
    const isProven = proven.status === 200;
    t.same([proven.code, created], isProven ? [null, 'email_taken'] : [REFUSED, 'made'], `round ${round}`);
    t.equal((await signIn(one.email)).status, isProven ? 200 : 401);
    t.equal((await account(one.email))?.isProven, isProven);
    t.equal(await waiting(one.email), 0);
  }
});

t.test(
  'a proof and a registration on a service that is still open leave one account that its owner can use',
  async (t) => {
    const opened = await openService(t, database, { SMTP_URL: mailbox.url, REGISTRATION_MODE: 'open' });
    const other = onService(database, mailbox, opened);
    for (let round = 0; round < ROUNDS; round += 1) {
      const one = await pending();
      const [proven, registered] = await Promise.all([
        verify(proofOf(one, round, PASSWORD)),
        other.ask(one.email, { password: 'another good password' }),
      ]);
      const both = [
        proven.status === 200 ? 'proven' : proven.code,
        registered.status === 201 ? 'made' : registered.code,
      ];
      t.ok(['proven,email_taken', `${REFUSED},made`].includes(both.join()), `round ${round}: ${both}`);
      t.equal((await account(one.email))?.isProven, proven.status === 200);
      t.equal(await waiting(one.email), 0);
    }
  },
);
