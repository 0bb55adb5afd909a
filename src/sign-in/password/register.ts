// Registers a user whose account works at once (REGISTRATION_MODE=open). If the request names an organization, it also
// creates the organization with its owner and its trial. All of this and the session are written in one transaction.
// With REGISTRATION_MODE=verified, registration/request-registration.ts is used instead of this file.
import type { Database, SystemTx } from '../../base/database/db.ts';
import { invalid, problem } from '../../base/errors/problem.ts';
import { recordOwn } from '../../base/events/record.ts';
import { type Once, WITHOUT_KEY } from '../../base/idempotency/once.ts';
import type { Language } from '../../base/page-kit/language.ts';
import { newId } from '../../base/platform/random.ts';
import { isRestorable } from '../../credentials/one-time/revert-store.ts';
import type { Passwords } from '../../credentials/passwords/hashing.ts';
import type { PasswordPolicy } from '../../credentials/passwords/policy.ts';
import {
  type CreatedOrganization,
  chooseSlug,
  type InsertOrganizationDeps,
  insertOrganization,
  type TrialSubscription,
} from '../../directory/organizations/insert-organization.ts';
import { parseEmail } from '../../directory/users/email.ts';
import { findCredentials, insertUser } from '../../directory/users/store.ts';
import { enqueueVerifyMail } from '../mailbox-proof/mail.ts';
import { endRegistrationsOf } from '../registration/end.ts';
import {
  answerSession,
  type Device,
  keepSession,
  type Opened,
  type SessionDeps,
  type SignedIn,
  storeSession,
} from '../sessions/open-session.ts';

export interface RegisterDeps extends SessionDeps, InsertOrganizationDeps {
  readonly db: Database;
  readonly passwords: Passwords;
  readonly passwordPolicy: PasswordPolicy;
  readonly registrationMode: 'open' | 'verified' | 'closed';
}

export interface Register {
  readonly email: string;
  readonly password: string;
  readonly name: string;
  readonly organizationName: string | null;
  readonly organizationSlug: string | null;
  /** The language of the request; null when it is unknown. */
  readonly locale: Language | null;
  readonly device: Device;
}

export interface Registered extends SignedIn {
  readonly subscription: TrialSubscription | null;
}

/**
 * Creates the account and opens a session. Raises registration_closed, validation_failed, email_taken (also for an
 * e-mail that its former account can get back), slug_taken, service_busy.
 */
export async function register(
  deps: RegisterDeps,
  input: Register,
  once: Once = WITHOUT_KEY,
): Promise<Opened<Registered>> {
  if (deps.registrationMode !== 'open') throw problem('registration_closed');
  const email = parseEmail(input.email);
  if (!email) throw invalid('email', 'must be one e-mail address such as ada@example.com');
  await deps.passwordPolicy.assertGood(input.password, passwordContext(email.address, input));
  // These checks run before the expensive hash. The transaction makes the final decision.
  const reader = deps.db.systemReader();
  if (await findCredentials(reader, email.key)) throw problem('email_taken');
  if (await isRestorable(reader, email.key)) throw problem('email_taken');
  const passwordHash = await deps.passwords.hash(input.password);
  const user = {
    id: newId(deps.random, deps.clock),
    email: email.address,
    emailKey: email.key,
    name: input.name,
    passwordHash,
    locale: input.locale,
  };
  const slug =
    input.organizationName === null ? null : await chooseSlug(deps, input.organizationName, input.organizationSlug);

  async function write(tx: SystemTx): Promise<Opened<Registered>> {
    await once.begin(tx);
    const isFree = (await insertUser(tx, user)) && !(await isRestorable(tx, user.emailKey));
    if (!isFree) throw problem('email_taken');
    await endRegistrationsOf(tx, user.emailKey);
    await recordOwn(deps, tx, user.id, 'user.registered');
    await enqueueVerifyMail(deps, tx, { userId: user.id, emailKey: user.emailKey });
    const toCreate = { organizationId: newId(deps.random, deps.clock), ownerId: user.id, actorId: user.id };
    const created: CreatedOrganization | null =
      slug && input.organizationName !== null
        ? await insertOrganization(deps, tx, { ...toCreate, name: input.organizationName, slug })
        : null;
    if (slug && !created) throw problem('slug_taken'); // no account without the requested organization
    const session = { userId: user.id, organization: created?.organization.id ?? null, amr: ['pwd'] };
    const pending = await storeSession(deps, tx, { ...session, device: input.device });
    const subscription = created?.subscription ?? null;
    const signed = async () => ({ ...(await answerSession(deps, pending)), subscription });
    return { pending, answer: await keepSession(once, tx, pending, signed) };
  }

  return deps.db.system(write);
}

function passwordContext(email: string, { name, organizationName }: Register) {
  return organizationName === null ? { email, name } : { email, name, organizationName };
}
