// The pages that are written from tables in the code: the variables and the problems.
// The tables are in src/base/config/variables.ts and src/base/errors/catalogue.ts.
import { type Variable, variables } from '../../src/base/config/variables.ts';
import { PROBLEMS, problem } from '../../src/base/errors/problem.ts';
import { problemBody } from '../../src/base/errors/problem-body.ts';

/** Returns .env.example: every variable with its default, commented out. */
export function environmentExample(): string {
  const head = [
    '# Every variable of the service with its default. Empty counts as unset.',
    '# A variable marked "or _FILE" may be given as NAME_FILE instead: the path of a file that holds the value.',
  ];
  const entries = byTopic().flatMap(({ topic, entries }) => ['', `# --- ${topic}`, ...entries.flatMap(exampleOf)]);
  return `${[...head, ...entries].join('\n')}\n`;
}

function exampleOf({ name, description, secret, fallback }: Variable): string[] {
  const isWritable = !/\s/.test(fallback);
  const remark = isWritable ? '' : ` Default: ${fallback}.`;
  return ['', `# ${description}${remark}${secret ? ' (or _FILE)' : ''}`, `# ${name}=${isWritable ? fallback : ''}`];
}

function byTopic(): { topic: string; entries: Variable[] }[] {
  return [...Map.groupBy(variables(), ({ topic }) => topic)].map(([topic, entries]) => ({ topic, entries }));
}

/** Returns docs/configuration.md. */
export function configurationPage(): string {
  const tables = byTopic().map(
    ({ topic, entries }) => `## ${topic}

| variable | default | values | meaning |
|---|---|---|---|
${entries.map(rowOf).join('\n')}`,
  );
  return `# Configuration

The environment is the only configuration of the service. The service reads it once, at its start. If a value is wrong, the
start ends with one line for each problem. An empty variable counts as unset. Times are seconds, or a number with \`s\`, \`m\`,
\`h\` or \`d\`. The items of a list are separated by commas.

A variable marked \\* is a secret. Instead of a secret variable \`NAME\`, you may set \`NAME_FILE\` to the path of a file with
the value, as Docker and Kubernetes mount secrets. Set one of the two, not both.

${tables.join('\n\n')}
`;
}

function rowOf({ name, description, secret, fallback, values }: Variable): string {
  const shown = fallback === '' ? '–' : /\s/.test(fallback) ? fallback : `\`${fallback}\``;
  return `| \`${name}\`${secret ? ' \\*' : ''} | ${shown} | ${values || '–'} | ${cell(description)} |`;
}

/** Returns docs/problems.md. */
export function problemsPage(): string {
  const rows = Object.entries(PROBLEMS).map(
    ([code, { status, title, detail }]) => `| \`${code}\` | ${status} | ${cell(title)} | ${cell(detail)} |`,
  );
  const sample = problemBody(problem('invalid_credentials'), '0d3f6f0e-6b0a-4a53-9d8e-6c5a3f1f8a11');
  return `# Problems

Every error is answered with \`application/problem+json\` (RFC 9457). The OAuth endpoints use another form
([oauth.md](oauth.md)), and a browser gets pages ([pages.md](pages.md)).

\`\`\`json
${JSON.stringify(sample, null, 2)}
\`\`\`

Programs decide by \`code\`, whose meaning never changes. \`detail\` is for people and may change. \`error\` holds the same
sentence. \`validation_failed\` and \`audience_not_listed\` also have \`issues\`, a list of \`{ "path", "message" }\`. An
answer 429 or 503 has the header \`Retry-After\`: the number of seconds to wait before the next attempt. After 429 nothing
was changed. After 500 and 503 a change may or may not have been made, and \`detail\` says which of the two is true:
[changing.md](changing.md). \`requestId\` is also in the header \`X-Request-ID\` and in the service's log.
\`organization_suspended\` is 401 instead of 403 if the access token itself is refused.

| code | status | title | what to do |
|---|---|---|---|
${rows.join('\n')}

## What every request must satisfy

These rules are the same for every endpoint, and are checked before the endpoint's own.

- **Head.** One \`Host\` header with a host and at most a port. \`Authorization\`, \`Content-Type\`, \`Content-Encoding\`,
  \`Idempotency-Key\`, \`If-Match\`, \`Last-Event-ID\`, \`Origin\`, \`Sec-Fetch-Site\`, \`User-Agent\`, \`X-Tenant-ID\` and
  \`X-Organization-Slug\` at most once each (400 \`bad_request\`). At most 100 headers and 32 KiB (431).
- **Query.** Each parameter at most once (422).
- **JSON.** UTF-8 without a byte order mark. Each member of an object once, even when it is spelled differently, such as
  \`"a"\` and \`"\\u0061"\` (400 \`duplicate_member\`). At most 32 levels and 10,000 values. Text without NUL and without halves of
  surrogate pairs. No number that JSON readers turn into another one: \`-0\`, or a number so close to 0 or so large that it
  becomes 0 or infinite, such as \`1e-400\` (422).
- **Names.** A name has a character that a reader sees. Blanks, characters of width zero, combining marks alone and
  fillers do not count (422).
- **Time.** The head arrives within 10 s and the body within 8 s (408). The answer follows within 10 s of the head, otherwise
  it is 503 \`service_busy\`.

A path with another method is answered with 405, and with the methods in the header \`Allow\`. An answer to bytes that are not a request
is a problem too, and ends the connection.
`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}
