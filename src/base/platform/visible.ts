// Says whether a text has a visible character.

/**
 * One character that a reader sees: a letter, digit, punctuation mark or symbol. The letters and symbols that are
 * excluded look like a blank: fillers of Hangul and other characters that a font need not draw
 * (Default_Ignorable_Code_Point), the blank of Braille, the notehead that is not drawn, and the placeholder of an
 * object.
 */
const VISIBLE = /[[\p{L}\p{N}\p{P}\p{S}]--[\p{Default_Ignorable_Code_Point}\u2800\u{1D159}\uFFFC]]/v;

/**
 * Whether the text has a visible character. It has none if it consists of blanks, control characters, marks that
 * combine with a character before them, characters of width zero, variation selectors and the like.
 */
export function isVisible(text: string): boolean {
  return VISIBLE.test(text);
}

/**
 * Whether the text is empty or has a visible character. A text that may be empty, such as a description, must pass this
 * check.
 */
export function isEmptyOrVisible(text: string): boolean {
  return text === '' || isVisible(text);
}
