// The resources that have an ETag, with a change of each, for the tests of versions.
import type { Test } from 'tap';
import { grantPlatformAdministrator } from '../../../src/admin/administrators/administrators.ts';
import type { Api, CallOptions, Reply } from '../../support/client.ts';
import { newAccountWithoutOrganization } from '../../support/fixtures/accounts.ts';
import { openTeam, type Team, type Teammate } from '../../support/fixtures/team.ts';

type Change = (options: CallOptions) => Promise<Reply>;

export interface Resource {
  /** The names of the operations in the API reference that are tried here. */
  readonly operations: readonly string[];
  readonly path: string;
  readonly token: string;
  /** Changes the resource visibly. Every call makes another change. */
  readonly change: Change | null;
  /** Further requests that change the resource. Each is tried with a stale tag only. */
  readonly others?: readonly Change[];
  /** The last change that is tried. */
  readonly remove?: Change;
}

export interface Versioned extends Team {
  readonly owner: string;
  readonly resources: readonly Resource[];
}

let changes = 0;
function next(): string {
  changes += 1;
  return `Version ${changes}`;
}

/** The requests of one caller. */
function requestsBy(api: Api, token: string) {
  return {
    token,
    patch: (path: string, change: () => object) => (options: CallOptions) =>
      api.patch(path, change(), { token, ...options }),
    remove: (path: string) => (options: CallOptions) => api.delete(path, { token, ...options }),
    post: (path: string) => (options: CallOptions) => api.post(path, undefined, { token, ...options }),
    make: async (path: string, body: object): Promise<string> => (await api.post(path, body, { token })).body.data.id,
  };
}

async function partsOf(api: Api, owner: string, member: Teammate): Promise<Resource[]> {
  const { token, patch, remove, post, make } = requestsBy(api, owner);
  const role = `/roles/${await make('/roles', { name: 'versioned', level: 1, permissions: [] })}`;
  const client = `/clients/${await make('/clients', { name: 'versioned', permissions: [] })}`;
  const invited = { email: 'versioned@example.com', roles: [{ role: 'agent' }] };
  const invitation = `/invitations/${await make('/invitations', invited)}`;
  const user = `/users/${member.userId}`;
  return [
    {
      operations: ['getRole', 'changeRole', 'deleteRole'],
      path: role,
      token,
      change: patch(role, () => ({ description: next() })),
      remove: remove(role),
    },
    {
      operations: ['getClient', 'changeClient', 'deleteClient', 'rotateClientSecret', 'endClientOverlap'],
      path: client,
      token,
      change: patch(client, () => ({ description: next() })),
      others: [post(`${client}/secret`), remove(`${client}/secret`)],
      remove: remove(client),
    },
    {
      operations: ['getInvitation', 'resendInvitation', 'revokeInvitation'],
      path: invitation,
      token,
      change: post(`${invitation}/resend`),
      remove: remove(invitation),
    },
    {
      operations: ['getMember', 'changeMember', 'removeMember'],
      path: user,
      token,
      change: patch(user, () => ({ roles: [{ role: 'agent', scope: { at: next() } }] })),
      remove: remove(user),
    },
  ];
}

async function ofThePlatform({ api, service }: Team): Promise<Resource> {
  const person = await newAccountWithoutOrganization(api);
  await grantPlatformAdministrator(service.app.parts, person.email);
  const { token, post, make } = requestsBy(api, person.accessToken);
  const path = `/admin/organizations/${await make('/organizations', { name: 'Suspended' })}`;
  let isSuspended = false;
  return {
    operations: ['getAnyOrganization', 'suspendOrganization', 'activateOrganization'],
    path,
    token,
    async change(options) {
      const reply = await post(`${path}/${isSuspended ? 'activate' : 'suspend'}`)(options);
      if (reply.status === 200) isSuspended = !isSuspended;
      return reply;
    },
    others: ['suspend', 'activate'].map((what) => post(`${path}/${what}`)),
  };
}

/** Opens a team with a resource of each kind. The organization itself is the last of them. */
export async function openVersioned(t: Test): Promise<Versioned> {
  const team = await openTeam(t);
  const { api } = team;
  const owner = (await team.join('owner')).token;
  const member = await team.join('agent');
  const own = requestsBy(api, member.token);
  const { token, patch, remove } = requestsBy(api, owner);
  const current = '/organizations/current';
  const resources: Resource[] = [
    {
      operations: ['getMe', 'changeMe'],
      path: '/me',
      token: own.token,
      change: own.patch('/me', () => ({ name: next() })),
    },
    ...(await partsOf(api, owner, member)),
    await ofThePlatform(team),
    { operations: ['getSubscription'], path: `${current}/subscription`, token, change: null },
    {
      operations: ['getOrganization', 'changeOrganization', 'deleteOrganization'],
      path: current,
      token,
      change: patch(current, () => ({ settings: { version: next() } })),
      remove: remove(current),
    },
  ];
  return { ...team, owner, resources };
}
