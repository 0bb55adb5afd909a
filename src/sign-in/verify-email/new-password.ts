// The password that somebody chooses together with the proof of an e-mail.
import { invalid } from '../../base/errors/problem.ts';
import type { Passwords } from '../../credentials/passwords/hashing.ts';
import type { PasswordPolicy } from '../../credentials/passwords/policy.ts';

export interface NewPasswordDeps {
  readonly passwords: Passwords;
  readonly passwordPolicy: PasswordPolicy;
}

/** The hash of the new password; null for null. Raises validation_failed for a weak one, and service_busy. */
export async function hashNewPassword(
  { passwords, passwordPolicy }: NewPasswordDeps,
  newPassword: string | null,
  email: string,
): Promise<string | null> {
  if (newPassword === null) return null;
  const weakness = await passwordPolicy.judge(newPassword, { email, name: '' });
  if (weakness) throw invalid('newPassword', weakness.message);
  return passwords.hash(newPassword);
}
