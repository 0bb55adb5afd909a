// Proves: the duration of an answer does not reveal whether an e-mail address has an account, where the answer itself
// does not say it. `prove:timing [calls] [scene]`: the number of calls of each kind, and a part of the name of the
// scenes to measure.
import pg from 'pg';
import { openApi } from '../../test/support/client.ts';
import { personalIn } from '../../test/support/personal.ts';
import { openMailbox } from '../../test/support/servers/mailbox.ts';
import { demand } from './proof.ts';
import { type Testbed, withTestbed } from './testbed.ts';
import { type Compared, compare, type Scene } from './timing/compare.ts';
import { emailScene, forgotScene, loginScene, registerScene, resendScene, type SceneDeps } from './timing/scenes.ts';

const [calls = 400, wanted = ''] = [Number(process.argv[2] ?? 400), process.argv[3]];
const CHEAP = { memoryKiB: 19_456, iterations: 2, parallelism: 1 };

async function openDatabase({ postgres, teardown }: Testbed): Promise<SceneDeps['database']> {
  // Row-level security also holds for the owner of the tables.
  const url = new URL(postgres.adminUrl);
  url.pathname = new URL(postgres.ownerUrl).pathname;
  const pool = new pg.Pool({ connectionString: url.href, max: 1 });
  teardown(() => pool.end());
  return pool;
}

await withTestbed({ name: 'timing', disposable: true }, async (testbed) => {
  demand(calls > 0 && calls < 990, 'usage: prove:timing [calls, less than 990] [scene]');
  const mailbox = await openMailbox(testbed as never);
  const settings = { LOGIN_FAILURES_MAX: '1000', REGISTRATION_MODE: 'verified', SMTP_URL: mailbox.url };
  const service = await testbed.startService({ settings });
  const common = {
    database: await openDatabase(testbed),
    personal: await personalIn(testbed.keysDirectory),
    parameters: CHEAP,
  };
  const deps = { ...common, api: openApi(service.url) };
  const scenes: Scene[] = [
    loginScene(deps, 'POST /auth/login'),
    registerScene(deps),
    forgotScene(deps),
    resendScene(deps),
    emailScene(deps),
  ];
  const measured: Compared[] = [];
  const measure = async (scene: Scene) => {
    if (!scene.name.includes(wanted)) return;
    const compared = await compare(scene, calls);
    console.log(`${compared.isAlike ? 'alike' : 'NOT ALIKE'}: ${compared.line}`);
    measured.push(compared);
  };
  for (const scene of scenes) await measure(scene);
  await service.end('SIGTERM');
  // The operator has raised the cost of new hashes, and nobody has signed in since then.
  const dearer = await testbed.startService({ settings: { ...settings, PASSWORD_HASH_ITERATIONS: '4' } });
  await measure(loginScene({ ...common, api: openApi(dearer.url) }, 'POST /auth/login with hashes of an older cost'));
  demand(measured.length > 0, `no scene has a name with ${wanted}`);
  const apart = measured.filter(({ isAlike }) => !isAlike);
  demand(apart.length === 0, `the medians differ by 5 % or more: ${apart.map(({ line }) => line).join('\n')}`);
  return `SHOWN: ${measured.map(({ line }) => line).join('\n')}\nless than 5 %`;
});
