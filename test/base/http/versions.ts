// The resources that have an ETag, with a change of each, for the tests of versions.
import type { Test } from 'tap';
import { grantPlatformAdministrator } from '../../../src/admin/administrators/administrators.ts';
import type { Api, CallOptions, Reply } from '../../support/client.ts';
import { newAccountWithoutOrganization } from '../../support/fixtures/accounts.ts';
import { openTeam, type Team } from '../../support/fixtures/team.ts';

export interface Resource {
  /** The names of the operations in the API reference that are tried here. */
  readonly operations: readonly string[];
  readonly path: string;
  readonly token: string;
  /** Changes the resource visibly. Every call makes another change. */
  readonly change: ((options: CallOptions) => Promise<Reply>) | null;
  /** Further requests that change the resource. Each is tried with a stale tag only. */
  readonly others: readonly ((options: CallOptions) => Promise<Reply>)[];
  /** The last change that is tried. */
  readonly remove: ((options: CallOptions) => Promise<Reply>) | null;
}

export interface Versioned extends Team {
  readonly owner: string;
  readonly resources: readonly Resource[];
}

let changes = 0;

export async function openVersioned(t: Test): Promise<Versioned> {
  const team = await openTeam(t);
  const { api, database, service } = team;
  const owner = (await team.join('owner')).token;
  const member = await team.join('agent');
  const person = await newAccountWithoutOrganization(api);
  await grantPlatformAdministrator(service.app.parts, person.email);
  const id = async (reply: Promise<Reply>) => (await reply).body.data.id as string;
  const role = await id(api.post('/roles', { name: 'versioned', level: 1, permissions: [] }, { token: owner }));
  const client = await id(api.post('/clients', { name: 'versioned', permissions: [] }, { token: owner }));
  const body = { email: 'versioned@example.com', roles: [{ role: 'agent' }] };
  const invitation = await id(api.post('/invitations', body, { token: owner }));
  const next = () => {
    changes += 1;
    return `Version ${changes}`;
  };
  const patch = (path: string, token: string, change: () => object) => (options: CallOptions) =>
    api.patch(path, change(), { token, ...options });
  const remove = (path: string) => (options: CallOptions) => api.delete(path, { token: owner, ...options });
  const post =
    (path: string, token = owner) =>
    (options: CallOptions) =>
      api.post(path, undefined, { token, ...options });
  const suspended = `/admin/organizations/${(await newOrganization(api, person.accessToken)).id}`;
  return {
    ...team,
    database,
    owner,
    resources: [
      {
        operations: ['getMe', 'changeMe'],
        path: '/me',
        token: member.token,
        change: patch('/me', member.token, () => ({ name: next() })),
        others: [],
        remove: null,
      },
      {
        operations: ['getRole', 'changeRole', 'deleteRole'],
        path: `/roles/${role}`,
        token: owner,
        change: patch(`/roles/${role}`, owner, () => ({ description: next() })),
        others: [],
        remove: remove(`/roles/${role}`),
      },
      {
        operations: ['getClient', 'changeClient', 'deleteClient', 'rotateClientSecret', 'endClientOverlap'],
        path: `/clients/${client}`,
        token: owner,
        change: patch(`/clients/${client}`, owner, () => ({ description: next() })),
        others: [post(`/clients/${client}/secret`), remove(`/clients/${client}/secret`)],
        remove: remove(`/clients/${client}`),
      },
      {
        operations: ['getInvitation', 'resendInvitation', 'revokeInvitation'],
        path: `/invitations/${invitation}`,
        token: owner,
        change: post(`/invitations/${invitation}/resend`),
        others: [],
        remove: remove(`/invitations/${invitation}`),
      },
      {
        operations: ['getMember', 'changeMember', 'removeMember'],
        path: `/users/${member.userId}`,
        token: owner,
        change: patch(`/users/${member.userId}`, owner, () => ({ roles: [{ role: 'agent', scope: { at: next() } }] })),
        others: [],
        remove: remove(`/users/${member.userId}`),
      },
      {
        operations: ['getAnyOrganization', 'suspendOrganization', 'activateOrganization'],
        path: suspended,
        token: person.accessToken,
        change: (options) => {
          changes += 1;
          return post(`${suspended}/${changes % 2 ? 'suspend' : 'activate'}`, person.accessToken)(options);
        },
        others: ['suspend', 'activate'].map((what) => post(`${suspended}/${what}`, person.accessToken)),
        remove: null,
      },
      {
        operations: ['getSubscription'],
        path: '/organizations/current/subscription',
        token: owner,
        change: null,
        others: [],
        remove: null,
      },
      {
        operations: ['getOrganization', 'changeOrganization', 'deleteOrganization'],
        path: '/organizations/current',
        token: owner,
        change: patch('/organizations/current', owner, () => ({ settings: { version: next() } })),
        others: [],
        remove: remove('/organizations/current'),
      },
    ],
  };
}

async function newOrganization(api: Api, token: string): Promise<{ id: string }> {
  return (await api.post('/organizations', { name: 'Suspended' }, { token })).body.data;
}
