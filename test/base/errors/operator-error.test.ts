// Errors that an operator can fix have their own class. The start of the service and every command print only the
// message of such an error.
import t from 'tap';
import { ConfigRefused } from '../../../src/base/config/config.ts';
import { MigrationRefused } from '../../../src/base/database/migrate.ts';
import { DatabaseUnavailable } from '../../../src/base/database/outage.ts';
import { DatabaseRefused } from '../../../src/base/database/roles.ts';
import { explainUnusable } from '../../../src/base/database/unusable.ts';
import { EmbeddedRefused } from '../../../src/base/embedded/embedded.ts';
import { OperatorError } from '../../../src/base/errors/operator-error.ts';
import { RedisRefused } from '../../../src/base/platform/redis.ts';
import { DataKeysRefused } from '../../../src/base/secrets/data-keys.ts';
import { CommandRefused, describeError, UsageRefused } from '../../../src/cli/line/refusal.ts';
import { UnknownKey } from '../../../src/credentials/keys/lifecycle.ts';
import { KeyRingEmpty, SharedKey } from '../../../src/credentials/keys/ring.ts';
import { PresetRefused } from '../../../src/directory/presets/presets.ts';

t.test('the command line reports every kind of operator error with its own code and message', async (t) => {
  const kinds: readonly (readonly [Error, string])[] = [
    [new DatabaseRefused('do this'), 'database_refused'],
    [new MigrationRefused('do this'), 'migration_refused'],
    [new ConfigRefused(['do this']), 'config_refused'],
    [new EmbeddedRefused('do this'), 'embedded_refused'],
    [new RedisRefused('do this'), 'redis_refused'],
    [new KeyRingEmpty('do this'), 'key_ring_empty'],
    [new SharedKey('do this'), 'shared_key'],
    [new UnknownKey('do this'), 'unknown_key'],
    [new DataKeysRefused('do this'), 'data_keys_refused'],
    [new PresetRefused(['do this']), 'preset_refused'],
    [new CommandRefused('not_so', 'do this'), 'not_so'],
    [new UsageRefused('say_more', 'do this'), 'say_more'],
  ];
  for (const [error, code] of kinds) {
    t.ok(error instanceof OperatorError, code);
    t.match(describeError(error), { code, detail: 'do this' });
  }
});

t.test('unexpected errors and errors of the file system have no code of their own', async (t) => {
  const ofFile = Object.assign(new Error('ENOENT: no such file'), { code: 'ENOENT', path: '/keys' });
  for (const error of [new TypeError('x is not a function'), ofFile]) {
    t.same(describeError(error), { code: 'failed', detail: error.message, exitCode: 1 });
  }
});

t.test('a database that cannot be used is explained by the message of the database or of the network', async (t) => {
  const withCode = (code: string, more = {}) => Object.assign(new Error('said so'), { code, ...more });
  for (const code of ['28P01', '28000', '3D000']) {
    t.match(explainUnusable(withCode(code)), { code: 'database_refused', detail: /said so.*DATABASE_URL/ }, code);
  }
  for (const code of ['ECONNREFUSED', 'ENOTFOUND', '57P03', '08006']) {
    t.match(explainUnusable(withCode(code)), { code: 'database_unavailable', detail: /said so.*DATABASE_URL/ }, code);
  }
  const noRight = explainUnusable(withCode('42501'));
  t.match(noRight, {
    code: 'database_refused',
    detail: /right in PostgreSQL is missing \(said so\).*tenantry migrate/,
  });
  t.match(explainUnusable(new DatabaseUnavailable('away')), { code: 'database_unavailable', detail: /away/ });
  for (const cause of [new Error('refused by 10.0.0.7'), Object.assign(new Error(), { code: 'refused by 10.0.0.7' })]) {
    const { detail } = explainUnusable(new DatabaseUnavailable('away', { cause })) ?? { detail: '' };
    t.match(detail, /\(refused by 10\.0\.0\.7\)/, 'the message or code of the cause');
    t.notMatch(detail, 'away');
  }
  for (const error of [new Error('other'), withCode('23503'), withCode('EACCES', { path: '/keys' }), 'text', null]) {
    t.equal(explainUnusable(error), null);
  }
});
