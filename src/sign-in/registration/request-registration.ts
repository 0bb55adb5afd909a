// Somebody registers, and the mailbox is not proven yet (REGISTRATION_MODE=verified). Nothing that can be used exists
// before the proof. The answer, its work and its time are the same for every address: nothing here asks whether the
// address has an account. The mail finds that out when it is due.
import type { Database } from '../../base/database/db.ts';
import { invalid, problem } from '../../base/errors/problem.ts';
import { type Once, WITHOUT_KEY } from '../../base/idempotency/once.ts';
import type { Language } from '../../base/page-kit/language.ts';
import type { Clock } from '../../base/platform/clock.ts';
import { newId, type Random } from '../../base/platform/random.ts';
import type { Passwords } from '../../credentials/passwords/hashing.ts';
import type { PasswordPolicy } from '../../credentials/passwords/policy.ts';
import { findOrganizationId } from '../../directory/organizations/store.ts';
import { parseEmail } from '../../directory/users/email.ts';
import type { RequestCount } from '../mailbox-proof/request-count.ts';
import { enqueueRegistrationMail } from './mail.ts';
import { insertRegistration } from './store.ts';

export interface RequestRegistrationDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly random: Random;
  readonly passwords: Passwords;
  readonly passwordPolicy: PasswordPolicy;
  /** Limits how often one network registers one address. */
  readonly registrations: RequestCount;
}

export interface RequestRegistration {
  readonly email: string;
  readonly password: string;
  readonly name: string;
  readonly organizationName: string | null;
  readonly organizationSlug: string | null;
  /** The language of the request; null when it is unknown. */
  readonly locale: Language | null;
  /** The network of the request. */
  readonly network: string;
}

/**
 * Stores the registration and requests its mail. Beyond the budgets of the address it does the same work, and stores
 * and sends nothing. Returns the id with which the code of the mail proves the registration. Raises validation_failed,
 * slug_taken and service_busy, none of which shows whether the address has an account.
 */
export async function requestRegistration(
  deps: RequestRegistrationDeps,
  input: RequestRegistration,
  once: Once = WITHOUT_KEY,
): Promise<string> {
  const { password, name, organizationName, organizationSlug, locale, network } = input;
  const email = parseEmail(input.email);
  if (!email) throw invalid('email', 'must be one e-mail address such as ada@example.com');
  const context = { email: email.address, name, ...(organizationName !== null && { organizationName }) };
  await deps.passwordPolicy.assertGood(password, context);
  if (organizationSlug !== null && (await findOrganizationId(deps.db.systemReader(), organizationSlug))) {
    throw problem('slug_taken');
  }
  const passwordHash = await deps.passwords.hash(password);
  const isAllowed = deps.registrations.admit(email.key, network);
  const id = newId(deps.random, deps.clock);
  const organization = organizationName === null ? null : { name: organizationName, slug: organizationSlug };
  return deps.db.system(async (tx) => {
    await once.begin(tx);
    const isStored = await enqueueRegistrationMail(deps, tx, { id, emailKey: email.key, isAllowed });
    await insertRegistration(tx, { id, email, name, organization, passwordHash, locale }, isStored);
    return once.keep(tx, id);
  });
}
