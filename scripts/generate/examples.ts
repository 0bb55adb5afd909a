// The examples of the reference: one person who registers, signs in and refreshes.

const USER = {
  id: '019aa3f0-5c00-7a10-8b2f-3d6f1c2a4e01',
  email: 'ada@example.com',
  name: 'Ada Lovelace',
  emailVerified: false,
};
const ORGANIZATION = { id: '019aa3f0-5c00-7a10-8b2f-3d6f1c2a4e02', name: 'Acme', slug: 'acme' };

const SIGNED_IN = {
  accessToken: 'eyJhbGciOiJSUzI1NiIsInR5cCI6ImF0K2p3dCJ9.e30.c2lnbmF0dXJl',
  tokenType: 'Bearer',
  expiresIn: 900,
  expiresAt: '2026-11-21T12:15:00.000Z',
  refreshToken: 'eyJhbGciOiJSUzI1NiIsInR5cCI6InJ0K2p3dCJ9.e30.c2lnbmF0dXJl',
  refreshExpiresAt: '2026-12-21T12:00:00.000Z',
  sessionId: '019aa3f0-5c00-7a10-8b2f-3d6f1c2a4e03',
  user: USER,
  organization: ORGANIZATION,
  roles: ['owner'],
  memberships: [{ organization: ORGANIZATION, roles: ['owner'] }],
};

const SUBSCRIPTION = {
  plan: 'trial',
  status: 'trialing',
  trialEndsAt: '2026-12-05T12:00:00.000Z',
  limits: { teamMembers: 2, messages: 100, phoneNumbers: 1 },
};

const QUESTION = { userId: USER.id, resource: 'deals', action: 'write', scope: { projectId: 'p1' } };
const GRANTED = { allowed: true, reason: 'granted' };

/** A request and its successful answer, by the id of the operation. */
export const EXAMPLES: Readonly<Record<string, { readonly request: object; readonly answer: object }>> = {
  register: {
    request: { email: USER.email, password: 'correct horse battery', name: USER.name, organizationName: 'Acme' },
    answer: { data: { ...SIGNED_IN, subscription: SUBSCRIPTION } },
  },
  login: {
    request: { email: USER.email, password: 'correct horse battery', organization: 'acme' },
    answer: { data: SIGNED_IN },
  },
  refresh: { request: { refreshToken: SIGNED_IN.refreshToken }, answer: { data: SIGNED_IN } },
  createInvitation: {
    request: { email: 'grace@example.com', roles: [{ role: 'agent', scope: { projectId: 'p1' } }] },
    answer: {
      data: {
        id: '019aa3f0-5c00-7a10-8b2f-3d6f1c2a4e05',
        email: 'grace@example.com',
        status: 'pending',
        roles: [{ id: '019aa3f0-5c00-7a10-8b2f-3d6f1c2a4e06', name: 'agent', scope: { projectId: 'p1' } }],
        invitedBy: { id: USER.id, name: USER.name },
        acceptedBy: null,
        createdAt: '2026-11-21T12:00:00.000Z',
        expiresAt: '2026-11-28T12:00:00.000Z',
      },
    },
  },
  acceptInvitation: {
    request: {
      token: 'jVbqC8vVYtNBoHzYgkCOeV6NYEhC2wdyD6iuFXBqWqk',
      name: USER.name,
      password: 'correct horse battery',
    },
    answer: { data: { ...SIGNED_IN, user: { ...USER, emailVerified: true } } },
  },
  issueToken: {
    request: {
      grant_type: 'client_credentials',
      scope: 'contacts:read deals:read',
      client_id: '019aa3f0-5c00-7a10-8b2f-3d6f1c2a4e07',
      client_secret: 'tcs_jVbqC8vVYtNBoHzYgkCOeV6NYEhC2wdyD6iuFXBqWqk',
    },
    answer: {
      access_token: SIGNED_IN.accessToken,
      token_type: 'Bearer',
      expires_in: 900,
      scope: 'contacts:read deals:read',
    },
  },
  introspectToken: { request: { token: SIGNED_IN.accessToken }, answer: { active: false } },
  createClient: {
    request: { name: 'exporter', permissions: ['contacts:read', 'deals:read'] },
    answer: {
      data: {
        id: '019aa3f0-5c00-7a10-8b2f-3d6f1c2a4e07',
        clientId: '019aa3f0-5c00-7a10-8b2f-3d6f1c2a4e07',
        name: 'exporter',
        description: '',
        permissions: ['contacts:read', 'deals:read'],
        audience: null,
        authentication: 'client_secret',
        jwks: null,
        status: 'active',
        secrets: [{ createdAt: '2026-11-21T12:00:00.000Z', expiresAt: null }],
        createdBy: USER.id,
        createdAt: '2026-11-21T12:00:00.000Z',
        updatedAt: '2026-11-21T12:00:00.000Z',
        clientSecret: 'tcs_jVbqC8vVYtNBoHzYgkCOeV6NYEhC2wdyD6iuFXBqWqk',
      },
    },
  },
  checkPermission: { request: QUESTION, answer: { data: GRANTED } },
  checkPermissions: {
    request: { checks: [QUESTION, { resource: 'deals', action: 'delete', explain: true }] },
    answer: {
      data: [
        GRANTED,
        {
          allowed: false,
          reason: 'no_permission',
          explanation: { missing: 'deals:delete', heldRoles: ['agent'], wouldGrant: [] },
        },
      ],
    },
  },
};
