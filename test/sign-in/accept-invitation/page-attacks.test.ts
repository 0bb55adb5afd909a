// Attacks on the page of an invitation: forms that were not made for the browser, tokens of other purposes and other
// browsers, markup in names, and addresses to continue at.
import t from 'tap';
import { sealToken } from '../../../src/base/page-kit/browser-key.ts';
import { systemRandom } from '../../../src/base/platform/random.ts';
import { HOSTILE } from '../../base/page-kit/hostile.ts';
import { freshEmail, openInviting, PASSWORD } from '../../directory/invitations/inviting.ts';
import { newAccount, newProvenAccount } from '../../support/fixtures/accounts.ts';
import { shapeOf } from '../../support/pages/markup.ts';
import { type Answer, ORIGIN, openVisitor, type Visitor } from '../../support/pages/visitor.ts';

const PAGE = '/accept-invitation';
const APP = 'https://app.example.com';
const inviting = await openInviting(t, { CORS_ORIGINS: APP });
const { database } = inviting;
const { url } = inviting.service;

async function bring(person: Visitor, token: string, path = PAGE): Promise<Answer> {
  return person.send(await person.open(path), PAGE, { token });
}

function fieldsOf(page: Answer, step: string): Record<string, string> {
  const form = page.markup.forms.find(({ action, fields }) => action === PAGE && fields.step === step);
  if (!form) throw new Error(`there is no step ${step} in: ${page.seen}`);
  return { ...form.fields };
}

const statusOf = async (id: string) =>
  (await database.query<{ status: string }>('SELECT status FROM invitations WHERE id = $1', [id]))[0]?.status;

t.test('a form without the nonce of this browser, this page and this session uses nothing up', async (t) => {
  const { id, token } = await inviting.invited(freshEmail());
  const person = openVisitor(url);
  const shown = fieldsOf(await bring(person, token), 'register');
  const fields: Record<string, string> = { ...shown, name: 'Grace', password: PASSWORD };
  const other = openVisitor(url);
  const foreign = fieldsOf(await bring(other, token), 'register').nonce ?? '';
  const signInNonce = (await person.open('/sign-in')).markup.forms[0]?.fields.nonce ?? '';
  const { nonce: _nonce, ...without } = fields;
  const attacks: Record<string, Record<string, string>> = {
    'no nonce': without,
    'an empty nonce': { ...fields, nonce: '' },
    'the nonce of another browser': { ...fields, nonce: foreign },
    'the nonce of another form': { ...fields, nonce: signInNonce },
  };
  for (const [attack, sent] of Object.entries(attacks)) {
    t.match((await person.request('POST', PAGE, sent)).seen, 'The form has expired', attack);
  }
  for (const [name, value] of [
    ['sec-fetch-site', 'cross-site'],
    ['sec-fetch-site', 'same-site'],
    ['origin', 'https://evil.example'],
  ] as const) {
    const answer = await person.request('POST', PAGE, fields, { [name]: value });
    t.match([answer.status, answer.seen], [403, 'Not from this site'], `${name}: ${value}`);
  }
  const account = await newAccount(inviting.api, { password: PASSWORD });
  const signIn = await person.open('/sign-in');
  await person.send(signIn, '/sign-in', { email: account.email, password: PASSWORD });
  const late = await person.request('POST', PAGE, fields);
  t.match(late.seen, 'The form has expired', 'somebody signed in meanwhile');
  t.equal(await statusOf(id), 'pending');
});

t.test('a token that was kept for another page or by another browser shows no invitation', async (t) => {
  const { id, token } = await inviting.invited(freshEmail());
  const [person, thief] = [openVisitor(url), openVisitor(url)];
  await bring(person, token);
  const kept = person.cookies.get('tenantry_link') ?? '';
  await thief.open(PAGE);
  const keyOf = (one: Visitor) => one.cookies.get('tenantry_browser') ?? '';
  const cookies = {
    'of another browser': kept,
    'in clear': token,
    'for another page': sealToken(keyOf(thief), '/verify-email', token, systemRandom),
    'sealed with another key': sealToken(keyOf(person), PAGE, token, systemRandom),
  };
  for (const [which, cookie] of Object.entries(cookies)) {
    thief.cookies.set('tenantry_link', cookie);
    const page = await thief.open(PAGE);
    t.match([page.status, page.seen], [200, 'Accept an invitation'], which);
    t.notMatch(page.seen, 'Company', which);
  }
  thief.cookies.set('tenantry_link', sealToken(keyOf(thief), PAGE, token, systemRandom));
  t.match((await thief.open(PAGE)).seen, 'Company', 'only a holder of the token can make such a cookie');
  t.equal(await statusOf(id), 'pending');
});

t.test('a form acts with the invitation that its page has shown', async (t) => {
  const email = freshEmail();
  const evil = await newProvenAccount(inviting.api, database, { organizationName: 'Evil' });
  const [good, bad] = [await inviting.invited(email), await inviting.invited(email, 'agent', evil.accessToken)];
  const person = openVisitor(url);
  const shown = await bring(person, good.token);
  t.match((await bring(person, bad.token)).seen, 'Join Evil', 'a link in another tab');
  const sent = await person.request('POST', PAGE, {
    ...fieldsOf(shown, 'register'),
    name: 'Grace',
    password: PASSWORD,
  });
  t.equal(sent.status, 303);
  t.same([await statusOf(good.id), await statusOf(bad.id)], ['accepted', 'pending']);
});

t.test('markup in the names of an organization and an inviter stays a text', async (t) => {
  const texts = ['Plain', ...HOSTILE.filter((text) => text.length < 100 && /^[\x20-\x7e]+$/.test(text))];
  t.ok(texts.length > 10);
  const shapes = new Map<string, string>();
  const holds = (what: string, page: Answer, text: string) => {
    const shape = shapeOf(page.markup);
    t.equal(shape, shapes.get(what) ?? shape, `${what} ${text}`);
    shapes.set(what, shape);
  };
  for (const text of texts) {
    const inviter = await newProvenAccount(inviting.api, database, { name: text, organizationName: text });
    const { token } = await inviting.invited(freshEmail(), 'agent', inviter.accessToken);
    const person = openVisitor(url);
    const offer = await bring(person, token);
    t.match(offer.seen, text.replace(/\s+/g, ' ').trim());
    holds('register', offer, text);
    const fields = { ...fieldsOf(offer, 'register'), name: text, password: 'short' };
    holds('refused', await person.request('POST', PAGE, fields), text);
    holds('pasted', await openVisitorAt(text), text);
  }
});

/** Returns the page after somebody has pasted a text into the field for a link. */
async function openVisitorAt(text: string): Promise<Answer> {
  return bring(openVisitor(url), `x${text}`);
}

t.test('people who accepted continue only in the service or in an application of the operator', async (t) => {
  const targets: Record<string, string> = {
    [`${APP}/deals?id=1`]: `${APP}/deals?id=1`,
    [`${ORIGIN}/account/devices`]: `${ORIGIN}/account/devices`,
    'https://evil.example/': '/account',
    '//evil.example': '/account',
    [`${APP}@evil.example/`]: '/account',
    [`${APP}.evil.example/`]: '/account',
    'javascript:alert(1)': '/account',
    '/\\evil.example': '/account',
  };
  for (const [target, wanted] of Object.entries(targets)) {
    for (const where of ['query', 'form']) {
      const { token } = await inviting.invited(freshEmail());
      const person = openVisitor(url);
      const query = where === 'query' ? `?${new URLSearchParams({ return_to: target })}` : '';
      const offer = await bring(person, token, `${PAGE}${query}`);
      const policy = offer.headers.get('content-security-policy') ?? '';
      t.notMatch(policy, 'evil.example');
      const fields = { ...fieldsOf(offer, 'register'), name: 'Grace', password: PASSWORD };
      const sent = await person.request('POST', PAGE, where === 'form' ? { ...fields, return_to: target } : fields);
      t.equal(sent.location, wanted, `${where} ${target}`);
    }
  }
});
