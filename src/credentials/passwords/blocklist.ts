// The list of common passwords, and the lookup in it.
//
// common-passwords.txt.gz has 95,523 passwords of at least eight characters, one per line, in the form of
// `foldPassword`, sorted by their bytes, each once: everything from
// - Django 5.2.19, django/contrib/auth/common-passwords.txt.gz (BSD-3-Clause),
// - zxcvbn 4.4.2, the list "passwords" (MIT), and @zxcvbn-ts/language-common 4.1.3, passwords.json (MIT),
// and the first 250,000 lines of SecLists' 10-million-password-list-top-1000000.txt (MIT), which is ordered by
// frequency. Lines with control characters, over 64 characters or with an invalid encoding are left out.
// The notices of these works are in common-passwords.licences.txt.
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

const NEWLINE = 0x0a;

// The list is one buffer of a megabyte. As a Set of strings, it would take more than ten megabytes.
let list: Buffer | undefined;

function loadList(): Buffer {
  list ??= gunzipSync(readFileSync(new URL('./common-passwords.txt.gz', import.meta.url)));
  return list;
}

/** The form in which two passwords count as the same: NFKC, lower case, without spaces at the ends. */
export function foldPassword(text: string): string {
  return text.normalize('NFKC').toLowerCase().trim();
}

/**
 * True for a password on the list. Upper and lower case, and full and half width, make no difference. The first call
 * reads the list, which takes a few milliseconds. A lookup takes microseconds.
 */
export function isCommonPassword(password: string): boolean {
  const lines = loadList();
  const wanted = Buffer.from(foldPassword(password));
  let low = 0;
  let high = lines.length;
  // `low` and `high` are positions where a line starts. If the list contains the wanted line, it starts between them.
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const start = middle === 0 ? 0 : lines.lastIndexOf(NEWLINE, middle - 1) + 1;
    const end = lines.indexOf(NEWLINE, start);
    const order = lines.compare(wanted, 0, wanted.length, start, end);
    if (order === 0) return true;
    if (order < 0) low = end + 1;
    else high = start;
  }
  return false;
}
