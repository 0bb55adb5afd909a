// The commands that an operator runs while a service runs, as separate processes.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT, type Service, type Testbed } from './testbed.ts';

export interface Credentials {
  readonly clientId: string;
  readonly clientSecret: string;
}

/** Runs `tenantry <args> --json` on the database of the testbed or of `settings`. Returns the data of its answer. */
export async function runCommand<Data>(
  testbed: Testbed,
  { port }: Service,
  args: readonly string[],
  settings: Record<string, string> = {},
): Promise<Data> {
  const env = {
    PATH: process.env.PATH ?? '',
    PUBLIC_URL: `http://localhost:${port}`,
    DATABASE_URL: testbed.postgres.ownerUrl,
    KEYS_DIR: testbed.keysDirectory,
    LOG_LEVEL: 'error',
    ...settings,
  };
  const program = [join(ROOT, 'src/main.ts'), ...args, '--json'];
  const { stdout } = await promisify(execFile)(process.execPath, program, { env });
  return (JSON.parse(stdout) as { data: Data }).data;
}

/** Creates a service client of the whole installation, which may read the feed. */
export async function createClient(
  testbed: Testbed,
  service: Service,
  name: string,
  settings: Record<string, string> = {},
): Promise<Credentials> {
  const made = await runCommand<{ id: string; clientSecret: string }>(
    testbed,
    service,
    ['clients', 'create', name],
    settings,
  );
  return { clientId: made.id, clientSecret: made.clientSecret };
}
