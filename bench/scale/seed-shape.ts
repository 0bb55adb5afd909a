// The users and organizations of a seeded database: the sizes of organizations, their members and all names. The same
// shape always gives the same result. seed-rows.ts generates the rows, and seed-copy.ts inserts them.

export interface Shape {
  readonly organizations: number;
  /** The number of users. Each user is a member of one organization. */
  readonly users: number;
}

/** The role of a member: a system role, or `support`, the custom role of every organization. */
export type RoleName = 'owner' | 'admin' | 'agent' | 'viewer' | 'support';

export interface Population extends Shape {
  /** The number of members of each organization. */
  readonly sizes: Int32Array;
  /** The organizations by size, the largest first. */
  readonly bySize: readonly number[];
  /** Returns the organization's member number `position`. Number 0 is the owner. */
  userAt(organization: number, position: number): number;
  organizationOf(user: number): number;
  roleOf(user: number): RoleName;
}

const LARGEST_SHARE = 0.01;
const THOUSANDS_SHARE = 0.001;
const HUNDREDS_SHARE = 0.03;
const SMALL_MIN = 2;
const SMALL_MAX = 10;
// A prime number. Multiplying by this prime, modulo the number of rows, scatters rows that would be next to each other.
const SCATTER = 754_974_721;
const OTHER_ROLES: readonly RoleName[] = ['agent', 'admin', 'viewer', 'support', 'agent'];

/**
 * Returns the sizes: one organization has 1 % of all users, 0.1 % of the organizations have 1,000 members each, 3 %
 * share the users that are left in the end, and all others have 2 to 10 members.
 */
function sizesOf({ organizations, users }: Shape): Int32Array {
  const sizes = new Int32Array(organizations);
  const thousands = Math.floor(organizations * THOUSANDS_SHARE);
  const hundreds = Math.floor(organizations * HUNDREDS_SHARE);
  const place = (slot: number) => (slot * SCATTER) % organizations;
  let left = users;
  const give = (slot: number, size: number) => {
    sizes[place(slot)] = size;
    left -= size;
  };
  give(0, Math.floor(users * LARGEST_SHARE));
  for (let slot = 1; slot <= thousands; slot += 1) give(slot, 1000);
  const smallFrom = 1 + thousands + hundreds;
  for (let slot = smallFrom; slot < organizations; slot += 1)
    give(slot, SMALL_MIN + (slot % (SMALL_MAX - SMALL_MIN + 1)));
  for (let slot = 1 + thousands; slot < smallFrom; slot += 1) give(slot, Math.floor(left / (smallFrom - slot)));
  if (left !== 0 || sizes.some((size) => size < SMALL_MIN)) {
    throw new RangeError(`${users} users cannot be spread over ${organizations} organizations`);
  }
  return sizes;
}

/** Assigns users to organizations. Raises RangeError if a shape has too few users or organizations for that. */
export function populate(shape: Shape): Population {
  const { organizations, users } = shape;
  const sizes = sizesOf(shape);
  const starts = new Int32Array(organizations);
  const organizationOf = new Int32Array(users);
  const positionOf = new Int32Array(users);
  // Users with consecutive rows are members of different organizations, because people join in no order.
  const userAt = (organization: number, position: number) =>
    (((starts[organization] ?? 0) + position) * SCATTER) % users;
  let start = 0;
  for (let organization = 0; organization < organizations; organization += 1) {
    starts[organization] = start;
    const size = sizes[organization] ?? 0;
    for (let position = 0; position < size; position += 1) {
      const user = userAt(organization, position);
      organizationOf[user] = organization;
      positionOf[user] = position;
    }
    start += size;
  }
  const bySize = Array.from(sizes.keys()).sort((a, b) => (sizes[b] ?? 0) - (sizes[a] ?? 0) || a - b);
  return {
    ...shape,
    sizes,
    bySize,
    userAt,
    organizationOf: (user) => organizationOf[user] ?? 0,
    roleOf(user) {
      const position = positionOf[user] ?? 0;
      return position === 0 ? 'owner' : (OTHER_ROLES[position % OTHER_ROLES.length] ?? 'agent');
    },
  };
}

const KINDS = ['organization', 'user', 'assignment', 'role', 'session', 'token'] as const;
const BASE_MS = Date.UTC(2026, 0, 1);

/** Returns the id of the row with this number: a UUIDv7 (RFC 9562 §5.7). A higher number has a later instant. */
export function idOf(kind: (typeof KINDS)[number], number: number): string {
  const time = (BASE_MS + number).toString(16).padStart(12, '0');
  const kindHex = KINDS.indexOf(kind).toString(16).padStart(3, '0');
  const mixed = (Math.imul(number + 1, 0x9e3779b1) >>> 0).toString(16).padStart(8, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${kindHex}-8${mixed.slice(0, 3)}-${mixed.slice(3)}${number.toString(16).padStart(7, '0')}`;
}

const FIRST =
  `Ada Alan Barbara Blaise Carla Charles Dana Dennis Edith Edsger Emmy Evariste Frances Fritz Grace Guido Hedy
Henri Ida Ivan Jean John Karen Ken Leslie Linus Margaret Mary Niklaus Nora Olga Oscar Pierre Radia Robin Sofia Stephen
Tim Ursula Vint`.split(/\s+/);
const LAST =
  `Babbage Backus Bartik Boole Cantor Codd Curie Dijkstra Easley Engelbart Euler Fermat Floyd Galois Gauss Germain
Goldberg Hamilton Hilbert Hoare Holberton Hopper Iverson Jennings Johnson Kernighan Knuth Lamport Lamarr Liskov Lovelace
Markov Meltzer Milner Minsky Naur Neumann Pascal Perlman Peter Rhodes Ritchie Shannon Snyder Spence Turing Vaughan
Wilkes Wing Wirth`.split(/\s+/);
const TRADE = `Amber Birch Cedar Delta Ember Fjord Garnet Harbour Indigo Juniper Kestrel Lantern Meadow Northern Opal
Pioneer Quarry River Summit Timber`.split(/\s+/);
const KIND_OF_FIRM = `Bakery Clinic Design Energy Foods Garage Hotels Insurance Journal Kitchens Logistics Media Nursery
Optics Press Retail Studio Travel Works Yards`.split(/\s+/);

const word = (words: readonly string[], number: number) => words[number % words.length] ?? '';

export function firstNameOf(user: number): string {
  return word(FIRST, Math.imul(user + 1, 0x85ebca6b) >>> 3);
}

export function nameOf(user: number): string {
  return `${firstNameOf(user)} ${word(LAST, Math.imul(user + 1, 0xc2b2ae35) >>> 5)}`;
}

export function emailOf(user: number): string {
  return `${nameOf(user).toLowerCase().replace(' ', '.')}.${user}@example.com`;
}

export function organizationNameOf(organization: number): string {
  const firm = word(KIND_OF_FIRM, Math.floor(organization / TRADE.length));
  return `${word(TRADE, organization)} ${firm} ${String(organization).padStart(6, '0')}`;
}

export function slugOf(organization: number): string {
  return organizationNameOf(organization).toLowerCase().replaceAll(' ', '-');
}
