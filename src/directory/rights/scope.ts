// Where an assignment of a role grants: a flat object of names and values, {} for everywhere. Pure.

export type ScopeValue = string | number | boolean;
export type Scope = Readonly<Record<string, ScopeValue>>;

/** What the database takes of it. */
export const SCOPE_BYTES_MAX = 2048;

/** How many bytes PostgreSQL writes it with: as JSON, with a blank after every colon and comma. */
export function scopeBytes(scope: Scope): number {
  return Buffer.byteLength(JSON.stringify(scope)) + 2 * Object.keys(scope).length;
}

/** The same text for equal scopes, whatever the order of their members, and for no others. */
export function scopeKey(scope: Scope): string {
  const members = Object.entries(scope).sort(([one], [other]) => (one < other ? -1 : 1));
  return JSON.stringify(members);
}
