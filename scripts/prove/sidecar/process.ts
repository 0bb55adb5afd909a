// The sidecar as a separate process, started as an operator does. Other files have its clients (holders.ts) and its
// upstream (upstream.ts).
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { NotShown } from '../proof.ts';
import { ROOT, type Testbed } from '../testbed.ts';

export interface SidecarProcess {
  readonly child: ChildProcess;
  /** The ws:// address without a path. */
  readonly url: string;
  /** Returns the bytes of memory that the process uses now. */
  rss(): number;
  /** Sends SIGTERM and returns the exit code. */
  end(): Promise<number | null>;
}

export interface SidecarSettings {
  readonly upstreamPort: number;
  readonly servicePort: number;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly args?: readonly string[];
}

/** Starts the sidecar and waits until it follows revocations. */
export async function startSidecar(testbed: Testbed, settings: SidecarSettings): Promise<SidecarProcess> {
  const issuer = `http://localhost:${settings.servicePort}`;
  const given = [
    '--upstream',
    `http://127.0.0.1:${settings.upstreamPort}`,
    '--listen',
    '127.0.0.1:0',
    '--issuer',
    issuer,
  ];
  const child = spawn(process.execPath, ['src/main.ts', 'sidecar', ...given, ...(settings.args ?? [])], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      PATH: process.env.PATH ?? '',
      NODE_COMPILE_CACHE: join(ROOT, '.data', 'compile-cache'),
      TENANTRY_CLIENT_ID: settings.clientId,
      TENANTRY_CLIENT_SECRET: settings.clientSecret,
    },
  });
  const ended = once(child, 'exit') as Promise<[number | null]>;
  testbed.teardown(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const port = await new Promise<number>((resolve, reject) => {
    let port = 0;
    createInterface({ input: child.stdout }).on('line', (text) => {
      const line = JSON.parse(text) as { msg: string; port?: number };
      if (line.msg === 'listening') port = line.port ?? 0;
      if (line.msg === 'revocations are followed') resolve(port);
    });
    void ended.then(([code]) => reject(new NotShown(`the sidecar ended with ${code}`)));
  });
  return {
    child,
    url: `ws://127.0.0.1:${port}`,
    rss: () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) * 1024,
    async end() {
      child.kill('SIGTERM');
      return (await ended)[0];
    },
  };
}
