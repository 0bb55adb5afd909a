// The wire shape of the permission catalogue.
import { z } from 'zod';

export const KnownPermission = z
  .strictObject({
    resource: z.string(),
    action: z.string(),
    permission: z.string(),
    description: z.string().nullable(),
    source: z.enum(['tenantry', 'roles']).meta({ description: 'Who asks for it: Tenantry, or nobody known.' }),
  })
  .meta({ id: 'KnownPermission' });
