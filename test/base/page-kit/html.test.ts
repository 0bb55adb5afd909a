// The template of pages. No value becomes markup, and a value is refused in every place where it could become markup.
import t from 'tap';
import { Html, html } from '../../../src/base/page-kit/html.ts';
import { readMarkup, shapeOf } from '../../support/pages/markup.ts';
import { HOSTILE } from './hostile.ts';

t.test('a value is escaped between tags and in attributes, whatever it is', async (t) => {
  const render = (value: string) =>
    String(html`<p title="${value}">Olá!${value}<b lang="a ${value} b">${[value]}</b></p>`);
  const shape = shapeOf(readMarkup(render('x')));
  for (const text of HOSTILE) {
    const read = readMarkup(render(text));
    t.equal(shapeOf(read), shape, JSON.stringify(text));
    t.equal(read.tags[0]?.attributes.title, text.toWellFormed(), 'the attribute has the text itself');
  }
});

t.test('only a template makes Html, and Html is shown as it is', async (t) => {
  t.equal(String(html`<p>${html`<b>${'<i>'}</b>`}</p>`), '<p><b>&lt;i&gt;</b></p>');
  const fake = { toString: () => '<b>', text: '<b>' };
  t.equal(
    String(html`<p>${fake as unknown as string}</p>`),
    '<p>&lt;b&gt;</p>',
    'an object that looks like Html is shown as a text',
  );
  t.throws(
    () => html`<p>${Object.create(Html.prototype) as Html}</p>`,
    TypeError,
    'nor can one be made by its prototype',
  );
  for (const nothing of [null, undefined, false] as const) t.equal(String(html`<p>${nothing}</p>`), '<p></p>');
  t.equal(String(html`<p>${0}${[1, 'a', html`<b></b>`]}</p>`), '<p>01a<b></b></p>');
});

t.test('a template refuses a value in a place where escaping does not help', async (t) => {
  const x = 'x';
  const refused: Record<string, () => unknown> = {
    'an attribute without quotes': () => html`<p title=${x}>`,
    'an attribute in single quotes': () => html`<p title='${x}'>`,
    'the name of a tag': () => html`<${x}>`,
    'the end of the name of a tag': () => html`<h${x}>`,
    'the name of an attribute': () => html`<p ${x}="1">`,
    'a part of the name of an attribute': () => html`<p data-${x}="1">`,
    'a script': () => html`<script>${x}</script>`,
    'a style': () => html`<style>${x}</style>`,
    'a handler': () => html`<p onclick="${x}">`,
    'an inline style': () => html`<p style="${x}">`,
    'a document in an attribute': () => html`<iframe srcdoc="${x}">`,
    'Html in an attribute': () => html`<p title="${html`<b></b>`}">`,
  };
  for (const [what, make] of Object.entries(refused)) t.throws(make, TypeError, what);
  t.equal(
    String(html`<input type="text"${html` required`} name="a">`),
    '<input type="text" required name="a">',
    'a whole attribute is Html',
  );
});

t.test('a link leads to a path of this service or to the web, and never runs code', async (t) => {
  const link = (to: string) => String(html`<a href="${to}">x</a><form action="${to}"></form>`);
  const bad =
    `javascript:alert(1)|JavaScript:alert(1)| javascript:alert(1)|java\nscript:alert(1)|data:text/html,x|vbscript:x
    |//evil.example|/\\evil.example|\\\\evil.example|\thttps://x|blob:x|file:///etc/passwd|x:y`.split('|');
  for (const to of bad) t.throws(() => link(to), TypeError, JSON.stringify(to));
  for (const to of [
    '/',
    '/account',
    '/a?b=c&d="e',
    '#x',
    '?lang=pt',
    'https://app.example/x',
    'http://localhost:3000/',
  ]) {
    t.doesNotThrow(() => link(to), to);
  }
  t.throws(() => html`<a href="${null}${'javascript:alert(1)'}">x</a>`, TypeError, 'after an empty value');
  t.equal(String(html`<a href="${'/a'}${'?b=c'}">x</a>`), '<a href="/a?b=c">x</a>');
  t.match(link('/a?b="><script>'), '/a?b=&quot;&gt;&lt;script&gt;', 'and is escaped like any other value');
});
