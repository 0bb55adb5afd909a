// A PostgreSQL that is frozen or lost with its connections open, and senders whose bodies never arrive.
import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';

/** Returns the process ids of the server and of the processes that serve its connections. */
function familyOf(pid: number): number[] {
  const children = readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return readFileSync(`/proc/${name}/stat`, 'utf8').split(') ')[1]?.split(' ')[1] === String(pid);
    } catch {
      return false; // the process has ended since the listing
    }
  });
  return [pid, ...children.map(Number)];
}

/** Freezes PostgreSQL. Returns the function that lets it continue. */
export function freeze(pid: number): () => void {
  const frozen = familyOf(pid);
  for (const one of frozen) process.kill(one, 'SIGSTOP');
  return () => {
    for (const one of frozen) {
      try {
        process.kill(one, 'SIGCONT');
      } catch {
        // the process has ended
      }
    }
  };
}

/** Kills PostgreSQL with all its processes, as the loss of its machine does. */
export function killFamily(pid: number): void {
  for (const one of familyOf(pid)) process.kill(one, 'SIGKILL');
}

export interface Ended {
  /** 0 when the connection ended without an answer. */
  readonly status: number;
  readonly milliseconds: number;
}

/** Sends a request whose body stops after its first byte. Resolves when the service has ended the connection. */
export function sendHalfBody(url: string, path: string): Promise<Ended> {
  const { hostname, port } = new URL(url);
  const begun = performance.now();
  const socket = connect(Number(port), hostname);
  let text = '';
  socket.write(
    `POST ${path} HTTP/1.1\r\nHost: ${hostname}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{`,
  );
  socket.on('data', (chunk) => {
    text += chunk;
  });
  socket.on('error', () => {});
  return new Promise((resolve) => {
    socket.on('close', () => {
      const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0);
      resolve({ status, milliseconds: performance.now() - begun });
    });
  });
}
