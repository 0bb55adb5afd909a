// The forms in which an attacker may read a part of a password: without accents, typed with a Russian keyboard layout
// instead of a Latin one, with Cyrillic letters that look like Latin ones, or without the spaces between single
// letters. A part is as weak as its weakest reading. The functions are pure.

/**
 * The length of a part, in code points. The estimator takes time that grows fast with the length, so a longer password
 * is judged in parts.
 */
export const PART_LENGTH = 64;
/**
 * The longest password has four parts. One with characters such as U+FDFA, whose compatible form has 18 characters, may
 * have more. What follows the first eight parts is ignored.
 */
export const PARTS_MAX = 8;

const CYRILLIC_KEYS = 'йцукенгшщзхъфывапролджэячсмитьбюё';
const LATIN_KEYS = "qwertyuiop[]asdfghjkl;'zxcvbnm,.`";
const LOOKALIKES = 'авекмнорстухіѕјԁ';
const LATIN_LOOKALIKES = 'abekmhopctyxisjd';

const CYRILLIC = /\p{Script=Cyrillic}/u;
const LATIN = /\p{Script=Latin}/u;
/** Groups of one or two characters with spaces between them, such as `p a s s w o r d`. */
const SPACED = /^(?:\S{1,2}\s+){3,}\S{1,2}$/u;

function mapped(text: string, from: string, to: string): string {
  return [...text]
    .map((letter) => {
      const at = from.indexOf(letter.toLowerCase());
      return at === -1 ? letter : (to[at] ?? letter);
    })
    .join('');
}

/** Cuts the compatible form (NFKC) of a password into parts. */
export function partsOf(password: string): readonly string[] {
  const letters = [...password.normalize('NFKC')].slice(0, PART_LENGTH * PARTS_MAX);
  const parts: string[] = [];
  for (let start = 0; start < letters.length; start += PART_LENGTH) {
    parts.push(letters.slice(start, start + PART_LENGTH).join(''));
  }
  return parts;
}

/** Returns the readings of a part that `partsOf` has made. The first reading is the part itself, and none is longer. */
export function readings(plain: string): readonly string[] {
  const bare = plain
    .normalize('NFD')
    .replace(/\p{M}+/gu, '')
    .normalize('NFC');
  const all = [plain, bare];
  if (CYRILLIC.test(plain)) all.push(mapped(plain, CYRILLIC_KEYS, LATIN_KEYS));
  if (CYRILLIC.test(plain) && LATIN.test(plain)) all.push(mapped(plain, LOOKALIKES, LATIN_LOOKALIKES));
  if (SPACED.test(plain)) all.push(plain.replace(/\s+/gu, ''));
  return [...new Set(all)].filter((reading) => reading !== '');
}
