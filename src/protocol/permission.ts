// How permissions match. A permission is `resource:action`. Each part is a name or `*`.

const PART = '(?:[a-z][a-z0-9_-]{0,39}|\\*)';
export const PERMISSION_PATTERN = new RegExp(`^${PART}:${PART}$`);

/** The patterns that cover a permission, the narrowest first. */
export function coveringPatterns(wanted: string): readonly string[] {
  const [resource, action] = wanted.split(':');
  return [wanted, `${resource}:*`, `*:${action}`, '*:*'];
}

/**
 * Whether one of the held permissions (wildcards allowed) covers the wanted permission. The comparison is exact and
 * case-sensitive.
 */
export function permits(held: readonly string[], wanted: string): boolean {
  return coveringPatterns(wanted).some((pattern) => held.includes(pattern));
}

/** Permissions as a token has them: sorted and without repeats. */
export function canonicalPermissions(permissions: Iterable<string>): string[] {
  return [...new Set(permissions)].sort();
}
