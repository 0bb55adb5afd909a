// The example applications have a sentence for every problem that people can cause with them.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { parse } from 'yaml';
import { sourcesBelow } from '../../support/sources.ts';

const words = new URL('../../../examples/spa/shared/words.mjs', import.meta.url).href;
const { WORDS } = (await import(words)) as { WORDS: Readonly<Record<string, string>> };

interface Response {
  readonly $ref?: string;
  readonly description?: string;
}
interface Document {
  readonly paths: Record<string, Record<string, { readonly responses: Record<string, Response> }>>;
  readonly components: { readonly responses: Record<string, Response> };
}
const document = parse(
  readFileSync(fileURLToPath(new URL('../../../openapi.yaml', import.meta.url)), 'utf8'),
) as Document;

/**
 * Only a mistake in the application causes these problems. For them, the application shows the sentence of the service.
 */
const MISTAKES = new Set([
  ...['malformed_json', 'duplicate_member', 'bad_request', 'unsupported_media_type', 'body_too_large'],
  ...['uri_too_long', 'headers_too_large', 'expectation_failed', 'not_acceptable', 'method_not_allowed'],
  ...['user_required', 'client_required', 'precondition_failed', 'idempotency_key_reused', 'idempotency_answer_lost'],
]);

/** The operations that the examples call, such as `POST /auth/login`. */
function callsOf(text: string): string[] {
  const calls = text.matchAll(/\b(?:call|send)\('([A-Z]+)', ['`]([^'`]+)/g);
  const signIns = text.matchAll(/\bsignInBy\('([^']+)'/g);
  return [
    ...[...calls].map(([, method = '', path = '']) => `${method} ${path}`),
    ...[...signIns].map(([, path = '']) => `POST ${path}`),
  ].map((one) => one.replace(/\$\{encodeURIComponent\([\w.]+\)\}/, '{id}').replace(/[?$].*$/, ''));
}

t.test('every problem of an operation that the examples call has a sentence', async (t) => {
  const calls = new Set(sourcesBelow('examples/spa', /\.mjs$/).flatMap(({ text }) => callsOf(text)));
  t.ok(calls.size >= 20, [...calls].join(', '));
  for (const called of calls) {
    const [method = '', path = ''] = called.split(' ');
    const operation = document.paths[`/api/v1${path}`]?.[method.toLowerCase()];
    t.ok(operation, called);
    for (const [status, response] of Object.entries(operation?.responses ?? {})) {
      if (status.startsWith('2')) continue;
      const shared = document.components.responses[response.$ref?.split('/').at(-1) ?? ''];
      const codes = [...((shared ?? response).description ?? '').matchAll(/`([a-z_]+)`: /g)].map(
        ([, code = '']) => code,
      );
      const missing = codes.filter((code) => !MISTAKES.has(code) && !Object.hasOwn(WORDS, code));
      t.same(missing, [], `${called} ${status}`);
    }
  }
});
