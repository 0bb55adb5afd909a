// Distinguishes random text from words, abbreviations and numbers that people choose and that no dictionary has. This
// file judges only printable ASCII, which generators of passwords use. The functions are pure.

// Letters as people write a word: all in lower case, all in upper case, or only the first one in upper case. There may
// be digits and signs around them.
const WRITTEN_AS_WORD = /^[^A-Za-z]*(?<letters>[A-Z]?[a-z]*|[A-Z]+)[^A-Za-z]*$/;
const UNSPEAKABLE =
  /[^aeiouy]{4}|[aeiouy]{4}|^[^aeiouy]{3,}$|^.{1,2}$|[jqvx][bcdfghjkmnpqstvxz]|[bcdfghjkmpqstvwxz][jqvx]/i;
// Years, digits in their order, and digits repeated. People also put them after an abbreviation, such as Nasa1958.
const USUAL_DIGITS = /(?:18|19|20)\d\d|012|123|234|345|456|567|678|789|321|(\d)\1\1/;
/** A shorter rest beside a word, such as the digit in a changed spelling, is not random. */
const RANDOM_LENGTH_MIN = 4;

/** Whether the text is printable ASCII without blanks. */
export function isAscii(text: string): boolean {
  return /^[!-~]+$/.test(text);
}

/** The number of different characters from which a generator of such a text chose. */
export function alphabetOf(text: string): number {
  const letters = /[A-Za-z]/.test(text) ? 26 : 0;
  const bothCases = !WRITTEN_AS_WORD.test(text) && /[a-z]/.test(text) && /[A-Z]/.test(text) ? 26 : 0;
  return letters + bothCases + (/\d/.test(text) ? 10 : 0) + (/[^A-Za-z0-9]/.test(text) ? 32 : 0);
}

/** Whether no person would have chosen the text. */
export function isRandom(text: string): boolean {
  return text.length >= RANDOM_LENGTH_MIN && !isLikeWord(text);
}

/**
 * Whether a text may be a word, an abbreviation or a number that a person chose. The text may be part of a `whole`
 * password. The function returns true for every text that is not printable ASCII.
 */
export function isLikeWord(text: string, whole = text): boolean {
  const different = new Set(text.toLowerCase()).size;
  if (!isAscii(text) || different * 2 < text.length || (different <= 2 && text.length > 2)) return true;
  const letters = WRITTEN_AS_WORD.exec(text)?.groups?.letters;
  return letters !== undefined && (!UNSPEAKABLE.test(letters) || USUAL_DIGITS.test(whole));
}
