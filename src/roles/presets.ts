// Role presets: YAML files that describe system roles, and the operation that makes the database agree with one.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { parse } from 'yaml';
import { z } from 'zod';
import { record } from '../events/record.ts';
import type { Clock } from '../platform/clock.ts';
import type { Database } from '../platform/db.ts';
import { newId, type Random } from '../platform/random.ts';
import { PERMISSION_PATTERN } from '../protocol/permission.ts';
import { listSystemRoles, upsertSystemRole } from './store.ts';

export const RoleName = z.string().regex(/^[a-z][a-z0-9_-]{0,39}$/);

const Preset = z.strictObject({
  name: RoleName,
  roles: z
    .array(
      z.strictObject({
        name: RoleName,
        description: z.string().max(500).default(''),
        level: z.int().min(0).max(1000),
        permissions: z.array(z.string().regex(PERMISSION_PATTERN)),
      }),
    )
    .min(1),
});

export type Preset = z.output<typeof Preset>;

/** A shipped preset by its name. Raises on a file that is not one. */
export function readPreset(name: 'crm'): Preset {
  const path = fileURLToPath(new URL(`presets/${name}.yaml`, import.meta.url));
  return Preset.parse(parse(readFileSync(path, 'utf8')));
}

export interface PresetDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly random: Random;
}

/** Makes the system roles of a preset what it says; gives the names of those that changed. Repeating it changes nothing. */
export async function applyPreset(deps: PresetDeps, preset: Preset): Promise<string[]> {
  // The usual start finds everything in place, and then opens no transaction.
  const present = new Map((await listSystemRoles(deps.db.systemReader())).map((role) => [role.name, role]));
  if (preset.roles.every((role) => isDeepStrictEqual({ ...present.get(role.name) }, { ...role }))) return [];
  return deps.db.system(async (tx) => {
    const changed: string[] = [];
    for (const role of preset.roles) {
      if (await upsertSystemRole(tx, newId(deps.random, deps.clock), role)) changed.push(role.name);
    }
    if (changed.length > 0) {
      await record(tx, {
        id: newId(deps.random, deps.clock),
        type: 'roles.preset_applied',
        organizationId: null,
        actorId: null,
        targetId: null,
        data: { preset: preset.name, roles: changed },
      });
    }
    return changed;
  });
}
