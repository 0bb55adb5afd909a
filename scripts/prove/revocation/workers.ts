// Starts processes that receive orders by messages, and handles the orders in such a process. A process may have
// several unanswered orders at a time.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export interface Worker<Order> {
  readonly pid: number;
  /** Returns the answer to an order. Raises the error of the process, or an error if the process ends instead. */
  ask<Answer>(order: Order): Promise<Answer>;
  end(): Promise<void>;
}

interface Waiting {
  resolve(answer: unknown): void;
  reject(error: Error): void;
}

/** Starts a file as a separate process. A relative path begins at this folder. */
export function startWorker<Order>(file: string): Worker<Order> {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), [], { execArgv: [] });
  const ended = once(child, 'exit');
  child.on('error', () => undefined); // `ask` reports the error
  const waiting = new Map<number, Waiting>();
  let count = 0;
  child.on('message', ({ id, answer, error }: { id: number; answer?: unknown; error?: string }) => {
    const order = waiting.get(id);
    waiting.delete(id);
    if (error !== undefined) order?.reject(new Error(`${file}: ${error}`));
    else order?.resolve(answer);
  });
  child.once('exit', (code, signal) => {
    for (const order of waiting.values()) order.reject(new Error(`${file} ended with ${code ?? signal}`));
    waiting.clear();
  });
  return {
    pid: child.pid ?? 0,
    ask: <Answer>(order: Order) => {
      count += 1;
      const id = count;
      return new Promise<Answer>((resolve, reject) => {
        waiting.set(id, { resolve: resolve as (answer: unknown) => void, reject });
        child.send({ id, order } as object, (error) => error && reject(error));
      });
    },
    async end() {
      if (child.connected) child.disconnect();
      await ended;
    },
  };
}

/** Answers every order that this process gets from `startWorker`. Ends the process when the other side has ended. */
export function answerOrders<Order>(obey: (order: Order) => Promise<unknown>): void {
  process.on('message', ({ id, order }: { id: number; order: Order }) => {
    obey(order).then(
      (answer) => process.send?.({ id, answer }),
      (error: Error) => process.send?.({ id, error: error.message }),
    );
  });
  process.once('disconnect', () => process.exit());
  process.on('error', () => process.exit());
}
