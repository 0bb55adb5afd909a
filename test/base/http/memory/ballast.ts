// Loaded into a service before its own code. Attaches some bytes outside of the heap to each request. After each
// signal, it collects the young objects, and prints how many requests still have their bytes.
import { subscribe } from 'node:diagnostics_channel';
import { setImmediate as nextTurn } from 'node:timers/promises';

const BYTES = 64 * 1024;
const { gc: collect } = globalThis as unknown as { gc: (options: { readonly type: 'minor' }) => void };

subscribe('http.server.request.start', (message) => {
  Object.assign((message as { request: object }).request, { ballast: new ArrayBuffer(BYTES) });
});

/** An object that survives two collections is no longer young, and stays until the whole heap is collected. */
async function report(): Promise<void> {
  for (let collection = 0; collection < 2; collection += 1) {
    await nextTurn();
    collect({ type: 'minor' });
  }
  process.stdout.write(`{"ballast":${Math.round(process.memoryUsage().arrayBuffers / BYTES)}}\n`);
}

process.on('SIGUSR2', () => void report());
