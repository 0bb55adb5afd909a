// What does not prove a registration, and what guesses cost.
import t from 'tap';
import { tokenHash } from '../../../src/credentials/one-time/text.ts';
import { removeExpiredRegistrations } from '../../../src/sign-in/registration/end.ts';
import { openAccount } from '../../../src/sign-in/registration/open-account.ts';
import { findByTokenHash } from '../../../src/sign-in/registration/store.ts';
import { seededId, seedPerson, signInPerson } from '../../support/fixtures/people.ts';
import { lookupOf } from '../../support/personal.ts';
import { freshAddress, openRegistering, PASSWORD, wrongFor } from './registering.ts';

const registering = await openRegistering(t, {
  RATE_LIMIT_ENABLED: 'true',
  RATE_LIMIT_SIGN_IN: '100000',
  LOGIN_FAILURES_MAX: '5',
  TRUSTED_PROXIES: '127.0.0.1',
});
const { api, database, service, ask, pending, send, verify, signIn, account, waiting } = registering;
const REFUSED = { status: 422, code: 'invalid_or_expired_token' };

t.test('a link or code that has expired, was never made, or belongs to another registration is refused', async (t) => {
  const [one, other] = [await pending(), await pending()];
  t.match(await verify({ registrationId: other.registrationId, code: one.code }), REFUSED);
  t.match(await verify({ registrationId: seededId(), code: one.code }), REFUSED);
  t.match(await verify({ registrationId: one.registrationId, code: 'no digits' }), REFUSED);
  t.match(await verify({ token: one.registrationId, password: PASSWORD }), REFUSED);
  t.match(await verify({ token: 'A'.repeat(43), password: PASSWORD }), REFUSED);
  t.match(await verify({ token: one.token, code: one.code }), { status: 422, code: 'validation_failed' });
  t.match(await verify({ token: one.token, registrationId: one.registrationId }), { code: 'validation_failed' });
  t.match(await verify({ registrationId: 'x', code: one.code }), { code: 'validation_failed' });
  t.match(await verify({ code: one.code }), { status: 401, code: 'unauthenticated' });
  await database.query(`UPDATE registrations SET code_expires_at = now() WHERE id = $1`, [one.registrationId]);
  t.match(await verify({ registrationId: one.registrationId, code: one.code }), REFUSED);
  t.equal((await verify({ token: one.token, password: PASSWORD })).status, 200, 'the link works longer');
  await database.query(`UPDATE registrations SET expires_at = now() WHERE id = $1`, [other.registrationId]);
  t.match(await verify({ token: other.token, password: PASSWORD }), REFUSED);
  t.match(await verify({ token: other.token }), REFUSED);
  t.match(await verify({ registrationId: other.registrationId, code: other.code }), REFUSED);
  t.equal(await account(other.email), null);
  await removeExpiredRegistrations(service.app.parts.db);
  t.equal(await waiting(other.email), 0);
});

t.test('five wrong guesses end a code, and its link goes on working', async (t) => {
  const { email, registrationId, token, code } = await pending();
  for (let guess = 0; guess < 4; guess += 1) t.match(await verify({ registrationId, code: wrongFor(code) }), REFUSED);
  const lucky = await pending();
  for (let guess = 0; guess < 4; guess += 1) {
    t.match(await verify({ registrationId: lucky.registrationId, code: wrongFor(lucky.code) }), REFUSED);
  }
  t.equal((await verify({ registrationId: lucky.registrationId, code: lucky.code })).status, 200, 'after four');
  t.match(await verify({ registrationId, code: wrongFor(code) }), REFUSED);
  t.match(await verify({ registrationId, code }), REFUSED, 'after five');
  t.equal((await verify({ token, password: PASSWORD })).status, 200);
  t.ok((await account(email))?.isProven);
});

t.test('twenty wrong guesses for an address end the codes of all its registrations, and no link', async (t) => {
  const email = freshAddress();
  const made = [];
  for (let count = 0; count < 5; count += 1) {
    made.push(await pending(email, {}, { 'x-forwarded-for': `10.0.${count}.1` }));
  }
  for (const { registrationId, code } of made.slice(0, 4)) {
    for (let guess = 0; guess < 5; guess += 1) t.match(await verify({ registrationId, code: wrongFor(code) }), REFUSED);
  }
  const last = made[4];
  t.match(await verify({ registrationId: last?.registrationId, code: last?.code }), REFUSED);
  t.equal((await verify({ token: last?.token, password: PASSWORD })).status, 200);
});

t.test('guesses at the same moment are counted up to the limit', async (t) => {
  const { registrationId, code } = await pending();
  await Promise.all(Array.from({ length: 12 }, () => verify({ registrationId, code: wrongFor(code) })));
  const [row] = await database.query('SELECT wrong_codes AS wrong FROM registrations WHERE id = $1', [registrationId]);
  t.same(row, { wrong: 5 });
});

t.test('the first registration that is proven wins, and ends the others', async (t) => {
  const email = freshAddress();
  const [one, other] = [await pending(email), await pending(email, { password: 'another good password' })];
  t.equal((await verify({ registrationId: one.registrationId, code: one.code })).status, 200, 'despite the later one');
  for (const proof of [
    { token: other.token, password: 'another good password' },
    { token: other.token },
    { registrationId: other.registrationId, code: other.code },
  ]) {
    t.match(await verify(proof), REFUSED);
  }
  t.equal((await signIn(email)).status, 200);
  t.equal(await waiting(email), 0);
});

t.test('an access token does not go with a registration', async (t) => {
  const { token, registrationId, code } = await pending();
  const person = await seedPerson(database);
  const { accessToken } = await signInPerson(api, person);
  t.match(await verify({ registrationId, code }, accessToken), { status: 422, code: 'validation_failed' });
  t.match(await verify({ token }, accessToken), { status: 403, code: 'verification_for_another' });
  t.equal((await verify({ token, password: PASSWORD })).status, 200, 'it still works');
});

t.test('a registration whose mail was not made yet cannot be proven', async (t) => {
  const email = freshAddress();
  const { registrationId } = (await ask(email)).body.data;
  t.match(await verify({ registrationId, code: '00000000' }), REFUSED);
  const [row] = await database.query(
    'SELECT wrong_codes AS wrong, token_hash AS token FROM registrations WHERE email_lookup = $1',
    [lookupOf('registrations.email', email)],
  );
  t.same(row, { wrong: 0, token: null });
  await send();
});

t.test('a registration that ended, expired or got another link after it was found makes no account', async (t) => {
  const { parts } = service.app;
  const changes = {
    ended: 'DELETE FROM registrations WHERE id = $1',
    expired: 'UPDATE registrations SET expires_at = now() WHERE id = $1',
    'with another link': 'UPDATE registrations SET token_hash = sha256(token_hash) WHERE id = $1',
  };
  for (const [how, change] of Object.entries(changes)) {
    for (const by of ['link', 'code']) {
      const { email, token } = await pending();
      const hash = tokenHash(token) ?? '';
      const registration = await findByTokenHash(parts.db.systemReader(), hash);
      if (!registration) throw new Error('there is no registration');
      await database.query(change, [registration.id]);
      const { name, passwordHash, locale } = registration;
      const asked = { registration, tokenHash: by === 'link' ? hash : null, name, passwordHash, locale };
      const open = parts.db.system((tx) =>
        openAccount({ ...parts, removeClientsOf: async () => [] }, tx, { ...asked, organization: null }),
      );
      if (how === 'with another link' && by === 'code') await open;
      else await t.rejects(open, { code: 'invalid_or_expired_token' }, `${how}, by ${by}`);
      t.equal((await account(email)) !== null, how === 'with another link' && by === 'code', `${how}, by ${by}`);
    }
  }
});

t.test('a wrong password leaves the link as it is, and counts as a failed sign-in', async (t) => {
  const { email, token } = await pending();
  let last = await verify({ token, password: 'a wrong password' });
  t.match(last, { status: 401, code: 'invalid_credentials' });
  for (let tries = 0; tries < 50 && last.status === 401; tries += 1) {
    last = await verify({ token, password: 'a wrong password' });
  }
  t.match(last, { status: 429, code: 'too_many_requests' });
  t.match(await signIn(email), { status: 429 }, 'a sign-in counts with them');
  t.equal((await verify({ token, password: PASSWORD })).status, 429, 'the right one waits, too');
  service.clock.advance(3_600_000);
  t.equal((await verify({ token, password: PASSWORD })).status, 200);
});
