// The scope of a role assignment, which limits where the role grants: a flat object of names and values. {} means
// everywhere. Pure.

export type ScopeValue = string | number | boolean;
export type Scope = Readonly<Record<string, ScopeValue>>;

/** The longest scope that the database accepts. */
export const SCOPE_BYTES_MAX = 2048;

/** The length of the scope as PostgreSQL writes it: JSON with a space after every colon and comma. */
export function scopeBytes(scope: Scope): number {
  return Buffer.byteLength(JSON.stringify(scope)) + 2 * Object.keys(scope).length;
}

/** A text that is the same for two scopes exactly when they are equal. The order of their members does not matter. */
export function scopeKey(scope: Scope): string {
  const members = Object.entries(scope).sort(([one], [other]) => (one < other ? -1 : 1));
  return JSON.stringify(members);
}
