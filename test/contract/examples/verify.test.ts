// The example that verifies a token with plain jose says in one line why it refuses, and never prints a stack trace.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { openIssuer } from '../../support/issuer.ts';

const PROGRAM = fileURLToPath(new URL('../../../examples/verify.mjs', import.meta.url));
const AWAY = 'http://127.0.0.1:1'; // nothing listens there

function run(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...args], { encoding: 'utf8' });
  return { status, stdout, lines: stderr.trim().split('\n') };
}

t.test('a bad token, an unreachable issuer and a bad address of it are told in one line', async (t) => {
  const token = openIssuer().token();
  for (const [args, reason] of [
    [['not-a-token', AWAY], /^refused: ERR_JWS_INVALID: /],
    [[token, AWAY], new RegExp(`^refused: cannot fetch the key set of ${AWAY} \\(fetch failed`)],
    [[token, 'nonsense'], /^refused: cannot fetch the key set of nonsense \(Invalid URL\)$/],
  ] as const) {
    const { status, stdout, lines } = run(...args);
    t.same([status, stdout, lines.length], [1, '', 1], lines.join('\n'));
    t.match(lines[0], reason);
  }
  const { status, lines } = run();
  t.same([status, lines.length], [2, 1]);
  t.match(lines[0], /^usage: /);
});
