// Values that can be recognized wherever they turn up. Each field of a person has values of its own, and every token,
// code and cookie that the service issues becomes such a value, too.
import { randomBytes } from 'node:crypto';
import { formsOf } from '../../support/fixtures/dump.ts';

export type CanaryKind = 'password' | 'token' | 'code' | 'cookie' | 'email' | 'name' | 'ip' | 'agent';

export interface Canary {
  readonly kind: CanaryKind;
  readonly value: string;
  /** A part that nothing else contains. */
  readonly pattern: RegExp;
}

export interface Canaries {
  readonly all: readonly Canary[];
  readonly ip: string;
  readonly agent: string;
  password(): string;
  email(): string;
  name(): string;
  /** A text that looks like a token, and that the service has never issued. */
  forged(): string;
  /** Takes note of values of the service. Undefined values are ignored. */
  note(kind: CanaryKind, ...values: (string | undefined)[]): void;
  /** The canaries that a text contains, in any form, except those that one of these values contains. */
  foundIn(text: string, except?: readonly string[]): string[];
}

const word = () => `canary${randomBytes(6).toString('hex')}`;
const escaped = (text: string) => text.replace(/[^\w]/g, '\\$&');

function patternOf(kind: CanaryKind, value: string): RegExp {
  // A code counts only without another hexadecimal digit beside it, because instants and ids contain longer runs of
  // digits.
  if (kind === 'code') return new RegExp(`(?<![0-9a-f])${value}(?![0-9a-f])`);
  if (kind === 'ip') return new RegExp(`${escaped(value)}(?!\\d)`);
  // The last part of a signed token is the secret. The other parts contain ids.
  const part = /canary[0-9a-f]+/.exec(value)?.[0] ?? value.split('.').at(-1)?.slice(-40) ?? value;
  return new RegExp(formsOf(part).map(escaped).join('|'));
}

export function openCanaries(): Canaries {
  const all: Canary[] = [];
  const note = (kind: CanaryKind, value: string) => {
    if (value !== '' && !all.some((one) => one.value === value)) {
      all.push({ kind, value, pattern: patternOf(kind, value) });
    }
    return value;
  };
  return {
    all,
    ip: note('ip', '203.0.113.77'),
    // The mails name the browser and the system, and nothing else of the user agent.
    agent: note('agent', `Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0 ${word()}`),
    password: () => note('password', `pass ${word()} word`),
    email: () => note('email', `${word()}@example.com`),
    name: () => note('name', `Name ${word()}`),
    forged: () => note('token', `${word()}${'A'.repeat(43)}`.slice(0, 43)),
    note(kind, ...values) {
      for (const value of values) if (value !== undefined) note(kind, value);
    },
    foundIn: (text, except = []) =>
      all
        .filter(({ value, pattern }) => !except.some((one) => one.includes(value)) && pattern.test(text))
        .map(({ kind, value }) => `${kind} ${value}`),
  };
}
