// Estimates how many guesses an attacker needs for a password. The attacker first tries words, names, dates, keyboard
// patterns and their usual changes. The dictionaries take a hundred megabytes and half a second to load. So only
// strength-worker.ts imports this file, in a thread of its own.
import { ZxcvbnFactory } from '@zxcvbn-ts/core';
import * as common from '@zxcvbn-ts/language-common';
import * as english from '@zxcvbn-ts/language-en';
import { alphabetOf, isAscii, isLikeWord, isRandom } from './randomness.ts';
import { partsOf, readings } from './readings.ts';

/** Further substitutions of letters by digits and signs cost seconds, and find no further weak password. */
const SUBSTITUTIONS_MAX = 4;
const WORDS_MAX = 100;

// The word for a password, and what people type in its place, in languages that have no dictionary here.
const WORDS = `
senha contrasena clave passwort kennwort motdepasse parola wachtwoord haslo heslo salasana losenord adgangskode jelszo
sifre parool slaptazodis parole lozinka geslo kodeord passord пароль привет любовь солнце секрет здравствуй россия
москва наташа админ κωδικος סיסמה كلمةالسر 密码 我爱你 パスワード 비밀번호 사랑해 bemvindo bienvenido willkommen bienvenue
benvenuto administrador administrator usuario benutzer utilisateur primavera verano otono invierno verao outono inverno
fruhling sommer herbst printemps automne hiver enero febrero marzo abril mayo junio julio agosto septiembre octubre
noviembre diciembre janeiro fevereiro marco maio junho julho setembro outubro novembro dezembro januar februar marz juni
juli oktober dezember lunes martes miercoles jueves viernes sabado domingo segunda terca quarta quinta sexta montag
dienstag mittwoch donnerstag freitag samstag sonntag`.split(/\s+/);

const estimator = new ZxcvbnFactory({
  dictionary: { ...common.dictionary, ...english.dictionary, 'further-words': WORDS.filter((word) => word !== '') },
  graphs: common.adjacencyGraphs,
  l33tMaxSubstitutions: SUBSTITUTIONS_MAX,
});

/**
 * The decimal logarithm of the guesses. `words` are what an attacker knows about the person, such as names. A long
 * password is as strong as its strongest part, and no further part is read once the logarithm exceeds `enough`.
 */
export function estimateGuesses(password: string, words: readonly string[], enough = Number.POSITIVE_INFINITY): number {
  let most = 0;
  for (const part of partsOf(password)) {
    most = Math.max(most, Math.min(...readings(part).map((reading) => weigh(reading, words))));
    if (most > enough) break;
  }
  return most;
}

const check = (text: string, words: readonly string[]) => estimator.check(text, words.slice(0, WORDS_MAX));

function guessesOf({ guessesLog10, sequence }: ReturnType<typeof check>): number {
  const isPattern = sequence.every(({ pattern }) => PATTERNS.has(String(pattern)));
  const additions = sequence.map(({ pattern, token }) => {
    if (pattern === 'bruteforce') return additionOf(token);
    return isWordByChance(token) ? CHANCE_ADDITION : 0;
  });
  return guessesLog10 + additions.reduce((sum, addition) => sum + addition, 0) - (isPattern ? PATTERN_PENALTY : 0);
}

// A short word with capital letters inside, such as jEnd, appears in random text by chance. People do not write words
// like this.
const isWordByChance = (token: string) => token.length <= 5 && /[a-z].?[A-Z]/.test(token);
const CHANCE_ADDITION = 1;

// The kinds of parts that are patterns. A password that has only such parts counts as weaker, because attackers know
// many more patterns than the estimator.
const PATTERNS: ReadonlySet<string> = new Set(['spatial', 'sequence', 'repeat', 'date', 'regex']);
const PATTERN_PENALTY = 4;

// The estimator counts ten guesses for each UTF-16 unit that belongs to no pattern. That is far too few for scripts
// with thousands of characters, and for random text.
const LARGE_SCRIPTS: readonly (readonly [RegExp, number])[] = [
  [/[\p{Script=Hiragana}\p{Script=Katakana}]/u, 80],
  [/\p{Script=Hangul}/u, 1000],
  [/\p{Script=Han}/u, 2000],
  [/\p{Extended_Pictographic}/u, 2000],
];

/** What is added to the logarithm of the guesses for a part of a password that belongs to no pattern. */
function additionOf(token: string): number {
  if (isAscii(token)) return isRandom(token) ? token.length * (Math.log10(alphabetOf(token)) - 1) : 0;
  return [...token].reduce((sum, letter) => {
    const size = LARGE_SCRIPTS.find(([script]) => script.test(letter))?.[1] ?? 10;
    return sum + Math.max(0, Math.log10(size) - letter.length);
  }, 0);
}

// Digits and signs around one word, such as Winter2026!, are what people add when a rule requires them.
const ADORNED = /^[^\p{L}]*(?<core>\p{L}.*?)[^\p{L}]*$/su;
const ADORNMENT_LENGTH_MAX = 8;
/**
 * If the decimal logarithm of its guesses is below this, a text is a word or a name, or two of the person's own words.
 */
const WORD_GUESSES = 6.2;

/** Whether the text is one word or name with a few digits and signs before and after it. */
function isAdornedWord(text: string, words: readonly string[]): boolean {
  const core = ADORNED.exec(text)?.groups?.core ?? '';
  const adorned = text.length - core.length;
  if (core === '' || adorned === 0 || adorned > ADORNMENT_LENGTH_MAX) return false;
  const checked = check(core, words);
  if (guessesOf(checked) >= WORD_GUESSES) return false;
  return checked.sequence.every(({ pattern, token }) => pattern !== 'bruteforce' || isLikeWord(token, text));
}

/** The decimal logarithm of the guesses that a text takes. */
function weigh(text: string, words: readonly string[]): number {
  const guesses = guessesOf(check(text, words));
  return guesses > WORD_GUESSES && isAdornedWord(text, words) ? WORD_GUESSES : guesses;
}
