// Which sign-ins count as the first one, what counts as used before, how many mails a person gets, and what happens
// when several sign-ins come at the same moment.
import t from 'tap';
import { createAccount } from '../../../src/admin/accounts/create-account.ts';
import { freshEmail, PASSWORD, registering } from '../../directory/invitations/inviting.ts';
import { atOnce } from '../../support/client.ts';
import { tokenIn } from '../../support/servers/mailbox.ts';
import { rounds } from '../../support/thorough.ts';
import { CHROME, headersOf, LAPTOP, openDevices, type Person, STRANGE } from './devices.ts';

const devices = await openDevices(t);
const { api, database, mailbox, service, person, unproven, login, notices, rowsOf } = devices;

/** A program with this name, in the network of the laptop. */
const program = (name: string) => ({ agent: `${name}/1.0`, ip: LAPTOP.ip });

t.test(
  'the sign-in with which an account begins sends no mail, and the next one with another device does',
  async (t) => {
    const email = freshEmail();
    const invited = await devices.invited(email);
    const accepted = await api.post('/invitations/accept', registering(invited.token), { headers: headersOf(LAPTOP) });
    t.equal(accepted.status, 200, accepted.text);
    const guest = { email, userId: accepted.body.data.user.id as string };
    t.same(await rowsOf(guest), [], 'an accepted invitation');
    await login(guest, STRANGE);
    t.equal((await notices(guest)).length, 1);

    const made = freshEmail();
    const { id } = await createAccount(service.app.parts, {
      email: made,
      name: 'M',
      password: PASSWORD,
      verified: true,
    });
    const operated = { email: made, userId: id };
    t.equal((await login(operated, LAPTOP)).status, 200);
    t.same(await notices(operated), [], 'an account that an operator made');
    await login(operated, STRANGE);
    t.equal((await notices(operated)).length, 1);
  },
);

t.test('simultaneous first sign-ins to an account that an operator made send no mail', async (t) => {
  for (let round = 0; round < rounds(20); round += 1) {
    const email = freshEmail();
    const asked = { email, name: 'M', password: PASSWORD, verified: true };
    const { id } = await createAccount(service.app.parts, asked);
    const replies = await atOnce(3, () => login({ email }, LAPTOP));
    t.ok(replies.every(({ status }) => status === 200));
    t.same(await notices({ email }), [], `round ${round}`);
    t.same(await rowsOf({ userId: id }), ['unwanted'], `round ${round}`);
  }
});

t.test('an account that nobody has used for so long that its sessions were removed gets the mail', async (t) => {
  const grace = await person();
  await database.query('DELETE FROM sessions WHERE user_id = $1', [grace.userId]);
  t.equal((await login(grace, LAPTOP)).status, 200);
  t.equal((await notices(grace)).length, 1);
});

t.test('a device counts as used when its session has ended, but not when it belonged to a squatter', async (t) => {
  const grace = await person();
  const signOut = "UPDATE sessions SET revoked_at = now(), revoked_reason = 'logout' WHERE user_id = $1";
  await database.query(signOut, [grace.userId]);
  await login(grace, LAPTOP);
  t.same(await notices(grace), []);

  const squatted = await unproven(STRANGE);
  await service.app.parts.outbox.sendDue();
  const verified = await api.post('/auth/verify-email', { token: tokenIn(await mailbox.nextProof(squatted.email)) });
  t.equal(verified.body.data.passwordSet, false, verified.text);
  const password = 'nine yellow lanterns';
  const reset = await api.post('/auth/reset-password', { token: verified.body.data.resetToken, password });
  t.ok(reset.status < 300, reset.text);
  t.equal((await login(squatted, LAPTOP, password)).status, 200);
  t.same(await notices(squatted), [], 'the first sign-in of the owner');
  t.equal((await login(squatted, STRANGE, password)).status, 200);
  t.match(await notices(squatted), [{ text: /Chrome on Windows/ }]);
});

t.test('sessions of the previous version count, by their sealed user agents and addresses', async (t) => {
  const grace = await person();
  await database.query('UPDATE sessions SET device_lookup = NULL WHERE user_id = $1', [grace.userId]);
  await login(grace, LAPTOP);
  t.same(await notices(grace), []);
  t.same(await rowsOf(grace), ['unwanted']);
  await login(grace, LAPTOP);
  t.equal((await rowsOf(grace)).length, 1, 'the next sign-in writes no row');
  await login(grace, STRANGE);
  t.equal((await notices(grace)).length, 1);
});

async function signInOften(person: Person, count: number, name: string): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    const reply = await login(person, program(`${name}${index}`));
    if (reply.status !== 200) throw new Error(`a sign-in answered ${reply.status}: ${reply.text}`);
  }
}

t.test('a person gets at most five such mails an hour and twenty a day', async (t) => {
  const grace = await person();
  const hoursLater = (hours: number) =>
    database.query(`UPDATE outbox SET created_at = created_at - $2::int * interval '1 hour' WHERE user_id = $1`, [
      grace.userId,
      hours,
    ]);
  await signInOften(grace, 7, 'first');
  t.equal((await notices(grace)).length, 5);
  t.same(await rowsOf(grace), [...Array(5).fill('sent'), 'unwanted', 'unwanted']);
  for (const [hour, total] of [10, 15, 20, 20].entries()) {
    await hoursLater(2);
    await signInOften(grace, 6, `hour${hour}x`);
    t.equal((await notices(grace)).length, total, `after hour ${hour}`);
  }
  await hoursLater(24);
  await signInOften(grace, 1, 'tomorrow');
  t.equal((await notices(grace)).length, 21);
});

t.test('of sign-ins at the same moment with one new device, exactly one sends a mail', async (t) => {
  const grace = await person();
  for (let round = 0; round < rounds(60); round += 1) {
    const sender = program(`racer${round}`);
    const replies = await atOnce(4, () => login(grace, sender));
    t.ok(replies.every(({ status }) => status === 200));
    t.equal((await notices(grace)).length, round + 1, `round ${round}`);
    await database.query(`UPDATE outbox SET created_at = created_at - interval '2 days' WHERE user_id = $1`, [
      grace.userId,
    ]);
  }
});

t.test('a sign-in with a known device and one with a new device at the same moment send one mail', async (t) => {
  const grace = await person();
  for (let round = 0; round < rounds(30); round += 1) {
    const sender = { agent: CHROME, ip: `198.18.${round}.9` };
    await atOnce(2, (index) => login(grace, index === 0 ? LAPTOP : sender));
    t.equal((await notices(grace)).length, round + 1, `round ${round}`);
    await database.query(`UPDATE outbox SET created_at = created_at - interval '2 days' WHERE user_id = $1`, [
      grace.userId,
    ]);
  }
});
