// What the flows of the walk share: the recorder, the canaries, and the mails.
import { type Mailbox, type ReceivedMail, tokenIn } from '../../support/servers/mailbox.ts';
import type { Canaries } from './canaries.ts';
import type { Recorder } from './recording.ts';

export interface Walk {
  readonly recorder: Recorder;
  readonly canaries: Canaries;
  readonly mailbox: Mailbox;
}

export interface Sent {
  readonly token: string;
  /** Empty for a mail without a code. */
  readonly code: string;
}

/** The token and the code of a mail. */
export function secretsIn(mail: ReceivedMail): Sent {
  const code = /^\s*((?:[0-9][ -]?){8})\s*$/m.exec(mail.text)?.[1]?.replace(/[ -]/g, '') ?? '';
  return { token: mail.text.includes('#token=') ? tokenIn(mail) : '', code };
}

/** Waits for the next mail to the address with a link to this page, and takes note of its token and code. */
export async function nextMail({ mailbox, canaries }: Walk, email: string, page: string): Promise<Sent> {
  for (;;) {
    const mail = page === '/verify-email' ? await mailbox.nextProof(email) : await mailbox.next(email);
    const sent = secretsIn(mail);
    canaries.note('token', sent.token);
    canaries.note('code', sent.code);
    if (mail.text.includes(`${page}#token=`)) return sent;
  }
}
