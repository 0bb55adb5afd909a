// The page of an invitation, over HTTP and without scripts: who sees what, what each form does, and what it refuses.
import t from 'tap';
import { freshEmail, openInviting, PASSWORD, setSeats } from '../../directory/invitations/inviting.ts';
import { newAccount, newAccountWithoutOrganization } from '../../support/fixtures/accounts.ts';
import { ORIGIN, openVisitor, type Visitor } from '../../support/pages/visitor.ts';

const PAGE = '/accept-invitation';
const APP = 'https://app.example.com';
const inviting = await openInviting(t, { CORS_ORIGINS: APP });
const { api, database, owner, service } = inviting;
const { url } = service;

/** Pastes a text into the field of the page. */
async function paste(person: Visitor, text: string, path = PAGE) {
  return person.send(await person.open(path), PAGE, { token: text });
}

/** Signs a browser in, and returns the page to which this leads. */
async function signIn(person: Visitor, email: string, password: string, path = '/sign-in') {
  const form = await person.open(path);
  const fields = form.markup.forms.find(({ action }) => action === '/sign-in')?.fields;
  const { location } = await person.request('POST', '/sign-in', { ...fields, email, password });
  return person.open((location ?? '').replace(ORIGIN, ''));
}

/** Finds the form of the page for this step. */
function stepOf(page: Awaited<ReturnType<Visitor['open']>>, step: string | undefined) {
  return page.markup.forms.find(({ action, fields }) => action === PAGE && fields.step === step);
}

async function take(person: Visitor, page: Awaited<ReturnType<Visitor['open']>>, step: string, typed = {}) {
  const form = stepOf(page, step);
  if (!form) throw new Error(`there is no step ${step} in: ${page.seen}`);
  return person.send({ ...page, markup: { ...page.markup, forms: [form] } }, PAGE, typed);
}

const statusOf = async (id: string) =>
  (await database.query<{ status: string }>('SELECT status FROM invitations WHERE id = $1', [id]))[0]?.status;
const actingFor = async (email: string) => {
  const { body } = await api.post('/auth/login', { email, password: PASSWORD });
  return body.data?.organization?.id ?? null;
};

t.test('a link of a mail leads to the page when no application is named', async (t) => {
  const email = freshEmail();
  await inviting.invite(email);
  const { text } = await inviting.mailbox.next(email);
  t.match(text, new RegExp(`\\n${ORIGIN}${PAGE}#token=[\\w-]{43}\\r?\\n`));
});

t.test('a person without an account pastes the link, reads the invitation, registers and is a member', async (t) => {
  const email = freshEmail('Grace');
  const { id, token } = await inviting.invited(email, 'agent');
  const person = openVisitor(url);
  const offer = await paste(person, `  <${ORIGIN}${PAGE}#token=${token.slice(0, 9)}\r\n ${token.slice(9)}> `);
  t.match([offer.status, offer.seen], [200, 'Join Company']);
  t.match(offer.seen, new RegExp(`Invited by Ada Lovelace Your roles agent For ${email} Valid until .*\\d{4}.* UTC`));
  t.match(offer.markup.tags.find(({ attributes }) => attributes.id === 'field-email')?.attributes, {
    value: email,
    readonly: '',
    autocomplete: 'username',
  });
  t.notMatch(person.cookies.get('tenantry_link'), token, 'the cookie does not show the token');
  const again = await person.open(PAGE);
  t.match(again.seen, 'Join Company', 'the browser keeps the token');
  const weak = await take(person, again, 'register', { name: 'Grace', password: 'short' });
  t.match([weak.status, weak.seen], [422, /at least \d+ characters/]);
  t.equal(stepOf(weak, 'register')?.fields.name, 'Grace');
  t.notMatch(weak.text, 'value="short"');
  t.equal(await statusOf(id), 'pending', 'a weak password does not use the token up');
  const account = await take(person, weak, 'register', { password: PASSWORD });
  t.match(account.seen, new RegExp(`Your account.*${email}`));
  t.equal(await statusOf(id), 'accepted');
  t.notOk(person.cookies.has('tenantry_link'));
  t.match((await person.open('/account/organizations')).seen, /Company [\d ]+ current/);
  const [row] = await database.query<{ proven: boolean }>(
    `SELECT email_verified_at IS NOT NULL AS proven FROM users u JOIN memberships m ON m.user_id = u.id
     JOIN invitations i ON i.accepted_by = u.id WHERE i.id = $1`,
    [id],
  );
  t.equal(row?.proven, true);
});

t.test('a person with an account signs in first, comes back, accepts, and acts for the organization', async (t) => {
  const guest = await newAccount(api, { email: freshEmail(), password: PASSWORD, organizationName: 'Own' });
  await database.query('UPDATE users SET email_verified_at = now() WHERE id = $1', [guest.userId]);
  const { id, token } = await inviting.invited(guest.email);
  const person = openVisitor(url);
  const offer = await paste(person, token);
  t.match(offer.seen, 'You have an account with this e-mail. Sign in first.');
  t.notOk(stepOf(offer, 'register') ?? stepOf(offer, 'accept'));
  const link = offer.markup.tags.find(({ attributes }) => attributes.class === 'button main')?.attributes.href ?? '';
  t.equal(link, `/sign-in?return_to=${encodeURIComponent(`${ORIGIN}${PAGE}`)}`);
  t.notMatch((await person.open(link)).seen, 'You then continue', 'it is the same service');
  const back = await signIn(person, guest.email, PASSWORD, link);
  t.match(back.seen, 'Join Company');
  t.equal(await statusOf(id), 'pending');
  const account = await take(person, back, 'accept');
  t.match(account.seen, 'Your account');
  t.equal(await statusOf(id), 'accepted');
  t.match((await person.open('/account/organizations')).seen, /Company [\d ]+ current/);
  t.match((await person.open('/account/devices')).seen, 'this device', 'the session is the same');
});

t.test('a person who is signed in with another e-mail signs out there, and the token is kept', async (t) => {
  const other = await newAccount(api, { email: freshEmail(), password: PASSWORD });
  const email = freshEmail();
  const { id, token } = await inviting.invited(email);
  const person = openVisitor(url);
  await signIn(person, other.email, PASSWORD);
  const offer = await paste(person, token, `${PAGE}?return_to=${encodeURIComponent(`${APP}/x`)}`);
  t.match(offer.seen, `You are signed in as ${other.email}, and the invitation is for ${email}.`);
  t.notOk(stepOf(offer, 'accept'));
  const forced = { ...stepOf(offer, 'sign-out')?.fields, step: 'accept' };
  const refused = await person.request('POST', PAGE, forced);
  t.match([refused.status, refused.seen], [403, 'Invitation for another e-mail']);
  const out = await take(person, offer, 'sign-out');
  t.match(out.seen, 'Create the account and join', 'the same invitation, for somebody who is not signed in');
  t.notOk(person.cookies.has('tenantry_session'));
  t.equal(await statusOf(id), 'pending');
  const fields = { ...stepOf(out, 'register')?.fields, name: 'Grace', password: PASSWORD };
  const { location } = await person.request('POST', PAGE, fields);
  t.equal(location, `${APP}/x`, 'and the application was not forgotten');
  t.equal(await actingFor(email), owner.organization.id);
});

t.test('an account whose e-mail was never proven is taken over by registering, or joins by signing in', async (t) => {
  for (const way of ['register', 'sign in']) {
    const unproven = await newAccountWithoutOrganization(api, { email: freshEmail(), password: PASSWORD });
    const { id, token } = await inviting.invited(unproven.email);
    const person = openVisitor(url);
    const offer = await paste(person, token);
    if (way === 'register') {
      const password = 'another umbrella tuesday';
      t.match((await take(person, offer, 'register', { name: 'Grace', password })).seen, 'Your account');
      const former = await api.post('/auth/login', { email: unproven.email, password: PASSWORD });
      t.equal(former.status, 401, 'the former password is refused');
      t.equal((await api.get('/me', { token: unproven.accessToken })).code, 'session_revoked');
    } else {
      const links = offer.markup.tags.flatMap(({ attributes: { href = '' } }) =>
        /^\/sign-in/.test(href) ? [href] : [],
      );
      await take(person, await signIn(person, unproven.email, PASSWORD, links[0]), 'accept');
    }
    t.equal(await statusOf(id), 'accepted', way);
  }
});

t.test('every token that cannot be used has the same page, which says what to do next', async (t) => {
  const seen = new Map<string, string>();
  const fresh = async () => ({ ...(await inviting.invited(freshEmail())), person: openVisitor(url) });
  const ends: Record<string, (id: string) => Promise<unknown>> = {
    unknown: async () => undefined,
    expired: (id) => database.query(`UPDATE invitations SET expires_at = now() - interval '1 s' WHERE id = $1`, [id]),
    revoked: (id) => api.delete(`/invitations/${id}`, { token: owner.accessToken }),
    replaced: (id) => database.query(`UPDATE invitations SET token_hash = sha256('x') WHERE id = $1`, [id]),
    suspended: () =>
      database.query(`UPDATE organizations SET status = 'suspended' WHERE id = $1`, [owner.organization.id]),
  };
  for (const [reason, end] of Object.entries(ends)) {
    const { id, token, person } = await fresh();
    t.match((await paste(person, token)).seen, 'Join Company');
    await end(id);
    const asked = reason === 'unknown' ? `${token.slice(0, -2)}AA` : token;
    const page = await paste(openVisitor(url), asked);
    t.equal(page.status, 410, reason);
    seen.set(reason, page.text.replace(/value="[^"]{43}"/g, ''));
    if (reason === 'unknown') continue;
    const kept = await person.open(PAGE);
    t.match([kept.status, kept.seen], [410, 'This invitation cannot be used'], `${reason}, while the page was open`);
    t.notOk(person.cookies.has('tenantry_link'));
    t.match((await person.open(PAGE)).seen, 'Accept an invitation', 'the next visit begins anew');
  }
  await database.query(`UPDATE organizations SET status = 'active' WHERE id = $1`, [owner.organization.id]);
  const { token, person } = await fresh();
  await take(person, await paste(person, token), 'register', { name: 'Grace', password: PASSWORD });
  seen.set('used', (await paste(openVisitor(url), token)).text.replace(/value="[^"]{43}"/g, ''));
  t.equal(new Set(seen.values()).size, 1, [...seen.keys()].join());
  t.match([...seen.values()][0], /Use the link in the newest mail, or ask the person who invited you/);
  const signedIn = await paste(person, token);
  t.match(signedIn.seen, 'Have you accepted it already? Go to your account');
});

t.test('a text that is no link is refused beside the field, and kept', async (t) => {
  const { token } = await inviting.invited(freshEmail());
  const texts = ['', 'x', `https://evil.example${PAGE}#token=${token}`, `${ORIGIN}/verify-email#token=${token}`];
  for (const text of texts) {
    const page = await paste(openVisitor(url), text);
    const said = text === '' ? 'Fill in this field.' : 'This is not the link from the mail.';
    t.match([page.status, page.seen], [422, said], text);
    t.equal(stepOf(page, undefined)?.fields.token, text);
  }
});

t.test('a GET and a HEAD use nothing up, and no page is kept by a cache', async (t) => {
  const { id, token } = await inviting.invited(freshEmail());
  const scanner = openVisitor(url);
  for (const path of [PAGE, `${PAGE}?token=${token}`, `${PAGE}?token=${token}&step=register`]) {
    const page = await scanner.open(path);
    t.match([page.status, page.seen], [200, 'Accept an invitation'], path);
    t.notMatch(page.seen, 'Company');
    t.equal(page.headers.get('cache-control'), 'no-store');
    t.equal((await scanner.request('HEAD', path)).status, 200);
  }
  t.equal(await statusOf(id), 'pending');
});

t.test('a second submit changes nothing, and the page says when the organization is full', async (t) => {
  const { id, token } = await inviting.invited(freshEmail());
  const person = openVisitor(url);
  const offer = await paste(person, token);
  const fields = { ...stepOf(offer, 'register')?.fields, name: 'Grace', password: PASSWORD };
  const both = await Promise.all([person.request('POST', PAGE, fields), person.request('POST', PAGE, fields)]);
  const statuses = both.map(({ status }) => status).toSorted((a, b) => a - b);
  t.equal(statuses[0], 303);
  t.ok([409, 410].includes(statuses[1] ?? 0), `the other one has ${statuses[1]}`);
  const accounts = await database.query(
    `SELECT 1 FROM memberships m JOIN invitations i ON i.accepted_by = m.user_id WHERE i.id = $1`,
    [id],
  );
  t.equal(accounts.length, 1);
  const late = openVisitor(url);
  const second = await inviting.invited(freshEmail());
  const full = await paste(late, second.token);
  await setSeats(database, owner.organization.id, 1);
  const refused = await take(late, full, 'register', { name: 'Late', password: PASSWORD });
  t.match([refused.status, refused.seen], [409, 'No place left']);
  t.equal(await statusOf(second.id), 'pending');
  await setSeats(database, owner.organization.id, 1000);
  t.match((await take(late, refused, 'register', { password: PASSWORD })).seen, 'Your account');
});

t.test('the form shares its allowance with the API', async (t) => {
  const limited = await openInviting(t, { RATE_LIMIT_ENABLED: 'true', RATE_LIMIT_SIGN_IN: '4' });
  const person = openVisitor(limited.service.url);
  const token = 'x'.repeat(43);
  const page = await person.open(PAGE);
  for (let attempt = 0; attempt < 3; attempt += 1) t.equal((await person.send(page, PAGE, { token })).status, 410);
  t.equal((await limited.api.post('/invitations/accept', { token, name: 'A', password: PASSWORD })).status, 410);
  t.equal((await person.send(page, PAGE, { token })).status, 429);
  t.equal((await limited.api.post('/invitations/accept', { token, name: 'A', password: PASSWORD })).status, 429);
});
