// The forms in which an attacker may read a password: without accents, typed with another keyboard layout, or with
// letters of another script that look like Latin ones. A password is as weak as its weakest reading. The functions are
// pure.

const CYRILLIC_KEYS = 'йцукенгшщзхъфывапролджэячсмитьбюё';
const LATIN_KEYS = "qwertyuiop[]asdfghjkl;'zxcvbnm,.`";
const LOOKALIKES = 'авекмнорстухіѕјԁ';
const LATIN_LOOKALIKES = 'abekmhopctyxisjd';

const CYRILLIC = /\p{Script=Cyrillic}/u;
const LATIN = /\p{Script=Latin}/u;
/** Single letters with spaces between them, such as `p a s s w o r d`. */
const SPACED = /^(?:\S{1,2}\s+){3,}\S{1,2}$/u;

function mapped(text: string, from: string, to: string): string {
  return [...text]
    .map((letter) => {
      const at = from.indexOf(letter.toLowerCase());
      return at === -1 ? letter : (to[at] ?? letter);
    })
    .join('');
}

/** Returns the readings of a text. The text itself, in its compatible form (NFKC), is the first. */
export function readings(text: string): readonly string[] {
  const plain = text.normalize('NFKC');
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
