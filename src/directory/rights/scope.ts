// The scope of a role assignment. It limits where the role grants its permissions. A scope is a flat object of names
// and values, and `{}` means everywhere. The functions are pure.

export type ScopeValue = string | number | boolean;
export type Scope = Readonly<Record<string, ScopeValue>>;

/** The maximum length of a scope in the database. */
export const SCOPE_BYTES_MAX = 2048;

/**
 * The length of the scope as PostgreSQL writes it, in JSON with a space after every colon and every comma, or one byte
 * more.
 */
export function scopeBytes(scope: Scope): number {
  return Buffer.byteLength(JSON.stringify(scope)) + 2 * Object.keys(scope).length;
}

/**
 * Returns a text that is equal for two scopes exactly when the scopes are equal. The order of their keys does not
 * matter.
 */
export function scopeKey(scope: Scope): string {
  const members = Object.entries(scope).sort(([one], [other]) => (one < other ? -1 : 1));
  return JSON.stringify(members);
}
