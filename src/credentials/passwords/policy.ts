// Owns which passwords may be set: their length, their characters, the list of common ones and the words of their
// context. hashing.ts owns hashing.
import { invalid } from '../../base/errors/problem.ts';
import { foldPassword, isCommonPassword } from './blocklist.ts';
import { isBeyondAnyPassword, normalisePassword, PASSWORD_LENGTH_MAX } from './text.ts';

export { PASSWORD_LENGTH_MAX } from './text.ts';

/** Words of the account, which an attacker tries first. */
export interface PasswordContext {
  email?: string;
  organizationName?: string;
}

export type PasswordProblem = 'too_short' | 'too_long' | 'common' | 'matches_context' | 'invalid_characters';

export interface PasswordVerdict {
  problem: PasswordProblem;
  /** For the person who chose the password: what to do next. */
  message: string;
}

const TOO_LONG: PasswordVerdict = {
  problem: 'too_long',
  message: `Use a shorter password: at most ${PASSWORD_LENGTH_MAX} characters.`,
};
const INVALID_CHARACTERS: PasswordVerdict = {
  problem: 'invalid_characters',
  message: 'Type the password again: it holds characters that are not text (NUL, or half of a surrogate pair).',
};
const MATCHES_CONTEXT: PasswordVerdict = {
  problem: 'matches_context',
  message: 'Choose a password that is not your e-mail address or the name of the organization.',
};
const COMMON: PasswordVerdict = {
  problem: 'common',
  message: 'Choose another password: this one is on a list of common passwords. A few unrelated words are a good one.',
};

const withoutSpaces = (text: string): string => text.replaceAll(/\s/gu, '');

function matchesContext(password: string, context: PasswordContext): boolean {
  const email = context.email ?? '';
  const localPart = email.slice(0, Math.max(0, email.lastIndexOf('@')));
  const words = [email, localPart, context.organizationName ?? ''];
  const candidate = withoutSpaces(foldPassword(password));
  // Equal texts stay equal without their spaces, so this one comparison covers both forms.
  return words
    .filter((word) => !isBeyondAnyPassword(word))
    .map((word) => withoutSpaces(foldPassword(word)))
    .some((word) => word !== '' && word === candidate);
}

/**
 * Returns why a password must not be set, or null if it may be set. `minLength` is in Unicode code points after NFC. No
 * rule requires certain kinds of characters (NIST SP 800-63B-4 section 3.1.1.2).
 */
export function judgePassword(password: string, context: PasswordContext, minLength: number): PasswordVerdict | null {
  if (isBeyondAnyPassword(password)) return TOO_LONG;
  const text = normalisePassword(password);
  if (text === null || text.includes('\0')) return INVALID_CHARACTERS;
  const length = [...text].length;
  if (length > PASSWORD_LENGTH_MAX) return TOO_LONG;
  if (length < minLength) {
    const message = `Use at least ${minLength} characters. A few words with spaces between them are a good password.`;
    return { problem: 'too_short', message };
  }
  if (matchesContext(text, context)) return MATCHES_CONTEXT;
  // An attacker tries a password of spaces alone without any list.
  if (text.trim() === '' || isCommonPassword(text)) return COMMON;
  return null;
}

/** Raises validation_failed, for the field `password`, unless `judgePassword` accepts it. */
export function assertGoodPassword(password: string, context: PasswordContext, minLength: number): void {
  const weakness = judgePassword(password, context, minLength);
  if (weakness) throw invalid('password', weakness.message);
}
