// The components of pages: hostile texts stay texts in all of them, and fields have labels and show their problems.
import t from 'tap';
import { problem } from '../../../src/base/errors/problem.ts';
import { confirm, done, pagination, remark, table, wrong } from '../../../src/base/page-kit/blocks.ts';
import { type Attempt, FRESH, field, form, hidden } from '../../../src/base/page-kit/form.ts';
import { type Html, html } from '../../../src/base/page-kit/html.ts';
import { layout, navigation } from '../../../src/base/page-kit/layout.ts';
import { linkForm, tokenField } from '../../../src/base/page-kit/link.ts';
import { problemPage } from '../../../src/base/page-kit/problem-page.ts';
import { readMarkup, shapeOf } from '../../support/pages/markup.ts';
import { HOSTILE } from './hostile.ts';
import { kitOf, viewOf } from './views.ts';

const view = viewOf();

/** Every component, with one text in every place that can show one. */
const COMPONENTS: Readonly<Record<string, (text: string) => Html>> = {
  layout: (text) => layout(view, { title: text, body: html`${text}` }),
  'layout with a brand': (text) =>
    layout(viewOf({}, kitOf({ BRAND_NAME: text })), { title: 'x', body: html``, navigation: html`${text}` }),
  navigation: (text) => navigation(text, [{ href: '/', label: text }], '/'),
  form: (text) => form(view, { action: '/x', submit: text, fields: html`${text}`, label: text, question: text }),
  field: (text) =>
    field(view, FRESH, { name: 'name', label: text, autocomplete: 'name', hint: text, value: `x${text}` }),
  'field that is shown again': (text) =>
    field(
      view,
      {
        typed: { name: `x${text}` },
        problem: problem('validation_failed', { issues: [{ path: 'name', message: text }] }),
      },
      { name: 'name', label: text, autocomplete: 'name' },
    ),
  'field that is optional': (text) =>
    field(view, FRESH, { name: 'name', label: text, type: 'email', autocomplete: 'name', isOptional: true }),
  hidden: (text) => hidden('name', text),
  'form for a link': (text) =>
    linkForm(view, { typed: { token: `x${text}` }, problem: null }, { path: '/x', fields: hidden('return_to', text) }),
  'field with a token': (text) => html`${tokenField(text)}${text}`,
  done,
  remark,
  wrong: (text) => wrong(view, { typed: {}, problem: problem('not_found', { detail: text }) }),
  table: (text) => table(text, [{ title: text, cell: () => text }], [1]),
  pagination: (text) => html`${pagination(view, '/list', { offset: 20, limit: 20, total: 60 })}${text}`,
  confirm: (text) => confirm(view, text, { action: '/x', submit: text, back: '/' }),
  'problem page': (text) => problemPage(view, problem('not_found', { detail: text }), text),
};

for (const [name, render] of Object.entries(COMPONENTS)) {
  t.test(`a hostile text stays a text in: ${name}`, async (t) => {
    const shape = shapeOf(readMarkup(String(render('x'))));
    for (const text of HOSTILE) t.equal(shapeOf(readMarkup(String(render(text)))), shape, JSON.stringify(text));
  });
}

const SECRET = 'correct horse battery';

t.test('a field has a label, says what belongs in it, and shows its problem beside it', async (t) => {
  const asked = {
    name: 'email',
    label: 'E-mail',
    type: 'email',
    autocomplete: 'username',
    hint: 'One address',
  } as const;
  const attempt: Attempt = {
    typed: { email: 'x@' },
    problem: problem('validation_failed', { issues: [{ path: 'email', message: 'must not be empty' }] }),
  };
  const fresh = readMarkup(String(field(view, FRESH, asked)));
  const again = readMarkup(String(field(view, attempt, asked)));
  const input = ({ tags }: typeof fresh) => tags.find(({ name }) => name === 'input')?.attributes ?? {};
  const label = fresh.tags.find(({ name }) => name === 'label');
  t.equal(label?.attributes.for, input(fresh).id);
  t.match(input(fresh), { autocomplete: 'username', 'aria-describedby': 'field-email-hint', required: '' });
  t.notOk('aria-invalid' in input(fresh));
  t.match(input(again), {
    value: 'x@',
    'aria-invalid': 'true',
    'aria-describedby': 'field-email-hint field-email-problem',
  });
  t.match(again.texts.join(' '), 'Fill in this field.');
  t.notMatch(fresh.texts.join(' '), 'Fill in');
});

t.test('a password is never in a page', async (t) => {
  const attempt = { typed: { password: SECRET }, problem: problem('invalid_credentials') };
  const asked = { name: 'password', label: 'Password', type: 'password', autocomplete: 'current-password' } as const;
  for (const value of [undefined, SECRET]) {
    const shown = String(field(view, attempt, { ...asked, ...(value === undefined ? {} : { value }) }));
    t.notMatch(shown, SECRET);
    t.match(shown, 'autocomplete="current-password"');
    t.notMatch(shown, /maxlength|onpaste|readonly/, 'a password manager can fill it, and people can paste');
  }
});

t.test('a page names its language, and its links to other languages keep the rest of the address', async (t) => {
  const page = (target: string) => readMarkup(String(layout(viewOf({ target }), { title: 'x', body: html`` })));
  const links = (target: string) =>
    page(target).tags.flatMap(({ attributes }) => (attributes.hreflang ? [attributes.href] : []));
  t.equal(page('/?lang=pt').tags.find(({ name }) => name === 'html')?.attributes.lang, 'pt');
  t.same(links('/sign-in?return_to=https%3A%2F%2Fapp.example%2F%3Fa%3Db&lang=pt'), [
    '/sign-in?return_to=https%3A%2F%2Fapp.example%2F%3Fa%3Db&lang=en',
    '/sign-in?return_to=https%3A%2F%2Fapp.example%2F%3Fa%3Db&lang=es',
  ]);
  t.same(links('//evil.example/x'), ['/?lang=pt', '/?lang=es'], 'an address that leads elsewhere is not kept');
  for (const target of [
    '/"><script>',
    '/a b',
    '/\\evil.example',
    '/\u2028',
    'http://evil.example/',
    '',
    '/?lang=%22%3E',
  ]) {
    t.doesNotThrow(() => page(target), target);
  }
});

t.test('a list has links only to the pages that exist', async (t) => {
  const links = (offset: number, total: number) =>
    readMarkup(String(pagination(view, '/list', { offset, limit: 20, total }))).tags.flatMap(({ attributes }) =>
      attributes.rel ? [`${attributes.rel} ${attributes.href}`] : [],
    );
  t.same(links(0, 20), []);
  t.same(links(0, 21), ['next /list?offset=20']);
  t.same(links(20, 60), ['prev /list?offset=0', 'next /list?offset=40']);
  t.same(links(40, 60), ['prev /list?offset=20']);
  t.same(links(10, 20), ['prev /list?offset=0']);
});
