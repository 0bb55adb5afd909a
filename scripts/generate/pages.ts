// Owns: the pages for people that are written from tables in the code: the environment and the problems.
// Leaves to others: the tables themselves (src/base/config/config.ts and src/base/config/variables.ts, src/base/errors/problem.ts).
import { variables } from '../../src/base/config/variables.ts';
import { PROBLEMS, problem } from '../../src/base/errors/problem.ts';
import { problemBody } from '../../src/base/http/problems.ts';

/** .env.example: every variable with its default, commented out. */
export function environmentExample(): string {
  const head = [
    '# Every variable of the service with its default. Empty counts as unset.',
    '# A variable marked "or _FILE" may be given as NAME_FILE instead: the path of a file that holds the value.',
  ];
  const entries = variables().flatMap(({ name, description, secret, fallback }) => {
    const isWritable = !/\s/.test(fallback);
    const remark = isWritable ? '' : ` Default: ${fallback}.`;
    return ['', `# ${description}${remark}${secret ? ' (or _FILE)' : ''}`, `# ${name}=${isWritable ? fallback : ''}`];
  });
  return `${[...head, ...entries].join('\n')}\n`;
}

/** docs/configuration.md. */
export function configurationPage(): string {
  const rows = variables().map(({ name, description, secret, fallback, values }) => {
    const shown = fallback === '' ? '–' : /\s/.test(fallback) ? fallback : `\`${fallback}\``;
    return `| \`${name}\`${secret ? ' \\*' : ''} | ${shown} | ${values || '–'} | ${cell(description)} |`;
  });
  return `# Configuration

The service is configured by its environment and by nothing else. It reads the environment once, at its start; a wrong
value ends the start with one line for each problem. Empty counts as unset. Times are seconds, or a number with \`s\`, \`m\`,
\`h\` or \`d\`. Lists are separated by commas.

A variable marked \\* is a secret: it may be given as \`NAME_FILE\` instead, the path of a file that holds the value, as
Docker and Kubernetes mount secrets. One of the two, not both.

| variable | default | values | meaning |
|---|---|---|---|
${rows.join('\n')}
`;
}

/** docs/problems.md. */
export function problemsPage(): string {
  const rows = Object.entries(PROBLEMS).map(
    ([code, { status, title, detail }]) => `| \`${code}\` | ${status} | ${cell(title)} | ${cell(detail)} |`,
  );
  const sample = problemBody(problem('invalid_credentials'), '0d3f6f0e-6b0a-4a53-9d8e-6c5a3f1f8a11');
  return `# Problems

Everything that goes wrong is answered as \`application/problem+json\` (RFC 9457), but at the OAuth endpoints, whose errors
are those of [OAuth](oauth.md):

\`\`\`json
${JSON.stringify(sample, null, 2)}
\`\`\`

Programs decide by \`code\`, which never changes its meaning. \`detail\` is for people and may change; \`error\` is the same
sentence. With 422 there is \`issues\`, a list of \`{ "path", "message" }\`. With 429 and 503 the header \`Retry-After\` says
after how many seconds to try again; nothing was changed by such a request. \`requestId\` is also the header
\`X-Request-ID\` and stands in the service's log. \`organization_suspended\` is 401 instead of 403 where it is the
access token that is refused.

| code | status | title | what to do |
|---|---|---|---|
${rows.join('\n')}
`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}
