// The mail server of a proof: a real SMTP server that stores every mail before it answers, and can keep silent.
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { SMTPServer } from 'smtp-server';
import { greetAtOnce, parseMail, type ReceivedMail } from '../../../test/support/servers/mailbox.ts';

/** How long the answer to a mail may take. A kill often comes between the storing and the answer. */
const ANSWER_MILLISECONDS_MAX = 60;

export interface MailServer {
  /** The value for SMTP_URL. */
  readonly url: string;
  /** Every stored mail, in the order of its arrival. */
  readonly mails: readonly ReceivedMail[];
  /** Makes the server greet from now on. Before this call, it accepts connections and says nothing. */
  speak(): void;
  close(): Promise<void>;
}

export async function openMailServer(): Promise<MailServer> {
  const mails: ReceivedMail[] = [];
  let isSilent = true;
  const server = new SMTPServer({
    disabledCommands: ['STARTTLS', 'AUTH'],
    disableReverseLookup: true,
    // Without a call of `done`, the server does not greet.
    onConnect(_, done) {
      if (!isSilent) done();
    },
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', async () => {
        const recipients = session.envelope.rcptTo.map(({ address }) => address);
        mails.push({ recipients, ...parseMail(Buffer.concat(chunks).toString('utf8')) });
        await delay(randomInt(ANSWER_MILLISECONDS_MAX));
        done();
      });
    },
  });
  server.on('error', () => undefined); // a killed service leaves its connections open
  greetAtOnce(server);
  server.listen(0, '127.0.0.1');
  await once(server.server, 'listening');
  return {
    url: `smtp://127.0.0.1:${(server.server.address() as AddressInfo).port}`,
    mails,
    speak() {
      isSilent = false;
    },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
