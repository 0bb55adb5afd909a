// The memory of opened values: what is opened once, and what is opened again.
import t from 'tap';
import { remembering } from '../../../src/base/secrets/opened.ts';

function opener() {
  const asked: string[] = [];
  const open = remembering((place, sealed) => {
    asked.push(`${place} ${sealed}`);
    if (sealed === 'broken') throw new Error('does not open');
    return `text of ${place} ${sealed}`;
  });
  return { asked, open };
}

t.test('a value is opened once, and another place or another sealed text is another value', async (t) => {
  const { asked, open } = opener();
  for (let time = 0; time < 3; time += 1) {
    t.equal(open('users.name:1', 'AAAA'), 'text of users.name:1 AAAA');
    t.equal(open('users.name:2', 'AAAA'), 'text of users.name:2 AAAA');
    t.equal(open('users.name:1', 'AAAB'), 'text of users.name:1 AAAB');
  }
  t.same(asked, ['users.name:1 AAAA', 'users.name:2 AAAA', 'users.name:1 AAAB']);
});

t.test('an error is not remembered, so that a key that arrives later is used', async (t) => {
  const { asked, open } = opener();
  t.throws(() => open('users.name:1', 'broken'));
  t.throws(() => open('users.name:1', 'broken'));
  t.equal(asked.length, 2);
});

t.test('the value that was not read for the longest time is forgotten, and long values are not kept', async (t) => {
  const { asked, open } = opener();
  open('users.name:0', 'AAAA');
  for (let id = 1; id < 4_000; id += 1) open(`users.name:${id}`, 'AAAA');
  open('users.name:0', 'AAAA');
  t.equal(asked.length, 4_000, 'all of them are remembered');
  open('users.name:4000', 'AAAA');
  open('users.name:0', 'AAAA');
  t.equal(asked.length, 4_001, 'the first one was read in between');
  open('users.name:1', 'AAAA');
  t.equal(asked.length, 4_002, 'the second one was not');
  const long = 'A'.repeat(500);
  open('sessions.user_agent:1', long);
  open('sessions.user_agent:1', long);
  t.equal(asked.length, 4_004);
});
