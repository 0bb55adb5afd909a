// The routes of the tenant fuzz test, each with the successful answer that the model expects.
import { randomUUID } from 'node:crypto';
import { type Acting, type Bearer, type Model, membersOf, type Refused, says } from './model.ts';

/** The content of a successful answer. A problem is described by its status and code alone. */
export interface Good {
  readonly status: number;
  readonly says: (body: { data: never }) => boolean;
}

export interface Call {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  /** The permission that the route needs. null if every user may call it, '' if every member may. */
  readonly needs: string | null;
  readonly alsoSuspended?: boolean;
  readonly good: (model: Model, acting: Acting, bearer: Bearer) => Good | Refused;
}

const NOT_FOUND = { status: 404, code: 'not_found' };

function idOf(body: { data: never }): unknown {
  return (body.data as { id?: unknown }).id;
}

function idsOf(body: { data: never }, key = 'id'): string {
  return (body.data as Record<string, string>[])
    .map((row) => row[key])
    .toSorted()
    .join();
}

/** Returns a random call of one of the routes, with ids of any user and organization, or sometimes with unknown ids. */
export function makeCall(model: Model, people: readonly { userId: string }[], below: (n: number) => number): Call {
  const userId = below(20) === 0 ? randomUUID() : (people[below(people.length)]?.userId ?? '');
  const role = model.roles[below(model.roles.length)];
  const roleId = below(20) === 0 ? randomUUID() : (role?.id ?? '');
  const invitationId = [...model.invitations.keys()][below(model.invitations.size)] ?? '';
  const isMember = ({ organization }: Acting) =>
    organization !== null && membersOf(model, organization).some(({ person }) => person.userId === userId);
  const aboutMember = (acting: Acting, good: Good) => (isMember(acting) ? good : NOT_FOUND);
  const same = (id: string) => (body: { data: never }) => idOf(body) === id;
  const own = (acting: Acting): Good => ({ status: 200, says: same(acting.organization?.id ?? '') });
  const calls: (() => Call)[] = [
    () => ({
      method: 'GET',
      path: '/organizations/current',
      needs: 'organization:read',
      good: (_, acting) => own(acting),
    }),
    () => ({
      method: 'GET',
      path: '/me',
      needs: null,
      good: (_, acting, { person }) => ({
        status: 200,
        says: ({ data }) => {
          const me = data as { id: string; organization: { id: string } | null };
          return me.id === person.userId && (me.organization?.id ?? null) === (acting.organization?.id ?? null);
        },
      }),
    }),
    () => ({
      method: 'GET',
      path: `/users/${userId}`,
      needs: 'users:read',
      good: (_, acting) => aboutMember(acting, { status: 200, says: same(userId) }),
    }),
    () => ({
      method: 'GET',
      path: '/users?limit=100',
      needs: 'users:read',
      good: (_, { organization }) => ({
        status: 200,
        says: (body) =>
          organization !== null &&
          idsOf(body) ===
            membersOf(model, organization)
              .map(({ person }) => person.userId)
              .toSorted()
              .join(),
      }),
    }),
    () => ({
      method: 'GET',
      path: `/roles/${roleId}`,
      needs: 'roles:read',
      good: (_, { organization }) =>
        role?.id === roleId && (role.organization === null || role.organization === organization)
          ? { status: 200, says: same(roleId) }
          : NOT_FOUND,
    }),
    () => ({
      method: 'GET',
      path: '/roles?limit=100',
      needs: 'roles:read',
      good: (_, { organization }) => ({
        status: 200,
        says: (body) =>
          idsOf(body) ===
          model.roles
            .filter((known) => known.organization === null || known.organization === organization)
            .map(({ id }) => id)
            .toSorted()
            .join(),
      }),
    }),
    () => ({
      method: 'GET',
      path: `/invitations/${invitationId}`,
      needs: 'users:invite',
      good: (_, { organization }) =>
        model.invitations.get(invitationId) === organization ? { status: 200, says: same(invitationId) } : NOT_FOUND,
    }),
    () => ({
      method: 'GET',
      path: `/users/${userId}/sessions?limit=1`,
      needs: 'sessions:read',
      good: (_, acting) => aboutMember(acting, { status: 200, says: () => true }),
    }),
    // The next three routes write. The fuzz test calls them only if the model expects a refusal.
    () => ({
      method: 'PATCH',
      path: `/users/${userId}`,
      body: { status: 'suspended' },
      needs: 'users:update',
      good: (_, acting) => (isMember(acting) ? { status: 0, says: () => true } : NOT_FOUND),
    }),
    () => ({
      method: 'DELETE',
      path: `/users/${userId}`,
      needs: 'users:remove',
      good: (_, acting) => (isMember(acting) ? { status: 0, says: () => true } : NOT_FOUND),
    }),
    () => ({
      method: 'DELETE',
      path: `/invitations/${invitationId}`,
      needs: 'users:invite',
      good: (_, { organization }) =>
        model.invitations.get(invitationId) === organization ? { status: 0, says: () => true } : NOT_FOUND,
    }),
    () => ({
      method: 'POST',
      path: '/authz/check',
      body: { userId, resource: 'contacts', action: 'read' },
      needs: '',
      good: (_, acting, { person }) => {
        if (userId !== person.userId && !says(acting.permissions, 'users:read')) {
          return { status: 403, code: 'permission_denied' };
        }
        const member =
          acting.organization && membersOf(model, acting.organization).find((m) => m.person.userId === userId);
        const permissions = member?.active ? member.roles.flatMap((held) => held.permissions) : [];
        const allowed = says(permissions, 'contacts:read');
        return { status: 200, says: ({ data }) => (data as { allowed: boolean }).allowed === allowed };
      },
    }),
    () => ({
      method: 'GET',
      path: '/me/organizations?limit=100',
      needs: null,
      alsoSuspended: true,
      good: (_, _acting, { person }) => ({
        status: 200,
        says: ({ data }) =>
          (data as { organization: { id: string } }[])
            .map(({ organization }) => organization.id)
            .toSorted()
            .join() ===
          model.memberships
            .filter((m) => m.person === person && m.active && !model.suspended.has(m.organization))
            .map(({ organization }) => organization.id)
            .toSorted()
            .join(),
      }),
    }),
  ];
  return (calls[below(calls.length)] as () => Call)();
}
