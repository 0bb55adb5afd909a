// The dialog with the person at the terminal. It asks for passwords without echo, asks for confirmations, and shows the
// progress of long work. The dialog uses standard error. Standard output is only for the answer of a command.
import type { Invocation } from './invocation.ts';
import { Interrupted, UsageRefused } from './refusal.ts';

const CONTROL_C = '\u0003';
const CONTROL_D = '\u0004';
const CONTROL_U = '\u0015';
const BACKSPACES = ['\u007f', '\b'];
const ENDS = ['\r', '\n', CONTROL_D];
const BAR_CELLS = 30;
const ATTEMPTS_MAX = 3;
/** This is more characters than any password may have. */
const STDIN_CHARACTERS_MAX = 4096;

function hasTerminal({ stdin, stderr }: Invocation): boolean {
  return stdin.isTTY === true && stderr.isTTY === true;
}

/**
 * Asks twice for a new password, without echo. Asks again when `judge` returns a reason against the password, or when
 * the two passwords differ. With `fromStdin`, reads the first line of standard input and does not call `judge`. Raises
 * UsageRefused without a terminal or after three attempts, and Interrupted.
 */
export async function askNewPassword(
  invocation: Invocation,
  fromStdin: boolean,
  judge: (password: string) => Promise<string | null>,
): Promise<string> {
  if (fromStdin) return readFirstLine(invocation);
  if (!hasTerminal(invocation)) {
    throw new UsageRefused('password_required', 'There is no terminal to ask for the password: use --password-stdin');
  }
  const ask = (question: string) => askHidden(invocation, question);
  for (let attempt = 1; ; attempt += 1) {
    const password = await ask('New password: ');
    const refused =
      (await judge(password)) ?? ((await ask('Once more: ')) === password ? null : 'The two passwords differ.');
    if (refused === null) return password;
    if (attempt === ATTEMPTS_MAX) throw new UsageRefused('password_refused', refused);
    invocation.stderr.write(`${refused}\n`);
  }
}

async function readFirstLine({ stdin }: Invocation): Promise<string> {
  let text = '';
  stdin.setEncoding('utf8');
  for await (const chunk of stdin) {
    text += chunk;
    if (text.includes('\n') || text.length > STDIN_CHARACTERS_MAX) break;
  }
  const [line = ''] = text.split(/\r?\n/);
  if (line === '') throw new UsageRefused('password_required', 'Standard input has no password');
  return line;
}

function askHidden({ stdin, stderr }: Invocation, question: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const typed: string[] = [];
  const end = () => {
    stdin.off('data', onData);
    stdin.setRawMode?.(false);
    stdin.pause();
    stderr.write('\n');
  };
  const onData = (chunk: string) => {
    if (chunk.startsWith('\u001b')) return; // an arrow key or another key without a character
    for (const character of chunk) {
      if (character === CONTROL_C) {
        end();
        // A terminal in raw mode sends no signal for Ctrl-C.
        return reject(new Interrupted('SIGINT'));
      }
      if (ENDS.includes(character)) {
        end();
        return resolve(typed.join(''));
      }
      if (BACKSPACES.includes(character)) typed.pop();
      else if (character === CONTROL_U) typed.length = 0;
      else typed.push(character);
    }
  };
  // The echo is turned off before the question, so that even an immediate answer is not shown.
  stdin.setRawMode?.(true);
  stderr.write(question);
  stdin.setEncoding('utf8');
  stdin.on('data', onData);
  stdin.resume();
  return promise;
}

/** Returns when the person types `yes`, or when --yes was given. Raises UsageRefused otherwise. */
export async function confirm(invocation: Invocation, what: string, yes: true | undefined): Promise<void> {
  if (yes) return;
  if (!hasTerminal(invocation)) {
    throw new UsageRefused('confirmation_required', `${what} There is no terminal to confirm it: add --yes`);
  }
  const { stdin, stderr } = invocation;
  stderr.write(`${what} Type yes to continue: `);
  stdin.setEncoding('utf8');
  const { promise, resolve } = Promise.withResolvers<string>();
  stdin.once('data', (chunk: string) => resolve(chunk.trim()));
  stdin.once('end', () => resolve(''));
  stdin.resume();
  const answer = await promise;
  stdin.pause();
  if (answer !== 'yes') throw new UsageRefused('not_confirmed', 'Nothing was changed');
}

export interface Progress {
  /** Shows how much of the whole work is done. */
  at(done: number): void;
  /** Removes the bar. */
  end(): void;
}

/** Shows a progress bar on standard error. When standard error is not a terminal, shows nothing. */
export function showProgress({ stderr }: Invocation, what: string, whole: number): Progress {
  if (!stderr.isTTY || whole === 0) return { at: () => undefined, end: () => undefined };
  let shown = '';
  return {
    at(done) {
      const part = Math.min(1, done / whole);
      const cells = Math.floor(part * BAR_CELLS);
      const bar = `${'█'.repeat(cells)}${'░'.repeat(BAR_CELLS - cells)}`;
      const line = `\r${what} ${bar} ${Math.floor(part * 100)} %`;
      if (line !== shown) stderr.write(line);
      shown = line;
    },
    end() {
      if (shown !== '') stderr.write('\r\u001b[2K');
    },
  };
}
