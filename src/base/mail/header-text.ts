// Makes text that people have chosen safe for the header of a mail. A mail program decodes encoded words (RFC 2047) in
// a header, some of them even where they are not allowed. So a name that looks like an encoded word would be shown as
// different text from what was checked.

/** Texts are cut to this many characters, because mail programs rarely show more of a subject. */
const HEADER_LENGTH_MAX = 200;

/**
 * Returns the text as one line in which no reader finds an encoded word. Characters that are invisible or change the
 * direction of text are removed. Compatible forms of a character become the character itself (NFKC), before the other
 * steps, so that no later step of a reader brings `=?` back.
 */
export function headerText(text: string, lengthMax = HEADER_LENGTH_MAX): string {
  const line = text
    .toWellFormed()
    .replace(/[^…]+/gu, (part) => part.normalize('NFKC')) // the ellipsis stays, so that a second call changes nothing
    .replace(/[\p{Cc}\p{Z}]+/gu, ' ')
    .replace(/[\p{C}\p{Default_Ignorable_Code_Point}]+/gu, '')
    .replace(/=(?=\?)|\?(?==)/g, '$& ')
    .replace(/ +/g, ' ')
    .trim();
  const letters = [...line];
  return letters.length > lengthMax
    ? `${letters
        .slice(0, lengthMax - 1)
        .join('')
        .trimEnd()}…`
    : line;
}
