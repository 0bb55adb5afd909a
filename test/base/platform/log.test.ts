// Plain lines are the lines that pino would write, and obey the level of the log.
import { Writable } from 'node:stream';
import t from 'tap';
import { openLog, plainLines } from '../../../src/base/platform/log.ts';

function opened(level: 'info' | 'warn' | 'silent') {
  const lines: string[] = [];
  const to = new Writable({
    write(line, _, written) {
      lines.push(String(line));
      written();
    },
  });
  return { log: openLog({ level, pretty: false, to }), lines };
}

const MEMBERS = {
  requestId: 'a"b\\c\n',
  route: null,
  status: 200,
  durationMs: 0.5,
  userId: undefined,
  network: '192.0.2.0/24',
};

t.test('a plain line is the line that the log writes', async (t) => {
  const { log, lines } = opened('info');
  log.info(MEMBERS, 'request');
  plainLines(log, 'request')(MEMBERS);
  const [written, plain] = lines.map((line) => line.replace(/"time":"[\d:.TZ-]{24}"/, '"time"'));
  t.ok(written?.includes('"time"'));
  t.equal(plain, written);
});

t.test('a log of a higher level writes no plain lines', async (t) => {
  for (const level of ['warn', 'silent'] as const) {
    const { log, lines } = opened(level);
    plainLines(log, 'request')(MEMBERS);
    t.same(lines, []);
  }
});

t.test('a log that does not write JSON gets the members', async (t) => {
  const said: unknown[] = [];
  plainLines({ info: (...line: unknown[]) => said.push(line) } as never, 'request')(MEMBERS);
  t.same(said, [[MEMBERS, 'request']]);
});

t.test('secrets are masked at every depth that is written, and a list stays a list', async (t) => {
  const { log, lines } = opened('info');
  const deep = { one: { two: { three: { four: { five: { token: 'canary' } } } } } };
  log.info({ list: [{ password: 'canary', name: 'Ada' }, 'text', 7], deep }, 'told');
  const { list, deep: written } = JSON.parse(lines[0] ?? '');
  t.strictSame(list, [{ password: '[redacted]', name: 'Ada' }, 'text', 7]);
  t.strictSame(written, { one: { two: { three: { four: '[left out]' } } } });
  t.notMatch(lines[0], /canary/);
});
