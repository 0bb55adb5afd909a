// REDIS_URL: how to write one server and a cluster, which values are refused, and which warnings a start in production
// logs.
import t from 'tap';
import { ConfigRefused, readConfig } from '../../../src/base/config/config.ts';
import { redisOf } from '../../../src/base/config/derived.ts';
import { remarksOn } from '../../../src/base/config/remarks.ts';

const read = (REDIS_URL: string) => redisOf(readConfig({ REDIS_URL }));

function refusal(REDIS_URL: string): string {
  try {
    readConfig({ REDIS_URL });
    return '';
  } catch (error) {
    if (error instanceof ConfigRefused) return error.message;
    throw error;
  }
}

t.test('a URL of one Redis server is read', async (t) => {
  const plain = { tls: false, username: '', password: '', database: 0 };
  t.strictSame(read('redis://cache'), { ...plain, nodes: [{ host: 'cache', port: 6379 }] });
  t.strictSame(read('redis://:s,e%2Fcret@10.0.0.1:7000/15'), {
    ...plain,
    nodes: [{ host: '10.0.0.1', port: 7000 }],
    password: 's,e/cret',
    database: 15,
  });
  t.strictSame(read('rediss://tenantry:p%40ss@[::1]:1/'), {
    nodes: [{ host: '::1', port: 1 }],
    tls: true,
    username: 'tenantry',
    password: 'p@ss',
    database: 0,
  });
  t.equal(redisOf(readConfig({})), null);
  t.equal(redisOf(readConfig({ REDIS_URL: '' })), null);
});

t.test('the URL of a cluster lists its nodes, and only the first node needs the user and password', async (t) => {
  const nodes = [
    { host: 'a', port: 1 },
    { host: 'b', port: 6379 },
    { host: 'c', port: 3 },
  ];
  const cluster = { nodes, tls: true, username: 'u', password: 'p,w', database: 0 };
  t.strictSame(read('rediss://u:p,w@a:1,rediss://b,rediss://u:p,w@c:3/0'), cluster);
  t.strictSame(read('rediss://u:p,w@a:1 , rediss://b/ ,rediss://c:3'), cluster);
});

t.test('an ambiguous value is refused, and the refusal does not repeat it', async (t) => {
  const wrong: Record<string, RegExp> = {
    'http://cache': /must be a redis:\/\/ or rediss:\/\/ URL/,
    cache: /must be a redis/,
    'cache:6379': /must be a redis/,
    'redis://': /must be redis\[s\]:/,
    'redis:///0': /must be redis\[s\]:/,
    'redis://h:66666': /must be a redis/,
    'redis://h/x': /must be redis\[s\]:/,
    'redis://h/-1': /must be redis\[s\]:/,
    'redis://h/99999': /must be redis\[s\]:/,
    'redis://h/0/0': /must be redis\[s\]:/,
    'redis://h?db=3': /must be redis\[s\]:/,
    'redis://h#0': /must be redis\[s\]:/,
    'redis://:hush%@h': /written as %25/,
    'redis://hush@h': /a password if it has a user/,
    'redis://a,b': /must be/,
    'redis://a,redis://b/1': /must not name a database/,
    'redis://a/1,redis://b/1': /must not name a database/,
    'redis://a,rediss://b': /for every node/,
    'redis://:hush@a,redis://:other@b': /same user and password/,
    'redis://a,redis://:hush@b': /same user and password/,
    [Array.from({ length: 51 }, (_, index) => `redis://n${index}`).join(',')]: /REDIS_URL/,
  };
  for (const [value, reason] of Object.entries(wrong)) {
    t.match(refusal(value), reason, value);
    t.match(refusal(value), /^REDIS_URL: /);
    t.notMatch(refusal(value), /hush/);
  }
});

t.test('only production warns about a missing Redis and about a connection that others can read', async (t) => {
  const production = {
    NODE_ENV: 'production',
    DATABASE_URL: 'postgres://owner:secret@db.internal/tenantry',
    PUBLIC_URL: 'https://id.example.com',
    KEYS_DIR: '/keys',
    TRUSTED_PROXIES: '127.0.0.1',
  };
  const remarks = (REDIS_URL: string, env: Record<string, string> = production) =>
    remarksOn(readConfig({ ...env, REDIS_URL }));
  t.match(remarks(''), [/REDIS_URL is not set/]);
  t.match(remarks('redis://:secret@cache,redis://127.0.0.1'), [/REDIS_URL is without TLS/]);
  t.notMatch(remarks('redis://:secret@cache').join(), /secret@/);
  for (const url of ['rediss://cache', 'redis://localhost', 'redis://127.0.0.2:1', 'redis://[::1]']) {
    t.strictSame(remarks(url), [], url);
  }
  t.strictSame(remarks('', {}), []);
  t.strictSame(remarks('redis://cache', {}), []);
});
