// A real nginx for tests, on a free port of the loopback interface. All its files are in a temporary folder.
import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { debianProgram } from './debian.ts';
import { type Lifetime, onFreePort, startProcess } from './process.ts';

export interface Nginx {
  readonly url: string;
  readonly port: number;
  /** Returns the last lines of the error log of nginx. The log has messages of the level `notice` and above. */
  errorLog(): string;
  stop(): Promise<void>;
}

const PORT = '{{port}}';
const TEMPORARY = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];

/**
 * Starts nginx with the given content of `http { … }`. {{port}} in it is replaced by the port to listen on: `server {
 * listen 127.0.0.1:{{port}}; … }`. nginx ends with the test. Raises an error with nginx's message when nginx refuses
 * the configuration.
 */
export async function startNginx(t: Lifetime, config: string): Promise<Nginx> {
  if (!config.includes(PORT)) throw new Error(`the configuration has no ${PORT} to listen on`);
  const program = await debianProgram('nginx');
  const folder = mkdtempSync(join(tmpdir(), 'tenantry-nginx-'));
  // When root starts nginx, the workers run as another user, who needs access.
  chmodSync(folder, 0o755);
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'nginx.conf');
  const args = ['-p', folder, '-c', file, '-e', 'stderr'];
  return await onFreePort(async (port) => {
    const text = whole(folder, config.replaceAll(PORT, String(port)));
    writeFileSync(file, text);
    await promisify(execFile)(program, ['-t', '-q', ...args]).catch((error) => {
      const numbered = text.split('\n').map((line, index) => `${index + 1}\t${line}`);
      throw new Error(`nginx refuses the configuration: ${error.stderr || error.message}\n${numbered.join('\n')}`);
    });
    // A master process that is killed leaves its workers running. A master process that gets SIGTERM ends its workers.
    const running = startProcess(program, args, 'SIGTERM');
    const stop = () => running.end('SIGTERM');
    t.teardown(stop);
    await running.printed(/start worker process \d/);
    return { url: `http://127.0.0.1:${port}`, port, errorLog: () => running.output(), stop };
  });
}

function whole(folder: string, config: string): string {
  const temporary = TEMPORARY.map((name) => `  ${name}_temp_path ${folder}/${name};`);
  return `daemon off;
${process.getuid?.() === 0 ? 'user nobody nogroup;' : ''}
worker_processes 1;
pid ${folder}/nginx.pid;
error_log stderr notice;
events {}
http {
  access_log off;
${temporary.join('\n')}
${config}
}
`;
}
