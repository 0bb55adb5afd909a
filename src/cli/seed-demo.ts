// The demo organization of a one-command start: an owner with a password of their own making, kept in the data folder.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Problem } from '../errors.ts';
import { type RegisterDeps, register } from '../sessions/register.ts';
import { findCredentials } from '../users/store.ts';

export interface DemoOwner {
  readonly email: string;
  readonly password: string;
}

const EMAIL = 'owner@demo.example';

/** Makes the demo organization unless it is there; gives what its owner signs in with. */
export async function seedDemo(deps: RegisterDeps, dataDirectory: string): Promise<DemoOwner> {
  const owner = rememberedOwner(deps, join(dataDirectory, 'demo.json'));
  if (await findCredentials(deps.db.systemReader(), EMAIL)) return owner;
  try {
    await register(
      { ...deps, registrationMode: 'open' },
      {
        ...owner,
        name: 'Demo Owner',
        organizationName: 'Demo',
        organizationSlug: null,
        device: { userAgent: 'tenantry demo', ip: null },
      },
    );
  } catch (error) {
    if (!(error instanceof Problem && error.code === 'email_taken')) throw error;
  }
  return owner;
}

// The password is written before the account is made: a crash between the two leaves one that can still be used.
function rememberedOwner(deps: RegisterDeps, file: string): DemoOwner {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as DemoOwner;
  } catch {
    const owner = { email: EMAIL, password: deps.random.bytes(15).toString('base64url') };
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, `${JSON.stringify(owner, null, 2)}\n`, { mode: 0o600 });
    return owner;
  }
}
