// The token of a link from a mail: what people may paste, where it is shown again, and which browser may keep it.
import t from 'tap';
import { Problem, problem } from '../../../src/base/errors/problem.ts';
import { type Attempt, FRESH } from '../../../src/base/page-kit/form.ts';
import { openView } from '../../../src/base/page-kit/kit.ts';
import { linkField, linkForm, readToken } from '../../../src/base/page-kit/link.ts';
import { readMarkup } from '../../support/pages/markup.ts';
import { kitOf, viewOf } from './views.ts';

const kit = kitOf();
const PATH = '/accept-invitation';
const TOKEN = 'A-_z'.repeat(11).slice(1);
const LINK = `https://auth.example.com${PATH}#token=${TOKEN}`;

function read(pasted: string): string {
  try {
    return readToken(viewOf({}, kit), PATH, pasted);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return `${error.code} ${error.extras.issues?.map(({ path }) => path).join()}`;
  }
}

t.test('a person may paste the token, or the link with whatever a mail program adds', async (t) => {
  const accepted = [
    TOKEN,
    `  ${TOKEN}\r\n`,
    `${TOKEN.slice(0, 20)}\n${TOKEN.slice(20)}`,
    LINK,
    `<${LINK}>`,
    `\u200b${LINK}\ufeff`,
    `${LINK.slice(0, 50)}\r\n  ${LINK.slice(50)}`,
    `HTTPS://AUTH.EXAMPLE.COM:443${PATH}#token=${TOKEN}`,
    `https://auth.example.com${PATH}?lang=pt&utm_source=mail#token=${TOKEN}`,
    `https://auth.example.com${PATH}#token=${TOKEN}&utm_source=mail`,
  ];
  for (const pasted of accepted) t.equal(read(pasted), TOKEN, JSON.stringify(pasted));
});

t.test('other texts are refused beside the field', async (t) => {
  const refused = [
    '',
    ' ',
    'token',
    TOKEN.slice(1),
    `${TOKEN}A`,
    `${TOKEN}!`,
    `#token=${TOKEN}`,
    `${PATH}#token=${TOKEN}`,
    `//auth.example.com${PATH}#token=${TOKEN}`,
    `http://auth.example.com${PATH}#token=${TOKEN}`,
    `https://auth.example.com:8443${PATH}#token=${TOKEN}`,
    `https://auth.example.com.evil.example${PATH}#token=${TOKEN}`,
    `https://evil.example${PATH}#token=${TOKEN}`,
    `https://auth.example.com@evil.example${PATH}#token=${TOKEN}`,
    `https://ada@auth.example.com${PATH}#token=${TOKEN}`,
    `https://:secret@auth.example.com${PATH}#token=${TOKEN}`,
    `blob:${LINK}`,
    `javascript:alert(1)//${PATH}#token=${TOKEN}`,
    `https://auth.example.com/reset-password#token=${TOKEN}`,
    `https://auth.example.com${PATH}/#token=${TOKEN}`,
    `https://auth.example.com${PATH}?token=${TOKEN}`,
    `https://auth.example.com${PATH}#${TOKEN}`,
    `https://auth.example.com${PATH}#token=${TOKEN}&token=${TOKEN}`,
    `https://auth.example.com${PATH}#token=${TOKEN}%00`,
    `https://auth.example.com${PATH}#token=${TOKEN.slice(1)}`,
    `${LINK} ${LINK}`,
  ];
  for (const pasted of refused) t.equal(read(pasted), 'validation_failed token', JSON.stringify(pasted));
});

/** The fields of the form for a link, and the texts that people see. */
function shown(attempt: Attempt, asked: Partial<Parameters<typeof linkForm>[2]> = {}) {
  const { forms, texts, tags } = readMarkup(
    linkForm(viewOf({}, kit), attempt, { path: PATH, codes: ['invitation_invalid'], ...asked }).toString(),
  );
  const field = tags.find(({ attributes }) => attributes.name === 'token')?.attributes;
  return { form: forms[0], seen: texts.join(' '), field };
}

t.test('the field has a label, says what to do, is never offered again, and keeps what was pasted', async (t) => {
  const fresh = shown(FRESH);
  t.match(fresh.seen, 'Link from the mail Copy the whole link from the mail and paste it here.');
  t.match(fresh.field, { id: 'field-token', autocomplete: 'off', spellcheck: 'false', type: 'text' });
  const pasted = `${LINK}!`;
  const issues = [{ path: 'token', message: 'must be the link of the mail' }];
  const wrong = shown({ typed: { token: pasted }, problem: problem('validation_failed', { issues }) });
  t.match(wrong.field, { value: pasted, 'aria-invalid': 'true', 'aria-describedby': /field-token-problem/ });
  t.match(wrong.seen, 'This is not the link from the mail.');
  const dead = shown({ typed: { token: LINK }, problem: problem('invitation_invalid') });
  t.match(dead.field, { value: LINK, 'aria-invalid': 'true' });
});

t.test('a field of a larger form hides a token that is not what the problem is about', async (t) => {
  const tagsOf = (attempt: Attempt) =>
    readMarkup(linkField(viewOf({}, kit), attempt, { path: PATH, codes: ['invitation_invalid'] }).toString()).tags;
  const typeOf = (attempt: Attempt) => tagsOf(attempt).find(({ name }) => name === 'input')?.attributes;
  const weak = problem('validation_failed', { issues: [{ path: 'password', message: 'is too short' }] });
  t.match(typeOf({ typed: { token: LINK }, problem: weak }), { type: 'hidden', value: LINK });
  t.match(typeOf({ typed: { token: 'x' }, problem: weak }), { type: 'text', value: 'x' });
  t.match(typeOf({ typed: { token: LINK }, problem: problem('invitation_invalid') }), { type: 'text', value: LINK });
  t.match(typeOf(FRESH), { type: 'text' });
});

/** A browser with cookies that visits pages. */
function browser() {
  const cookies = new Map<string, string>();
  return {
    cookies,
    visit(sessionId: string | null = null) {
      const opened = openView(kit, {
        target: PATH,
        acceptLanguage: undefined,
        cookie: (name) => cookies.get(name),
        sessionId,
      });
      return {
        view: opened.view,
        leave() {
          const lines = opened.cookies();
          for (const line of lines) {
            const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
            if (value === '') cookies.delete(name);
            else cookies.set(name, value);
          }
          return lines;
        },
      };
    },
  };
}
const COOKIE = '__Host-tenantry_link';

t.test('a browser keeps a token for one page, even while somebody signs in, until the page forgets it', async (t) => {
  const own = browser();
  const first = own.visit();
  t.equal(first.view.keptToken(PATH), null);
  first.view.keepToken(PATH, TOKEN);
  const [line = ''] = first.leave().filter((one) => one.startsWith(COOKIE));
  t.match(line, /; Path=\/; Max-Age=1800; HttpOnly; Secure; SameSite=Lax$/);
  t.notMatch(line, TOKEN, 'the cookie does not show the token');
  t.equal(own.visit().view.keptToken(PATH), TOKEN);
  t.equal(own.visit('01890000-0000-7000-8000-000000000000').view.keptToken(PATH), TOKEN);
  t.equal(own.visit().view.keptToken('/reset-password'), null, 'for no other page');
  const last = own.visit();
  last.view.forgetToken();
  last.leave();
  t.same([...own.cookies.keys()], ['__Host-tenantry_browser']);
  t.equal(own.visit().view.keptToken(PATH), null);
  const nothing = own.visit();
  nothing.view.forgetToken();
  t.same(nothing.leave(), [], 'nothing is written when there is nothing to forget');
});

t.test('no other browser and no changed cookie gives a token', async (t) => {
  const [own, other] = [browser(), browser()];
  for (const one of [own, other]) {
    const visited = one.visit();
    visited.view.keepToken(PATH, TOKEN);
    visited.leave();
  }
  const sealed = own.cookies.get(COOKIE) ?? '';
  t.not(sealed, other.cookies.get(COOKIE));
  other.cookies.set(COOKIE, sealed);
  t.equal(other.visit().view.keptToken(PATH), null, 'the cookie of another browser');
  const bytes = Buffer.from(sealed, 'base64url');
  for (let at = 0; at < bytes.length; at += 1) {
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] ?? 0) ^ 1;
    own.cookies.set(COOKIE, changed.toString('base64url'));
    t.equal(own.visit().view.keptToken(PATH), null, `byte ${at}`);
  }
  for (const text of ['', 'x', TOKEN, sealed.slice(0, 20), '%00', 'é'.repeat(3000)]) {
    own.cookies.set(COOKIE, text);
    t.equal(own.visit().view.keptToken(PATH), null, text.slice(0, 20));
  }
  own.cookies.set(COOKIE, sealed);
  t.equal(own.visit().view.keptToken(PATH), TOKEN);
  own.cookies.delete('__Host-tenantry_browser');
  t.equal(own.visit().view.keptToken(PATH), null, 'a browser without a key keeps nothing');
});
