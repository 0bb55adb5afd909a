// The wire shape of the permission catalogue.
import { z } from 'zod';

export const KnownPermission = z
  .strictObject({
    resource: z.string(),
    action: z.string(),
    permission: z.string(),
    description: z.string().nullable(),
    source: z.enum(['tenantry', 'roles']).meta({
      description:
        'tenantry: an endpoint of Tenantry requires it, or the name is reserved for one. roles: it is known only because a role contains it.',
    }),
  })
  .meta({ id: 'KnownPermission' });
