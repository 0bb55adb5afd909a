// The wire shapes of roles.
import { z } from 'zod';
import { Id, text } from '../../base/http/wire.ts';
import { canonicalPermissions, PERMISSION_PATTERN } from '../../protocol/permission.ts';

export const RoleName = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,39}$/, 'must be a lower-case letter, then at most 39 of a-z, 0-9, _ and -');

const Level = z.int().min(0).max(1000);
const Permission = z.string().regex(PERMISSION_PATTERN, 'must be resource:action, each a name or *');
const Permissions = z.array(Permission).max(1000).transform(canonicalPermissions);
const Description = text(500, 0);

export const Role = z
  .strictObject({
    id: Id,
    name: z.string(),
    description: z.string(),
    level: z.int(),
    permissions: z.array(z.string()),
    system: z.boolean().meta({ description: 'The same for every organization, and read-only.' }),
  })
  .meta({ id: 'Role' });

export const CreateRole = z
  .strictObject({
    name: RoleName,
    description: Description.prefault(''),
    level: Level,
    permissions: Permissions,
  })
  .meta({ id: 'CreateRole' });

export const ChangeRole = z
  .strictObject({
    name: RoleName.optional(),
    description: Description.optional(),
    level: Level.optional(),
    permissions: Permissions.optional(),
  })
  .refine((body) => Object.keys(body).length > 0, 'must name at least one member to change')
  .meta({ id: 'ChangeRole' });
