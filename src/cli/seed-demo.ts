// The demo organization of a one-command start: an owner with a password of their own making, kept in the data folder.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Problem } from '../errors.ts';
import { logout } from '../sessions/end-session.ts';
import { type RegisterDeps, register } from '../sessions/register.ts';
import { findCredentials } from '../users/store.ts';

export interface DemoOwner {
  readonly email: string;
  readonly password: string;
}

const EMAIL = 'owner@demo.example';

/** Makes the demo organization unless it is there; gives what its owner signs in with, null when that was lost. */
export async function seedDemo(deps: RegisterDeps, dataDirectory: string): Promise<DemoOwner | null> {
  const file = join(dataDirectory, 'demo.json');
  const remembered = readOwner(file);
  if (await findCredentials(deps.db.systemReader(), EMAIL)) return remembered;
  const owner = remembered ?? makeOwner(deps, file);
  try {
    const signedIn = await register(
      { ...deps, registrationMode: 'open' },
      {
        ...owner,
        name: 'Demo Owner',
        organizationName: 'Demo',
        organizationSlug: null,
        device: { userAgent: 'tenantry demo', ip: null },
      },
    );
    // The owner signs in by themselves: no session of nobody's stays in their list.
    await logout(deps, { id: signedIn.user.id, sessionId: signedIn.sessionId }, null);
  } catch (error) {
    if (!(error instanceof Problem && error.code === 'email_taken')) throw error;
  }
  return owner;
}

function readOwner(file: string): DemoOwner | null {
  try {
    const { email, password } = JSON.parse(readFileSync(file, 'utf8')) as Partial<DemoOwner>;
    return email === EMAIL && typeof password === 'string' ? { email, password } : null;
  } catch {
    return null;
  }
}

// The password is written before the account is made: a crash between the two leaves one that can still be used.
function makeOwner(deps: RegisterDeps, file: string): DemoOwner {
  const owner = { email: EMAIL, password: deps.random.bytes(15).toString('base64url') };
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(owner, null, 2)}\n`, { mode: 0o600 });
  return owner;
}
