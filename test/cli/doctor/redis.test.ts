// The doctor reports whether Redis can be used for the stream with the rights of the service.
import t from 'tap';
import { startRedis } from '../../support/servers/redis.ts';
import { openCli } from '../command-line.ts';

t.test('the doctor tests the stream, and reports an unusable Redis without counting it as a failure', async (t) => {
  const redis = await startRedis(t);
  const finding = async (environment: Record<string, string>) => {
    const { stdout } = await openCli({ DATA_DIR: '/nonexistent', ...environment })('doctor');
    return stdout.split('\n').find((line) => / redis /.test(line)) ?? null;
  };
  t.match(await finding({ REDIS_URL: redis.url }), /^ok +redis +127\.0\.0\.1 carries the revocation stream$/);
  await redis.ask('ACL', 'SETUSER', 'reader', 'on', '>hush', '~*', '+@read', '-xinfo');
  const reader = `redis://reader:hush@127.0.0.1:${redis.port}`;
  const refused = await finding({ REDIS_URL: reader });
  t.match(refused, /^warn +redis +.*NOPERM.*: check REDIS_URL; .*through PostgreSQL/);
  t.notMatch(refused, /hush/);
  await redis.stop();
  t.match(await finding({ REDIS_URL: redis.url }), /^warn +redis +.*ECONNREFUSED/);
  t.equal(await finding({}), null, 'no line about a missing Redis');
});
