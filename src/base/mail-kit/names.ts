// Makes text that people choose safe for a mail: names of people, organizations and devices, and addresses.
import { headerText } from '../mail/header-text.ts';

const NAME_LENGTH_MAX = 60;

/**
 * Makes a name safe for a mail: one line of at most 60 characters without encoded words (base/mail/header-text.ts).
 * Spaces replace the characters that could join the parts of an address or a link, so that no mail program turns the
 * name into a link.
 */
export function plainName(name: string): string {
  const unlinked = headerText(name, Number.POSITIVE_INFINITY).replace(/[.。](?=[^\s.])|@|:(?=\S)|[/\\<>]+/gu, ' ');
  return headerText(unlinked, NAME_LENGTH_MAX);
}

// The isolates of Unicode (UAX #9 §2.4.2) around a name. No name contains them, because plainName removes them.
const [ISOLATE, END_OF_ISOLATE] = ['\u2068', '\u2069'];

/** A safe name for a sentence of a catalogue, or null when nothing of the name can be shown. */
export function nameInSentence(name: string | null): string | null {
  const plain = name === null ? '' : plainName(name);
  return plain === '' ? null : `${ISOLATE}${plain}${END_OF_ISOLATE}`;
}

/** A part of a sentence. A name has a direction of its own. */
export interface SentencePart {
  readonly text: string;
  readonly isName: boolean;
}

/** Divides a sentence into its names and the text between them. */
export function partsOf(sentence: string): SentencePart[] {
  return sentence
    .split(/[\u2068\u2069]/)
    .map((text, index) => ({ text, isName: index % 2 === 1 }))
    .filter(({ text }) => text !== '');
}

/** The sentence as plain text. */
export function plainSentence(sentence: string): string {
  return sentence.replace(/[\u2068\u2069]/g, '');
}

/**
 * Shows just enough of an address for its owner to recognize it: ada@mail.example.com becomes a***@m***.com. No mail
 * program turns it into a link.
 */
export function maskedEmail(address: string): string {
  const at = address.lastIndexOf('@');
  const [local, domain] = [address.slice(0, Math.max(at, 0)), address.slice(at + 1)];
  const end = /\.([\p{L}\p{N}-]{1,24})$/u.exec(domain)?.[1];
  return `${firstLetter(local)}***@${firstLetter(domain)}***${end === undefined ? '' : `.${end}`}`;
}

function firstLetter(text: string): string {
  return /^[\p{L}\p{N}]/u.exec(text)?.[0] ?? '';
}
