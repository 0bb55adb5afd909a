// The ways to name an organization with the tenant headers: the kinds of callers, every kind of value, and the expected
// outcome. The rules for the outcome are written here a second time, in plain code. The tests choose the requests and
// the routes.
import type { Api } from '../../support/client.ts';
import type { TestDatabase } from '../../support/database.ts';
import { type Account, newAccount, newAccountWithoutOrganization } from '../../support/fixtures/accounts.ts';
import { seedOrganizationOf } from '../../support/fixtures/people.ts';

export interface Organization {
  readonly id: string;
  readonly slug: string;
}

export const UNKNOWN: Organization = { id: '019aa3f0-5c00-7a10-8b2f-3d6f1c2a4e01', slug: 'no-such-organization' };

/** A user with a token, memberships and permissions. The token acts for `own`, or for no organization. */
export interface Person {
  readonly email: string;
  readonly password: string;
  readonly token: string;
  readonly own: Organization | null;
  readonly memberships: readonly (Organization & { readonly reads: boolean })[];
  /** The organization of a sign-in that names none. */
  readonly first: Organization | null;
}

/** The data of the tests: three users with their tokens, and an organization of another user. */
export interface Population {
  readonly foreign: Organization;
  readonly people: Readonly<Record<string, Person>>;
}

/** Registers the users and creates their memberships. */
export async function populate(database: TestDatabase, api: Api): Promise<Population> {
  const placeOf = async (userId: string, slug: string, role: string) => {
    return { id: await seedOrganizationOf(database, userId, { slug, role }), slug, reads: role === 'admin' };
  };
  const owner = await newAccount(api);
  const loner = await newAccountWithoutOrganization(api);
  const several = await newAccountWithoutOrganization(api);
  const secondary = await placeOf(owner.userId, 'secondary', 'viewer');
  const places = [await placeOf(several.userId, 'initech', 'admin'), await placeOf(several.userId, 'hooli', 'viewer')];
  const [oldest] = await database.query<{ id: string }>(
    'SELECT organization_id AS id FROM memberships WHERE user_id = $1 ORDER BY joined_at, organization_id LIMIT 1',
    [several.userId],
  );
  return {
    foreign: (await newAccount(api)).organization,
    people: {
      'a token of an own organization': {
        ...signedUp(owner),
        own: owner.organization,
        memberships: [{ ...owner.organization, reads: true }, secondary],
        first: owner.organization,
      },
      'a token of none, without memberships': { ...signedUp(loner), own: null, memberships: [], first: null },
      'a token of none, with two memberships': {
        ...signedUp(several),
        own: null,
        memberships: places,
        first: places.find(({ id }) => id === oldest?.id) ?? null,
      },
    },
  };
}

function signedUp({ email, password, accessToken: token }: Omit<Account, 'organization'>) {
  return { email, password, token };
}

/** A value of a header: the sent text, and the organization that it names. `wrong` is a text that names none. */
export type Value =
  | { readonly sent: string; readonly means: string }
  | { readonly sent: string; readonly wrong: true }
  | null;

/**
 * Every kind of value for a user: their first and second organization, an organization of another user, an unknown
 * organization, and errors.
 */
export function valuesFor({ own, memberships }: Person, foreign: Organization): Record<string, Value> {
  const [one = foreign, two = UNKNOWN] = own ? [own, ...memberships.filter(({ id }) => id !== own.id)] : memberships;
  const good = (reference: string) => ({ sent: reference, means: reference });
  const wrong = (sent: string) => ({ sent, wrong: true }) as const;
  return {
    absent: null,
    'own id': good(one.id),
    'own slug': good(one.slug),
    'own id, upper case': { sent: one.id.toUpperCase(), means: one.id },
    'own slug, upper case, blanks around': { sent: `  ${one.slug.toUpperCase()} `, means: one.slug },
    'id of the other': good(two.id),
    'slug of the other': good(two.slug),
    'foreign id': good(foreign.id),
    'foreign slug': good(foreign.slug),
    'unknown id': good(UNKNOWN.id),
    'unknown slug': good(UNKNOWN.slug),
    malformed: wrong('acme!'),
    'too long': wrong('x'.repeat(64)),
    empty: wrong(''),
    twice: wrong(`${one.id}, ${one.id}`),
  };
}

/** What the service should do: act for an organization or for none, or refuse. */
export type Outcome = { readonly acts: Organization | null } | { readonly status: number; readonly code: string };
const BAD: Outcome = { status: 400, code: 'bad_request' };
const isId = (reference: string) => reference.length === 36;
const names = ({ id, slug }: Organization, reference: string) => reference === id || reference === slug;

/** Returns the references in two headers, or null if the request is an error for every caller. */
function referencesOf(values: readonly Value[]): string[] | null {
  const sent = values.filter((value) => value !== null);
  if (sent.some((value) => 'wrong' in value)) return null;
  const references = [...new Set(sent.map((value) => ('means' in value ? value.means : '')))];
  const [one, two] = references;
  return one !== undefined && two !== undefined && isId(one) === isId(two) ? null : references;
}

/**
 * Returns the outcome for a user whose token names no organization: the one organization of the user that all
 * references name, or a refusal.
 */
function chosen(person: Person, references: readonly string[]): Outcome {
  const touched = person.memberships.filter((place) => references.some((reference) => names(place, reference)));
  if (touched.length === 0) return { status: 403, code: 'organization_access_denied' };
  const meant = touched.find((place) => references.every((reference) => names(place, reference)));
  return meant ? { acts: meant } : BAD;
}

/** Returns the outcome at a route that needs a token. */
export function onSignedIn(person: Person, values: readonly Value[]): Outcome {
  const references = referencesOf(values);
  if (!references) return BAD;
  const { own } = person;
  if (!own) return references.length === 0 ? { acts: null } : chosen(person, references);
  const matching = references.filter((reference) => names(own, reference));
  if (matching.length === references.length) return { acts: own };
  return matching.length > 0 ? BAD : { status: 403, code: 'tenant_mismatch' };
}

/** Returns the outcome at a route that needs `organization:read`. */
export function onNeeds(person: Person, values: readonly Value[]): Outcome {
  const outcome = onSignedIn(person, values);
  if (!('acts' in outcome)) return outcome;
  if (!outcome.acts) return { status: 403, code: 'organization_required' };
  const { id } = outcome.acts;
  const { reads } = person.memberships.find((place) => place.id === id) ?? { reads: false };
  return reads ? outcome : { status: 403, code: 'permission_denied' };
}

/** Returns the outcome of a sign-in with the correct password, or of a refresh. */
export function onSignIn(person: Person, values: readonly Value[]): Outcome {
  const references = referencesOf(values);
  if (!references) return BAD;
  return references.length === 0 ? { acts: person.first } : chosen(person, references);
}
