// Measures how soon the first byte of a page arrives, and how much a browser loads for the page. Requests are sent one
// at a time on a connection that stays open, in turns to the page and to a bare server.
import { once } from 'node:events';
import { connect } from 'node:net';
import { sum, weighPage } from '../test/support/pages/weight.ts';
import { median } from './paired.ts';

const PAGES = ['/sign-in', '/register', '/forgot-password'];
const AIM_MILLISECONDS = 20;
const AIM_BYTES = 30_000;

interface Targets {
  /** The port of the service. */
  readonly port: number;
  /** The port of a bare server, and a path of it. */
  readonly bare: { readonly port: number; readonly path: string };
  readonly requests: number;
}

/** Returns a line for each page. */
export async function pageLines({ port, bare, requests }: Targets): Promise<string[]> {
  const lines: string[] = [];
  for (const path of PAGES) {
    const [page, bound] = [await openLine(port, path), await openLine(bare.port, bare.path)];
    const times: number[] = [];
    const boundTimes: number[] = [];
    await page.ask();
    await bound.ask();
    for (let request = 0; request < requests; request += 1) {
      times.push(await page.ask());
      boundTimes.push(await bound.ask());
    }
    page.close();
    bound.close();
    const weights = await weighPage(`http://127.0.0.1:${port}`, path);
    const [sent, compressed] = [sum(weights, 'bytes'), sum(weights, 'compressed')].map(kilobytes);
    lines.push(
      `first byte of ${path}: ${median(times).toFixed(1)} ms (aim < ${AIM_MILLISECONDS}), of a bare route ${median(boundTimes).toFixed(1)} ms; ` +
        `${weights.length} files of ${sent}, ${compressed} compressed (aim < ${kilobytes(AIM_BYTES)})`,
    );
  }
  return lines;
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1000).toFixed(1)} kB`;
}

/** Opens a connection. `ask` sends a request, and resolves with the milliseconds until the first byte of the answer. */
async function openLine(port: number, path: string) {
  const socket = connect(port, '127.0.0.1').setNoDelay(true);
  await once(socket, 'connect');
  const request = `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\naccept: text/html\r\n\r\n`;
  return {
    close: () => socket.destroy(),
    async ask(): Promise<number> {
      const sent = performance.now();
      socket.write(request);
      let received: Buffer = (await once(socket, 'data'))[0];
      const milliseconds = performance.now() - sent;
      if (!received.toString('latin1', 0, 12).endsWith(' 200')) throw new Error(received.toString('utf8'));
      while (received.length < lengthOf(received))
        received = Buffer.concat([received, (await once(socket, 'data'))[0]]);
      return milliseconds;
    },
  };
}

/** The length of the whole answer; infinite until its head has arrived. */
function lengthOf(answer: Buffer): number {
  const end = answer.indexOf('\r\n\r\n');
  const length = /\r\ncontent-length: *(\d+)/i.exec(answer.toString('latin1', 0, Math.max(end, 0)))?.[1];
  return end < 0 ? Number.POSITIVE_INFINITY : end + 4 + Number(length ?? 0);
}
