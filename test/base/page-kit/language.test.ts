// The language of a page, and the texts of the languages.
import { readFileSync } from 'node:fs';
import t from 'tap';
import { PROBLEMS, problem } from '../../../src/base/errors/problem.ts';
import { en } from '../../../src/base/page-kit/catalogues/en.ts';
import { openView } from '../../../src/base/page-kit/kit.ts';
import { CATALOGUES, LANGUAGES, preferredLanguage } from '../../../src/base/page-kit/language.ts';
import { issueText, problemText } from '../../../src/base/page-kit/problem-text.ts';
import { judgePassword } from '../../../src/credentials/passwords/policy.ts';
import { OrganizationName } from '../../../src/directory/organizations/schema.ts';
import { Email, UserName } from '../../../src/directory/users/schema.ts';
import { kitOf } from './views.ts';

t.test('the language is the best one that the browser asks for (RFC 4647 section 3.4)', async (t) => {
  const cases: Record<string, string | null> = {
    pt: 'pt',
    'pt-BR': 'pt',
    'PT-br,en': 'pt',
    'zh-Hant-CN-x-private1-private2, es-419;q=0.8': 'es',
    'en;q=0.1, es;q=0.9, pt;q=0.5': 'es',
    'fr, de;q=0.9': null,
    'pt;q=0, es': 'es',
    'fr;q=1, pt-PT-x-y;q=0.3': 'pt',
    '*': null,
    '': null,
    'en;q=2, pt': 'pt',
    'en;q=a': null,
    'pt;q=0.5;q=1': null,
    'english, portuguese': null,
    ',,,es,,,': 'es',
  };
  for (const [header, language] of Object.entries(cases)) t.equal(preferredLanguage(header), language, header);
  t.equal(preferredLanguage(undefined), null);
  t.equal(preferredLanguage(`${'xx,'.repeat(100_000)}pt`), null, 'a long header is not read to its end');
});

t.test(
  'the address decides before the cookie, the cookie before the browser, and the browser before the default',
  async (t) => {
    const kit = kitOf({ DEFAULT_LOCALE: 'es' });
    const view = (target: string, cookie: string | undefined, acceptLanguage: string | undefined) =>
      openView(kit, {
        target,
        cookie: (name) => (name === '__Host-tenantry_language' ? cookie : undefined),
        acceptLanguage,
        sessionId: null,
      });
    const language = (...given: Parameters<typeof view>) => view(...given).view.language;
    t.equal(language('/?lang=pt', 'en', 'en'), 'pt');
    t.equal(language('/', 'pt', 'en'), 'pt');
    t.equal(language('/', undefined, 'pt-BR'), 'pt');
    t.equal(language('/', undefined, 'fr'), 'es');
    t.equal(language('/?lang=fr', 'x"; Path=/', undefined), 'es', 'what is no language is ignored');
    t.same(view('/?lang=pt', 'en', 'en').cookies(), [
      '__Host-tenantry_language=pt; Path=/; Max-Age=31536000; HttpOnly; Secure; SameSite=Lax',
    ]);
    t.same(view('/?lang=pt', 'pt', 'en').cookies(), [], 'the cookie is there');
    t.same(view('/', undefined, 'pt').cookies(), [], 'nobody chose a language');
  },
);

/** The texts of a catalogue by their path, with their functions called. */
function textsOf(value: unknown, path = ''): [string, string][] {
  if (typeof value === 'string') return [[path, value]];
  if (typeof value === 'function') return [[path, String(value(...['{0}', '{1}', '{2}'].slice(0, value.length)))]];
  return Object.entries(value as object).flatMap(([key, inner]) =>
    textsOf(inner, path === '' ? key : `${path}.${key}`),
  );
}

t.test('every language has every text, and shows the same values in it', async (t) => {
  const english = new Map(textsOf(en));
  const values = (text: string | undefined) => [...(text ?? '').matchAll(/\{\d\}/g)].map(String).sort();
  for (const language of LANGUAGES) {
    const texts = new Map(textsOf(CATALOGUES[language]));
    t.same([...texts.keys()].sort(), [...english.keys()].sort(), language);
    for (const [path, text] of texts) {
      t.not(text.trim(), '', `${language} ${path}`);
      t.same(values(text), values(english.get(path)), `${language} ${path}`);
    }
    // A short word may be the same in two languages. A longer text may not.
    const same = [...texts].filter(
      ([path, text]) => language !== 'en' && text === english.get(path) && text.length > 8,
    );
    t.same(same, [], `${language} is translated`);
  }
});

t.test('the texts of problems name real codes', async (t) => {
  const ours = Object.keys(en.problems).filter((code) => code !== 'other' && code !== 'failure');
  t.same(
    ours.filter((code) => !(code in PROBLEMS)),
    [],
  );
  const { pt } = CATALOGUES;
  t.equal(problemText(pt, problem('client_limit')).title, pt.problems.other.title, 'any other problem has a text');
  t.equal(problemText(pt, problem('internal_error')).title, pt.problems.failure.title);
  t.equal(problemText(pt, problem('toString' as never)).title, pt.problems.other.title);
  t.match(problemText(pt, problem('too_many_requests', { retryAfterSeconds: 4.2 })).detail, '5 segundos');
});

t.test('the messages about fields of the pages are translated', async (t) => {
  const messages = new Set<string>();
  const schemas = { email: Email, name: UserName, organization: OrganizationName };
  const inputs = [
    undefined,
    '',
    ' ',
    'x'.repeat(20_000),
    'x'.repeat(130),
    'a\nb',
    '\u200b',
    'x@',
    '@',
    'ada@example.com',
    '\ud800',
  ];
  for (const schema of Object.values(schemas)) {
    for (const input of inputs) {
      const parsed = schema.safeParse(input);
      for (const issue of parsed.error?.issues ?? []) messages.add(issue.message);
    }
  }
  const context = { email: 'ada@example.com', name: 'Ada Lovelace 1815' };
  for (const password of [
    'short',
    'password123456',
    'Ada Lovelace 1815',
    'x'.repeat(300),
    'x'.repeat(5000),
    'abcdefgh\0',
  ]) {
    messages.add(judgePassword(password, context, 8)?.message ?? '');
  }
  const policy = readFileSync(new URL('../../../src/credentials/passwords/policy.ts', import.meta.url), 'utf8');
  messages.add(/'(Choose another password: this one is easy[^']*)'/.exec(policy)?.[1] ?? '');
  messages.delete('');
  t.ok(messages.size >= 9, String(messages.size));
  const other = [...messages].filter((message) => issueText(en, message) === en.issues.other);
  t.same(other, [], 'each of them has a text of its own');
});
