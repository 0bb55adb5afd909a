// Decides which passwords may be set: their length, their characters, the list of common ones, the words of the
// account, and how many guesses they take. strength.ts is responsible for the estimate, and hashing.ts for hashing.
import { invalid, problem } from '../../base/errors/problem.ts';
import { foldPassword, isCommonPassword } from './blocklist.ts';
import { type Strength, StrengthUnknown } from './strength.ts';
import { isBeyondAnyPassword, normalisePassword, PASSWORD_LENGTH_MAX } from './text.ts';

export { PASSWORD_LENGTH_MAX } from './text.ts';

/** Words of the account, which an attacker tries first. */
export interface PasswordContext {
  email?: string;
  name?: string;
  organizationName?: string;
}

export type PasswordProblem =
  | 'too_short'
  | 'too_long'
  | 'common'
  | 'matches_context'
  | 'guessable'
  | 'invalid_characters';

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
  message: 'Choose a password that is not your name, your e-mail address or the name of the organization.',
};
const COMMON: PasswordVerdict = {
  problem: 'common',
  message: 'Choose another password: this one is on a list of common passwords. A few unrelated words are a good one.',
};

const GUESSABLE: PasswordVerdict = {
  problem: 'guessable',
  message:
    'Choose another password: this one is easy to guess. It is made of common words or names, dates or keys that are next to each other. Three or more unrelated words are a good one.',
};

const withoutSpaces = (text: string): string => text.replaceAll(/\s/gu, '');

function matchesContext(password: string, context: PasswordContext): boolean {
  const email = context.email ?? '';
  const localPart = email.slice(0, Math.max(0, email.lastIndexOf('@')));
  const words = [email, localPart, context.name ?? '', context.organizationName ?? ''];
  const candidate = withoutSpaces(foldPassword(password));
  // Equal texts stay equal without their spaces, so this one comparison covers both forms.
  return words
    .filter((word) => !isBeyondAnyPassword(word))
    .map((word) => withoutSpaces(foldPassword(word)))
    .some((word) => word !== '' && word === candidate);
}

/**
 * Makes all checks except the estimate of guesses. Returns why a password must not be set, or null if it passes.
 * `minLength` is in Unicode code points after NFC. No rule requires certain kinds of characters (NIST SP 800-63B-4
 * section 3.1.1.2).
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
  // Attackers try passwords that consist only of spaces, even without a list.
  if (text.trim() === '' || isCommonPassword(text)) return COMMON;
  return null;
}

/** The checks of a password that is to be set, with the settings of the service. */
export interface PasswordPolicy {
  /**
   * Returns why the password must not be set, or null if it may be set. Raises service_busy when this cannot be decided
   * at the moment.
   */
  judge(password: string, context: PasswordContext): Promise<PasswordVerdict | null>;
  /**
   * Raises validation_failed, for the field `password`, unless `judge` accepts the password. Raises service_busy as
   * `judge` does.
   */
  assertGood(password: string, context: PasswordContext): Promise<void>;
}

export interface PolicySettings {
  readonly minLength: number;
  /** Words of the installation, such as its host names. */
  readonly words: readonly string[];
  readonly strength: Strength;
}

/**
 * A password must take more than this many guesses, as a decimal logarithm. The throttle of sign-ins stops guesses over
 * the network long before this number, and argon2id makes guesses against a stolen hash slow.
 */
const GUESSES_MIN = 8.01;
const WORD_LENGTH_MAX = 64;

/** The words that an attacker knows about the person and the installation, whole and in parts. */
function guessersWords({ email = '', name = '', organizationName = '' }: PasswordContext, own: readonly string[]) {
  const texts = [email, email.slice(0, Math.max(0, email.lastIndexOf('@'))), name, organizationName, ...own];
  const words = texts
    .map((text) => foldPassword(text.slice(0, 4 * WORD_LENGTH_MAX)))
    .flatMap((text) => [text, text.replace(/[^\p{L}\p{N}]+/gu, ''), ...text.split(/[^\p{L}\p{N}]+/u)]);
  return [...new Set(words)].filter(({ length }) => length >= 3 && length <= WORD_LENGTH_MAX);
}

/** Returns the policy. */
export function openPasswordPolicy({ minLength, words, strength }: PolicySettings): PasswordPolicy {
  async function judge(password: string, context: PasswordContext): Promise<PasswordVerdict | null> {
    const verdict = judgePassword(password, context, minLength);
    if (verdict) return verdict;
    const text = normalisePassword(password) ?? '';
    const question = { password: text, words: guessersWords(context, words), enough: GUESSES_MIN };
    const guesses = await strength.estimate(question).catch((error: unknown) => {
      throw error instanceof StrengthUnknown ? problem('service_busy', { retryAfterSeconds: 5 }) : error;
    });
    return guesses > GUESSES_MIN ? null : GUESSABLE;
  }
  return {
    judge,
    async assertGood(password, context) {
      const weakness = await judge(password, context);
      if (weakness) throw invalid('password', weakness.message);
    },
  };
}
