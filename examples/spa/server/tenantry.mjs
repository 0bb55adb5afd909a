// Starts Tenantry as a process of its own, with the launcher of the clone. The first start installs its packages. Its
// log has one line of JSON for each request, and one for each mail while SMTP_URL is not set.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const WARNING = 40;

/**
 * Starts Tenantry. `settings` are environment variables of this example. `listening` resolves once Tenantry listens,
 * and is rejected if it ends before; `onEnd` gets the exit code if it ends later. `end` stops it at any time, even
 * while it starts, and resolves when the process has ended.
 */
export function startTenantry({ port, settings, onMail, onEnd }) {
  const address = `http://localhost:${port}`;
  const child = spawn(process.execPath, ['scripts/launch.mjs', 'src/main.ts'], {
    cwd: ROOT,
    env: { ...process.env, ...settings, PORT: String(port), PUBLIC_URL: address, LOG_LEVEL: 'info' },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true, // Ctrl-C in the terminal reaches only this program, which then ends Tenantry
  });
  const ended = new Promise((resolve) => {
    child.once('exit', (code) => resolve(code ?? 1));
    child.once('error', (error) => {
      console.error(`Tenantry cannot be run: ${error.message}`);
      resolve(1);
    });
  });
  let listens = false;
  const listening = new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const entry = readEntry(line);
      if (entry?.msg === 'listening') {
        listens = true;
        void ended.then(onEnd);
        resolve();
      } else if (entry === null) {
        if (!listens) console.log(line); // such as what is installed; afterwards it says where Tenantry itself is
      } else if (entry.level >= WARNING) console.error(line);
      if (typeof entry?.text === 'string') onMail({ to: entry.to, subject: entry.subject, text: entry.text });
    });
    ended.then((code) => reject(new Error(`Tenantry ended with the code ${code}.`)));
  });
  return {
    address,
    listening,
    async end() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** A line of the log; null for other lines, which are for people. */
function readEntry(line) {
  if (!line.startsWith('{')) return null;
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
