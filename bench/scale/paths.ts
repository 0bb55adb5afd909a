// The paths whose cost must not grow with the number of organizations and users: their callers in a seeded
// database, and their requests. Other files send the requests (load.ts) and seed the database (seed-rows.ts).
import type { Api } from '../../test/support/client.ts';
import type { Turn } from '../load.ts';
import { PASSWORD } from './seed-rows.ts';
import { emailOf, firstNameOf, idOf, type Population, slugOf } from './seed-shape.ts';

const ORDINARY_SIZE = 10;
const TURNS_MAX = 4_000;
const LOGINS_MAX = 2_000;
// As in seed-shape.ts: requests that follow each other read rows that are far apart in the table.
const SCATTER = 754_974_721;

export interface Caller {
  readonly user: number;
  readonly organization: number;
  readonly accessToken: string;
  readonly refreshToken: string;
}

export interface Participants {
  readonly population: Population;
  /** Members of organizations of ten who may read members. The first one is a platform administrator. */
  readonly ordinary: readonly Caller[];
  /** Owners of the organizations with the most members, the largest first. */
  readonly owners: readonly Caller[];
}

export interface Path {
  readonly name: string;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly turns?: readonly Turn[];
  readonly tokens?: readonly string[];
  /** Set if the work of the path grows with the number of matching rows, not with the size of the database. */
  readonly followsAnswer?: true;
}

type Query = (text: string, values?: unknown[]) => Promise<unknown>;

/**
 * Signs in as many users as `counts` says, and makes the first of them a platform administrator. `query` runs as the
 * superuser.
 */
export async function signInParticipants(
  { api, query, population }: { api: Api; query: Query; population: Population },
  counts: { readonly ordinary: number; readonly owners: number },
): Promise<Participants> {
  const ordinary: Caller[] = [];
  for (const user of readersOfOrdinaryOnes(population, counts.ordinary))
    ordinary.push(await signIn(api, population, user));
  const owners: Caller[] = [];
  for (const organization of population.bySize.slice(0, counts.owners)) {
    owners.push(await signIn(api, population, population.userAt(organization, 0)));
  }
  await query('INSERT INTO platform_administrators (user_id) VALUES ($1) ON CONFLICT DO NOTHING', [
    idOf('user', ordinary[0]?.user ?? 0),
  ]);
  return { population, ordinary, owners };
}

function readersOfOrdinaryOnes({ sizes, organizations, userAt, roleOf }: Population, count: number): number[] {
  const all = Array.from(sizes.keys()).filter((organization) => sizes[organization] === ORDINARY_SIZE);
  const found: number[] = [];
  // The first round takes one member of each chosen organization, the next round takes another member of each. The
  // chosen organizations are spread over the whole table.
  const step = Math.max(1, Math.floor(all.length / count));
  for (let position = 0; position < ORDINARY_SIZE && found.length < count; position += 1) {
    for (let at = 0; at < all.length && found.length < count; at += step) {
      const user = userAt(all[at] ?? 0, position);
      if (roleOf(user) !== 'viewer') found.push(user);
    }
  }
  if (found.length < count) throw new RangeError(`${organizations} organizations include too few with ten members`);
  return found;
}

async function signIn(api: Api, population: Population, user: number): Promise<Caller> {
  const reply = await api.post('/auth/login', { email: emailOf(user), password: PASSWORD });
  if (reply.status !== 200) throw new Error(`login answered ${reply.status}: ${reply.text}`);
  const { accessToken, refreshToken } = reply.body.data;
  return { user, organization: population.organizationOf(user), accessToken, refreshToken };
}

const bearer = ({ accessToken }: Caller) => ({ authorization: `Bearer ${accessToken}` });

function membersOf({ sizes, userAt }: Population, { organization, user }: Caller): number[] {
  const members = Array.from({ length: sizes[organization] ?? 0 }, (_, position) => userAt(organization, position));
  return members.filter((member) => member !== user);
}

function question(member: number, explain: boolean): string {
  return JSON.stringify({ userId: idOf('user', member), resource: 'contacts', action: 'read', explain });
}

/** Returns checks of a different member each time. With `explain`, every check queries PostgreSQL and uses no cache. */
function checksOfMany({ population, owners }: Participants): Turn[] {
  const teams = owners.map((owner) => ({ owner, members: membersOf(population, owner) }));
  return Array.from({ length: TURNS_MAX }, (_, turn) => {
    const team = teams[turn % teams.length];
    if (!team) throw new RangeError('there is no caller');
    const member = team.members[Math.floor(turn / teams.length) % team.members.length] ?? 0;
    return { headers: bearer(team.owner), body: question(member, true) };
  });
}

/** Returns the paths with their requests, for users of this database. */
export function pathsOf(participants: Participants): Path[] {
  const { population, ordinary, owners } = participants;
  const first = ordinary.slice(0, 1);
  const largest = owners.slice(0, 1);
  const get = (name: string, callers: readonly Caller[], path: (caller: Caller) => string): Path => ({
    name,
    method: 'GET',
    path: '',
    turns: callers.map((caller) => ({ path: `/api/v1${path(caller)}`, headers: bearer(caller) })),
  });
  const colleague = (caller: Caller) => membersOf(population, caller)[1] ?? 0;
  const search = (caller: Caller) => `/users?q=${firstNameOf(colleague(caller))}`;
  const organizations = Array.from({ length: 500 }, (_, turn) => (turn * SCATTER) % population.organizations);
  const found = (q: string): Turn => ({
    path: `/api/v1/admin/organizations?q=${q}`,
    headers: first[0] ? bearer(first[0]) : {},
  });
  const check = { method: 'POST', path: '/api/v1/authz/check' } as const;
  return [
    get('GET /users', ordinary, () => '/users'),
    get('GET /users?q=', ordinary, search),
    { ...check, name: 'POST /authz/check, asking PostgreSQL', turns: checksOfMany(participants) },
    {
      ...check,
      name: 'POST /authz/check, remembered',
      turns: ordinary.map((caller) => ({ headers: bearer(caller), body: question(colleague(caller), false) })),
    },
    {
      name: 'POST /auth/login',
      method: 'POST',
      path: '/api/v1/auth/login',
      turns: Array.from({ length: LOGINS_MAX }, (_, turn) => ({
        body: JSON.stringify({ email: emailOf((turn * SCATTER) % population.users), password: PASSWORD }),
      })),
    },
    {
      name: 'POST /auth/refresh',
      method: 'POST',
      path: '/api/v1/auth/refresh',
      tokens: ordinary.map(({ refreshToken }) => refreshToken),
    },
    get('GET /me/organizations', ordinary, () => '/me/organizations'),
    { ...get('GET /admin/organizations?q=', [], () => ''), turns: organizations.map((at) => found(slugOf(at))) },
    { ...get('GET /users, the largest', largest, () => '/users'), followsAnswer: true },
    { ...get('GET /users?q=, the largest', largest, search), followsAnswer: true },
    { ...get('GET /admin/organizations?q=, a twentieth', [], () => ''), turns: [found('amber')], followsAnswer: true },
  ];
}

/** Sends `times` requests of each path, one after the other. Raises an error if a request is refused. */
export async function requestEach(api: Api, paths: readonly Path[], times: number): Promise<void> {
  for (const { name, method, path, turns, tokens } of paths) {
    let refreshToken = tokens?.[0];
    for (let time = 0; time < times; time += 1) {
      const turn = turns?.[time % turns.length];
      const raw = refreshToken === undefined ? turn?.body : JSON.stringify({ refreshToken });
      const headers = { ...turn?.headers, ...(raw !== undefined && { 'content-type': 'application/json' }) };
      const options = { headers, ...(raw !== undefined && { raw }) };
      const reply = await api.call(method, turn?.path ?? path, undefined, options);
      if (reply.status !== 200) throw new Error(`${name} answered ${reply.status}: ${reply.text}`);
      if (refreshToken !== undefined) refreshToken = reply.body.data.refreshToken;
    }
  }
}
