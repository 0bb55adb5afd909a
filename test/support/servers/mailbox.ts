// A real SMTP server that keeps the received mails. A test can wait for a mail.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { SMTPServer } from 'smtp-server';
import type { Test } from 'tap';

export interface ReceivedMail {
  /** The recipients in the SMTP envelope, which can differ from the recipients in the header. */
  readonly recipients: readonly string[];
  readonly raw: string;
  /** The header fields by their names in lower case. The values are unfolded. */
  readonly headers: ReadonlyMap<string, string>;
  readonly text: string;
  readonly html: string;
}

export interface Mailbox {
  /** The value for SMTP_URL. */
  readonly url: string;
  readonly port: number;
  readonly mails: readonly ReceivedMail[];
  /**
   * Resolves with the next mail to the address that no earlier call has returned, once this mail has arrived. It skips
   * mails that prove an address, which `nextProof` returns.
   */
  next(recipient: string): Promise<ReceivedMail>;
  /** Does the same as `next` for mails that prove an address. */
  nextProof(recipient: string): Promise<ReceivedMail>;
  /** Makes the server refuse the next `count` mails with a temporary failure whose text repeats the whole mail. */
  refuse(count: number): void;
  close(): Promise<void>;
}

/** Starts the server on a free port, or on the given port. It ends with the test. It does not support STARTTLS. */
export async function openMailbox(t: Test, port = 0, host = '127.0.0.1'): Promise<Mailbox> {
  const mails: ReceivedMail[] = [];
  const taken = new Set<ReceivedMail>();
  let waiting: (() => void)[] = [];
  let refusals = 0;
  const server = new SMTPServer({
    disabledCommands: ['STARTTLS', 'AUTH'],
    disableReverseLookup: true,
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const raw = Buffer.concat(chunks).toString('utf8');
        if (refusals > 0) {
          refusals -= 1;
          done(Object.assign(new Error(`not now: ${raw.replace(/\s+/g, ' ')}`), { responseCode: 451 }));
          return;
        }
        const recipients = session.envelope.rcptTo.map(({ address }) => address);
        mails.push({ recipients, ...parseMail(raw) });
        const woken = waiting;
        waiting = [];
        for (const wake of woken) wake();
        done();
      });
    },
  });
  server.on('error', () => undefined);
  greetAtOnce(server);
  const listening = once(server.server, 'listening');
  server.listen(port, host);
  await listening;
  const bound = (server.server.address() as AddressInfo).port;
  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= new Promise((resolve) => server.close(() => resolve()));
    return closed;
  };
  t.teardown(close);
  async function arriving(recipient: string, isProof: boolean): Promise<ReceivedMail> {
    for (;;) {
      const found = mails.find(
        (mail) =>
          !taken.has(mail) && mail.recipients.includes(recipient) && mail.text.includes('/verify-email#') === isProof,
      );
      if (found) {
        taken.add(found);
        return found;
      }
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
  }
  return {
    url: `smtp://${host}:${bound}`,
    port: bound,
    mails,
    next: (recipient) => arriving(recipient, false),
    nextProof: (recipient) => arriving(recipient, true),
    refuse(count) {
      refusals = count;
    },
    close,
  };
}

interface Internals {
  readonly connections: Set<{ connectionReady(): void }>;
  connect(...of: unknown[]): void;
}

/** Skips the 0.1 s for which the server waits for clients that send data before its greeting. */
export function greetAtOnce(server: SMTPServer): void {
  const internals = server as unknown as Internals;
  const connect = internals.connect.bind(server);
  internals.connect = (...of) => {
    connect(...of);
    const connection = [...internals.connections].at(-1);
    if (!connection) throw new Error('smtp-server keeps its connections elsewhere now');
    const greet = connection.connectionReady.bind(connection);
    connection.connectionReady = () => undefined; // the server's timer calls this function too
    greet();
  };
}

/** Returns the token of the link in a mail. */
export function tokenIn(mail: ReceivedMail): string {
  const token = /#token=([\w-]+)/.exec(mail.text)?.[1];
  if (!token) throw new Error(`there is no token in: ${mail.text}`);
  return token;
}

/** Reads a mail as the server got it. */
export function parseMail(raw: string): Pick<ReceivedMail, 'raw' | 'headers' | 'text' | 'html'> {
  const { headers, body } = divide(raw);
  const boundary = /boundary="([^"]+)"/.exec(headers.get('content-type') ?? '')?.[1] ?? '';
  const parts = body.split(`--${boundary}`).map((part) => divide(part.replace(/^\r\n/, '')));
  const of = (type: string) => {
    const part = parts.find((candidate) => candidate.headers.get('content-type')?.startsWith(type));
    return part ? decode(part.body, part.headers.get('content-transfer-encoding')) : '';
  };
  return { raw, headers, text: of('text/plain'), html: of('text/html') };
}

function divide(text: string): { headers: Map<string, string>; body: string } {
  const end = text.indexOf('\r\n\r\n');
  const lines = text
    .slice(0, Math.max(end, 0))
    .replace(/\r\n[ \t]+/g, ' ')
    .split('\r\n');
  const fields = lines.map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
  });
  return { headers: new Map(fields), body: text.slice(end + 4) };
}

function decode(body: string, encoding: string | undefined): string {
  if (encoding === 'base64') return Buffer.from(body, 'base64').toString('utf8');
  if (encoding !== 'quoted-printable') return body;
  const bytes = body
    .replace(/=\r\n/g, '')
    .replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
