// The commands and the program by which README.md introduces the verifier, as a reader runs them: in the clone and in
// an empty folder, beside a running service.
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { sharedKeysDirectory } from '../../support/data-keys.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { ROOT, spawnService } from '../../support/service.ts';

const run = promisify(execFile);
const ENDED_WITHIN_MS = 60_000;

const [, section = ''] = readFileSync(join(ROOT, 'README.md'), 'utf8').split('## Verify a token in your service');
const blockOf = (language: string) => new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'ms').exec(section)?.[1] ?? '';

/** Replaces a text of README.md, which must have it once. */
function replaceOnce(text: string, former: string, latter: string): string {
  const [before, after, ...others] = text.split(former);
  if (before === undefined || after === undefined || others.length > 0) throw new Error(`once in README.md: ${former}`);
  return before + latter + after;
}

t.test('the program of README.md runs in an empty folder, shows what a token says, and ends', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tenantry-readme-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const database = await createDatabase(t);
  const { api, url } = await spawnService(t, { DATABASE_URL: database.ownerUrl });
  // The environment lacks the loader that the test runner adds to every Node process.
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: folder,
    ...{ NODE_ENV: 'test', DATABASE_URL: database.ownerUrl, KEYS_DIR: sharedKeysDirectory() },
    ...{ npm_config_offline: 'true', npm_config_audit: 'false', npm_config_update_notifier: 'false' },
  };

  const commands = blockOf('sh').replaceAll('/tmp', folder);
  const { stdout } = await run('sh', ['-ec', commands], { cwd: ROOT, env });
  t.match(stdout, new RegExp(`^The package is ${folder}/tenantry-[\\d.]+\\.tgz$`, 'm'), 'the path is printed');
  const [, clientId = '', clientSecret = ''] = /client_id +(\S+)\nclient_secret +(\S+)\n/.exec(stdout) ?? [];
  t.not(clientSecret, '', 'the client is printed');

  const program = join(folder, 'contacts/contacts.mjs');
  const filled = replaceOnce(
    blockOf('js'),
    "const clientId = '…', clientSecret = '…';",
    `const clientId = '${clientId}', clientSecret = '${clientSecret}';`,
  );
  const issuer = "issuer: 'http://localhost:3000',";
  writeFileSync(program, replaceOnce(filled, issuer, `${issuer} serviceUrl: '${url}',`));
  const verify = (token: string) => run(process.execPath, [program, token], { env, timeout: ENDED_WITHIN_MS });

  const { accessToken, userId, organization } = await newAccount(api);
  t.same(await verify(accessToken), { stdout: `${userId}\n${organization.id}\n`, stderr: '' });
  await api.post('/auth/logout', undefined, { token: accessToken });
  t.match(await verify(accessToken), { stdout: '', stderr: /^401 session_revoked .+\n$/ });
});
