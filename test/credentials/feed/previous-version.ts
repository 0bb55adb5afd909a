// What a verifier of the previous version does with the feed and with tokens: a shortened copy of its code, which is
// never changed. The previous version knows no event about a membership, a role or a key.

type Json = Record<string, unknown>;

const isId = (value: unknown): value is string =>
  typeof value === 'string' && /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** Returns the event, or null for an unknown kind or shape. */
export function formerRevocationOf(value: unknown): Json | null {
  if (typeof value !== 'object' || value === null) return null;
  const { kind, sid, sub, client_id, epoch, org, state, at, not_before } = value as Json;
  if (kind === 'session') return isId(sid) ? { kind, sid } : null;
  if (kind === 'user') return isId(sub) && isCount(epoch) ? { kind, sub, epoch } : null;
  if (kind === 'client') return isId(client_id) && isCount(epoch) ? { kind, client_id, epoch } : null;
  if (kind === 'everything') return isCount(not_before) ? { kind, not_before } : null;
  if (kind !== 'organization' || !isId(org) || typeof at !== 'number' || !Number.isFinite(at)) return null;
  return state === 'active' || state === 'suspended' ? { kind, org, state, at } : null;
}

/** Returns the events in an entry of the stream. If `asksForMore` is true, the replica reads PostgreSQL. */
export function formerReadEntry(fields: unknown): { readonly events: readonly Json[]; readonly asksForMore: boolean } {
  const [name, value] = Array.isArray(fields) ? fields : [];
  if (name !== 'events') return { events: [], asksForMore: true };
  const listed = JSON.parse(String(value)) as unknown[];
  const events = listed.map(formerRevocationOf).filter((event) => event !== null);
  return { events, asksForMore: events.length < listed.length };
}

/** Opens a verifier that has read nothing yet. */
export function openFormerVerifier() {
  const sessions = new Set<unknown>();
  const epochs = new Map<unknown, number>();
  let misses = false;
  let isComplete = false;

  function takeEvent(value: unknown): void {
    const event = formerRevocationOf(value);
    if (!event) misses = true;
    else if (event.kind === 'session') sessions.add(event.sid);
    else if (event.kind === 'user' || event.kind === 'client') {
      const id = event.sub ?? event.client_id;
      epochs.set(id, Math.max(Number(event.epoch), epochs.get(id) ?? 0));
    }
  }

  return {
    /** Takes a server-sent event. */
    take({ event, data }: { readonly event: string; readonly data: object }): void {
      if (event === 'snapshot') {
        const { events, more } = data as { events: unknown[]; more?: boolean };
        misses = false;
        for (const entry of events) takeEvent(entry);
        isComplete = more !== true && !misses;
      } else if (event === 'revocation') takeEvent(data);
      if (misses) isComplete = false;
    },
    /** Whether the verifier has every revocation. If not, it refuses or introspects every token. */
    isComplete: () => isComplete,
    judge(claims: Json): 'session_revoked' | 'token_stale' | 'invalid_token' | null {
      const { sub, sid, epoch, org, roles, permissions } = claims;
      const isShaped = isId(sub) && isId(sid) && isCount(epoch) && Array.isArray(claims.amr);
      if (!isShaped || (org !== undefined && !(isId(org) && Array.isArray(roles) && Array.isArray(permissions)))) {
        return 'invalid_token';
      }
      if (sessions.has(sid)) return 'session_revoked';
      return Number(epoch) < (epochs.get(sub) ?? 0) ? 'token_stale' : null;
    },
  };
}
