// The text of a problem in the language of a page. Programs get the English sentences of the table of problems.
import type { Problem } from '../errors/problem.ts';
import type { Catalogue, PageProblems } from './catalogues/catalogue.ts';

/** Returns what is wrong, and what to do next. */
export function problemText(text: Catalogue, { code, status, extras }: Problem): { title: string; detail: string } {
  const known = Object.hasOwn(text.problems, code) ? text.problems[code as keyof PageProblems] : null;
  const { title, detail } = known ?? (status >= 500 ? text.problems.failure : text.problems.other);
  const { retryAfterSeconds } = extras;
  if (code !== 'too_many_requests' || retryAfterSeconds === undefined) return { title, detail };
  return { title, detail: text.retryIn(String(Math.max(1, Math.ceil(retryAfterSeconds)))) };
}

type IssueTexts = Catalogue['issues'];

// The messages of the wire schemas and of the password policy, and the texts that pages show instead.
const ISSUES: readonly (readonly [RegExp, (texts: IssueTexts, number: string) => string])[] = [
  [/^(?:is required|must not be empty)$/, ({ required }) => required],
  [/e-mail address such as/, ({ email }) => email],
  [/the link of the mail/, ({ link }) => link],
  [/at most (\d+) characters/, ({ tooLong }, max) => tooLong(max)],
  [/at least (\d+) characters/, ({ tooShort }, min) => tooShort(min)],
  [/one line of valid Unicode|visible character|not text/, ({ characters }) => characters],
  [/list of common passwords/, ({ common }) => common],
  [/easy to guess/, ({ guessable }) => guessable],
  [/not your name, your e-mail/, ({ context }) => context],
];

/** Returns what is wrong with a field, from the message of its issue. */
export function issueText({ issues }: Catalogue, message: string): string {
  for (const [pattern, toText] of ISSUES) {
    const found = pattern.exec(message);
    if (found) return toText(issues, found[1] ?? '');
  }
  return issues.other;
}
