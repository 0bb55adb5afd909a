// Slugs are short names of organizations for headers and URLs. Only the id permanently identifies an organization.
import { isIdShaped } from '../../protocol/id.ts';

const SLUG_LENGTH_MAX = 63;
const SHAPE = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;

// In a URL or a header, people could think that these names mean the service itself.
const RESERVED = new Set(
  `about abuse account accounts admin administrator api app apps assets auth billing blog callback cdn config console
contact current dashboard default dev developer developers docs download email ftp graphql health healthz help home host
hostmaster images imap info internal invitations invite jwks local localhost login logout mail me media metrics mx
new news noreply null oauth official ops organization organizations owner pop postmaster private public readyz
register root sandbox secure security settings sidecar signin signout signup smtp sso staging static status support
system team tenant tenantry tenants test token undefined user users verify webhook webhooks webmaster well-known
websocket ws www`.split(/\s+/),
);

// Labels of this form are reserved (RFC 5890 §2.3.1). Browsers show a label that begins with xn-- in other letters.
const ENCODED = /^..--/;

/**
 * Whether a requested slug is allowed. A slug that has the shape of an id is not allowed, because it would be read as
 * an id.
 */
export function isSlugAllowed(slug: string): boolean {
  if (ENCODED.test(slug)) return false;
  return slug.length <= SLUG_LENGTH_MAX && SHAPE.test(slug) && !RESERVED.has(slug) && !isIdShaped(slug);
}

const LETTERS: Record<string, string> = {
  ß: 'ss',
  æ: 'ae',
  œ: 'oe',
  ø: 'o',
  å: 'a',
  ł: 'l',
  đ: 'd',
  ð: 'd',
  þ: 'th',
  ı: 'i',
  ä: 'ae',
  ö: 'oe',
  ü: 'ue',
  а: 'a',
  б: 'b',
  в: 'v',
  г: 'g',
  д: 'd',
  е: 'e',
  ё: 'e',
  ж: 'zh',
  з: 'z',
  и: 'i',
  й: 'i',
  к: 'k',
  л: 'l',
  м: 'm',
  н: 'n',
  о: 'o',
  п: 'p',
  р: 'r',
  с: 's',
  т: 't',
  у: 'u',
  ф: 'f',
  х: 'kh',
  ц: 'ts',
  ч: 'ch',
  ш: 'sh',
  щ: 'shch',
  ъ: '',
  ы: 'y',
  ь: '',
  э: 'e',
  ю: 'iu',
  я: 'ia',
  є: 'ie',
  і: 'i',
  ї: 'i',
  ґ: 'g',
  α: 'a',
  β: 'v',
  γ: 'g',
  δ: 'd',
  ε: 'e',
  ζ: 'z',
  η: 'i',
  θ: 'th',
  ι: 'i',
  κ: 'k',
  λ: 'l',
  μ: 'm',
  ν: 'n',
  ξ: 'x',
  ο: 'o',
  π: 'p',
  ρ: 'r',
  σ: 's',
  ς: 's',
  τ: 't',
  υ: 'y',
  φ: 'f',
  χ: 'ch',
  ψ: 'ps',
  ω: 'o',
};

/** Makes a slug from a name by transliteration. Returns `org` if no letter or digit remains. */
export function deriveSlug(name: string): string {
  const latin = [...name.normalize('NFC').toLowerCase()]
    .map((letter) => LETTERS[letter] ?? letter)
    .join('')
    .normalize('NFKD')
    .replace(/\p{Mark}+/gu, '')
    .split('')
    .map((letter) => LETTERS[letter] ?? letter)
    .join('');
  const slug = latin
    .replace(/['’]/g, '')
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 48)
    .replace(/^-+|-+$/g, '');
  if (slug === '') return 'org';
  return isSlugAllowed(slug) ? slug : `${slug}-org`;
}

/** Returns the slug with a number: `acme` for 0, `acme-1` for 1, `acme-2` for 2, … */
export function numberedSlug(base: string, number: number): string {
  return number === 0 ? base : `${base}-${number}`;
}
