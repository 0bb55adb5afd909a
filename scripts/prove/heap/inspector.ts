// The live heap of a service, read over the inspector of Node. Only a service that was started with `--inspect`
// has an inspector, so the service itself contains nothing for this.
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';

export interface Heap {
  /** Collects all garbage, and returns the number of bytes that are left on the JavaScript heap. */
  liveBytes(): Promise<number>;
  close(): void;
}

const Targets = z.array(z.object({ webSocketDebuggerUrl: z.url() })).min(1);
const Answer = z.object({
  id: z.int().optional(),
  result: z.unknown(),
  error: z.object({ message: z.string() }).optional(),
});
const Usage = z.object({ usedSize: z.number() });

// Some objects are free only after what refers to them has been collected.
const COLLECTIONS = 3;
const BETWEEN_MILLISECONDS = 100;

/** Connects to the inspector that listens on a port of the loopback interface. */
export async function openHeap(port: number): Promise<Heap> {
  const listed = await fetch(`http://127.0.0.1:${port}/json/list`);
  const [target] = Targets.parse(await listed.json());
  const socket = new WebSocket(target?.webSocketDebuggerUrl ?? '');
  const calls = new Map<number, PromiseWithResolvers<unknown>>();
  let last = 0;
  const opened = Promise.withResolvers<void>();
  socket.onopen = () => opened.resolve();
  socket.onclose = () => {
    const gone = new Error('the inspector has closed the connection');
    opened.reject(gone);
    for (const { reject } of calls.values()) reject(gone);
  };
  socket.onmessage = ({ data }) => {
    const { id, result, error } = Answer.parse(JSON.parse(String(data)));
    const call = calls.get(id ?? 0);
    calls.delete(id ?? 0);
    if (error) call?.reject(new Error(error.message));
    else call?.resolve(result);
  };
  await opened.promise;

  function call(method: string): Promise<unknown> {
    last += 1;
    const waiting = Promise.withResolvers<unknown>();
    calls.set(last, waiting);
    socket.send(JSON.stringify({ id: last, method }));
    return waiting.promise;
  }

  return {
    async liveBytes() {
      for (let collection = 1; collection <= COLLECTIONS; collection += 1) {
        await call('HeapProfiler.collectGarbage');
        await delay(BETWEEN_MILLISECONDS);
      }
      return Usage.parse(await call('Runtime.getHeapUsage')).usedSize;
    },
    close: () => socket.close(),
  };
}
