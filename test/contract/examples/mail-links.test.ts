// The page about mail lists the paths that an application serves for the links of mails. The list has every link that
// a mail can have, and the example application serves all of its paths.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { parse } from 'yaml';
import { previewMails } from '../../../src/base/mail-kit/preview.ts';
import { mailKitFor } from '../../support/fixtures/mail-kit.ts';

const APP = 'https://app.example';
const read = (path: string) => readFileSync(fileURLToPath(new URL(`../../../${path}`, import.meta.url)), 'utf8');
const quoted = (text: string) => [...text.matchAll(/`([^`]+)`/g)].map(([, word = '']) => word);

interface Row {
  readonly path: string;
  readonly mails: readonly string[];
  readonly hasToken: boolean;
  readonly requests: readonly string[];
}

const [, section = ''] = read('docs/mail.md').split('## The paths of your application');
const rows: Row[] = [...section.matchAll(/^\| `(\/[\w/-]+)` \| (.*?) \| (.*?) \| (.*?) \|$/gm)].map(
  ([, path = '', mails = '', fragment = '', requests = '']) => ({
    path,
    mails: quoted(mails),
    hasToken: fragment === '`#token=…`',
    requests: quoted(requests),
  }),
);

t.test('the list has the path, the mails and the fragment of every link', async (t) => {
  const links = new Map<string, { mails: Set<string>; hasToken: boolean }>();
  for (const { kind, text } of previewMails(mailKitFor(APP))) {
    for (const [, path = '', fragment] of text.matchAll(/https:\/\/app\.example(\/[\w/-]*)(#token=\S+)?/g)) {
      const link = links.get(path) ?? { mails: new Set(), hasToken: fragment !== undefined };
      links.set(path, link);
      link.mails.add(kind);
    }
  }
  const found = [...links].map(([path, { mails, hasToken }]) => [path, [...mails].sort(), hasToken]);
  t.same(rows.map(({ path, mails, hasToken }) => [path, mails.toSorted(), hasToken]).sort(), found.sort());
});

t.test('every request of the list exists', async (t) => {
  const { paths } = parse(read('openapi.yaml')) as { paths: Record<string, Record<string, unknown>> };
  for (const { path, requests } of rows) {
    const called = requests.flatMap((one) => /^(?:(\w+) )?(\/api\S+)/.exec(one) ?? []).filter(Boolean);
    t.ok(called.length > 0, path);
    for (const request of requests.filter((one) => /^[A-Z]+ \//.test(one))) {
      const [, method = '', url = ''] = /^([A-Z]+) (\S+)/.exec(request) ?? [];
      t.ok(paths[url.replace(':id', '{id}')]?.[method.toLowerCase()], request);
    }
  }
});

t.test('the example application has a page for every path of the list', async (t) => {
  const pages = [...read('examples/spa/own-forms/app.mjs').matchAll(/^ {2}'(\/[\w/-]*)': \w+Page,$/gm)];
  const served = pages.map(([, path]) => path);
  t.same(
    rows.map(({ path }) => path).filter((path) => !served.includes(path)),
    [],
  );
});
