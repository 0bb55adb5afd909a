// HTTP of the feed: one JSON document, or server-sent events if the client prefers them.
import { z } from 'zod';
import { invalid, problem } from '../../base/errors/problem.ts';
import { preferredType } from '../../base/headers/accept.ts';
import { client, type Endpoint, endpoint } from '../../base/http/endpoint.ts';
import { bearerToken } from '../../protocol/bearer.ts';
import type { ClientCaller } from '../../protocol/caller.ts';
import { type AccessTokenDeps, verifyAccessToken } from '../tokens/access.ts';
import { PLAUSIBLE_CURSOR } from './cursor.ts';
import type { Feed } from './feed.ts';

export interface FeedRouteDeps extends Omit<AccessTokenDeps, 'random'> {
  readonly feed: Feed;
}

const NO_CURSOR = 'must be a cursor as the feed gave it';
const Cursor = z.string().regex(PLAUSIBLE_CURSOR, NO_CURSOR);

const Event = z
  .union([
    z.strictObject({ kind: z.literal('session'), sid: z.uuid() }),
    z.strictObject({
      kind: z.literal('user'),
      sub: z.uuid(),
      epoch: z.int(),
      org: z.uuid().optional().meta({
        description: 'The same event as `membership`, for consumers that do not know that kind: they may ignore `org`.',
      }),
    }),
    z.strictObject({ kind: z.literal('membership'), sub: z.uuid(), org: z.uuid(), epoch: z.int() }),
    z.strictObject({ kind: z.literal('role'), org: z.uuid(), role: z.string(), epoch: z.int() }),
    z.strictObject({ kind: z.literal('client'), client_id: z.uuid(), epoch: z.int() }),
    z.strictObject({
      kind: z.literal('organization'),
      org: z.uuid(),
      state: z.enum(['active', 'suspended']),
      at: z.number().meta({ description: 'Milliseconds since 1970. Of two changes the later one counts.' }),
    }),
    z.strictObject({
      kind: z.literal('key'),
      kid: z
        .string()
        .meta({ description: 'The `kid` of a revoked signing key: every token that it signed is refused.' }),
    }),
    z.strictObject({
      kind: z.literal('everything'),
      not_before: z.int().meta({ description: 'Seconds since 1970: tokens issued before it are refused.' }),
    }),
  ])
  .meta({ id: 'Revocation', description: 'Which tokens to refuse before they expire.' });

const Snapshot = z
  .strictObject({
    data: z.strictObject({
      cursor: Cursor.meta({ description: 'The value for `after` or `Last-Event-ID`.' }),
      snapshot: z
        .boolean()
        .meta({ description: 'True: all events. False: the events since `after`, some of which may be repeated.' }),
      events: z.array(Event),
    }),
  })
  .meta({ id: 'Revocations' });

const STREAM = z.string().meta({
  description:
    'Server-sent events: `snapshot` first (those that say `"more": true` are parts of one), or with a valid `Last-Event-ID` the missed events; then `revocation` as they happen (`extended` for kinds that were added later), and `heartbeat` every 3 seconds while the replica knows every event.',
});

const JSON_TYPE = 'application/json';
const STREAM_TYPE = 'text/event-stream';

export function feedRoutes(deps: FeedRouteDeps): Endpoint[] {
  return [
    endpoint({
      method: 'GET',
      url: '/api/v1/revocations',
      access: client('revocations:read'),
      id: 'listRevocations',
      summary: 'Return which tokens to refuse, once or as a stream',
      tag: 'Revocations',
      query: z.strictObject({ after: Cursor.optional() }),
      streams: true,
      reply: { 200: { mediaType: JSON_TYPE, schema: Snapshot, or: { mediaType: STREAM_TYPE, schema: STREAM } } },
      problems: ['not_acceptable', 'revocations_stale'],
      handle: async ({ caller, query, request: { accept, authorization, lastEventId }, answer }) => {
        answer.header('vary', 'Accept');
        const type = preferredType(accept, [JSON_TYPE, STREAM_TYPE]);
        if (type === null) throw problem('not_acceptable');
        if (type === JSON_TYPE) {
          const document = await deps.feed.document(caller, query.after ?? null);
          answer.header('content-type', `${JSON_TYPE}; charset=utf-8`);
          return document;
        }
        // A client that reconnects repeats the query and sends its newest cursor in the header Last-Event-ID.
        const after = cursorIn(lastEventId) ?? query.after ?? null;
        const expiresAt = await endOf(deps, caller, authorization);
        const stream = await deps.feed.stream({ client: caller, expiresAt }, after);
        answer.header('content-type', STREAM_TYPE);
        answer.header('cache-control', 'no-store, no-transform');
        answer.header('x-accel-buffering', 'no');
        answer.header('connection', 'close'); // no second request uses this connection
        return stream;
      },
    }),
  ];
}

/**
 * The cursor in the header Last-Event-ID; null without the header. An empty header counts as absent (HTML, §9.2).
 * Raises validation_failed for a malformed cursor.
 */
function cursorIn(lastEventId: string | undefined): string | null {
  if (lastEventId === undefined || lastEventId === '') return null;
  if (PLAUSIBLE_CURSOR.test(lastEventId)) return lastEventId;
  throw invalid('Last-Event-ID', NO_CURSOR);
}

/** When the token of an accepted request expires, in seconds since 1970; 0 if it is not valid any more. */
async function endOf(deps: FeedRouteDeps, caller: ClientCaller, authorization = ''): Promise<number> {
  const verified = await verifyAccessToken(deps, bearerToken(authorization) ?? '');
  return verified?.caller.id === caller.id ? verified.expiresAt : 0;
}
