// The documented configurations of proxies handle every header about the caller. Only nginx runs in the tests, so the
// files for the other proxies are read here: a header that one of them forgets would pass from a client to the service.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { IDENTITY_HEADERS } from '../../src/protocol/identity-headers.ts';
import { TENANT_HEADERS } from '../../src/protocol/tenant-headers.ts';
import { ROOT } from '../support/service.ts';

const read = (name: string) => readFileSync(join(ROOT, 'examples', 'proxies', name), 'utf8');
const lower = (names: readonly string[]) => names.map((name) => name.toLowerCase()).sort();
const identity = [...IDENTITY_HEADERS].sort();
const all = [...IDENTITY_HEADERS, ...TENANT_HEADERS].sort();

/** All objects of a document, whatever their depth. */
function* objects(value: unknown): Generator<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value)) yield value as Record<string, unknown>;
  for (const inner of Object.values(value)) yield* objects(inner);
}

/** The values of a member wherever it occurs in a document. */
function valuesOf<T>(document: unknown, member: string): T[] {
  return [...objects(document)].flatMap((object) => (member in object ? [object[member] as T] : []));
}

t.test('nginx sets every header from the answer, and sends both tenant headers in its check', async (t) => {
  const text = read('nginx.conf');
  const set = [...text.matchAll(/^ {2}proxy_set_header (X-\S+) +\$tenantry_(\w+);$/gm)];
  t.same(lower(set.map(([, name = '']) => name)), all);
  for (const [, name = '', variable = ''] of set) {
    const source = new RegExp(`auth_request_set \\$tenantry_${variable} +\\$upstream_http_(\\w+);`).exec(text)?.[1];
    t.equal(source, name.toLowerCase().replaceAll('-', '_'), name);
  }
  for (const name of TENANT_HEADERS) t.match(text, new RegExp(`proxy_set_header ${name} +\\$http_`, 'i'));
});

t.test('Traefik replaces every header, removes all of them on open paths, and refuses other upgrades', async (t) => {
  const document = parse(read('traefik.yaml'), { merge: true });
  const questions = valuesOf<Record<string, string[]>>(document, 'forwardAuth');
  t.ok(questions.length >= 4);
  for (const { authResponseHeaders = [], authRequestHeaders = [] } of questions) {
    t.same(lower(authResponseHeaders), all);
    for (const name of TENANT_HEADERS) t.ok(lower(authRequestHeaders).includes(name), name);
  }
  const { middlewares, routers } = document.http;
  const removed = middlewares.nobody.headers.customRequestHeaders as Record<string, string>;
  t.same(lower(Object.keys(removed)), all);
  t.ok(Object.values(removed).every((value) => value === ''));
  const { 'other-upgrades': first, ...others } = routers as Record<
    string,
    { rule: string; priority: number; middlewares: string[] }
  >;
  t.match(first, { rule: '!HeaderRegexp(`Upgrade`, `(?i)^websocket$`)', middlewares: ['refused'] });
  for (const { priority } of Object.values(others)) t.ok((first?.priority ?? 0) > priority);
});

t.test(
  'Envoy replaces every header, removes the tenant headers on open paths, and upgrades to websockets only',
  async (t) => {
    const document = parse(read('envoy.yaml'));
    const patterns = (member: string) =>
      valuesOf<{ patterns: { exact: string }[] }>(document, member).map((list) =>
        list.patterns.map(({ exact }) => exact).sort(),
      );
    t.same(patterns('allowed_upstream_headers'), [all]);
    for (const name of TENANT_HEADERS) t.ok(patterns('allowed_headers')[0]?.includes(name), name);
    const stripped = valuesOf<string>(document, 'remove').filter((name) => name !== 'x-required-permission');
    t.same(stripped.sort(), identity, 'the tenant headers stay until Tenantry has judged them');
    t.same(valuesOf(document, 'upgrade_configs'), [[{ upgrade_type: 'websocket' }]]);
    const routes = valuesOf<Record<string, unknown>[]>(document, 'routes').flat();
    const open = routes.filter((route) => valuesOf(route, 'disabled').includes(true));
    t.ok(open.length > 0);
    for (const route of open) t.same(lower(route.request_headers_to_remove as string[]), [...TENANT_HEADERS].sort());
  },
);

t.test('Caddy replaces every header, and removes the tenant headers on open paths', async (t) => {
  const text = read('Caddyfile');
  t.same(lower(/^\tcopy_headers (.+)$/m.exec(text)?.[1]?.split(' ') ?? []), all);
  const removed = [...text.matchAll(/^\t\trequest_header -(X-\S+)$/gm)].map(([, name = '']) => name);
  t.same(lower(removed), identity);
  const handles = [...text.matchAll(/^\t\thandle[^{]*\{\n(.*?)^\t\t\}$/gms)].map(([, body = '']) => body);
  t.ok(handles.length >= 5);
  for (const body of handles) {
    const judged = /import (signed_in|permission )/.test(body);
    const stripped = [...body.matchAll(/request_header -(X-\S+)/g)].map(([, name = '']) => name);
    t.same(lower(stripped), judged ? [] : [...TENANT_HEADERS].sort(), body);
  }
});
