// Makes the answer of an endpoint from what its operation returns: the body by the schema of the reply, and the ETag.
// Also evaluates the conditions of the request, and runs the operation at most once for an Idempotency-Key.
import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Principal } from '../../protocol/caller.ts';
import { problem } from '../errors/problem.ts';
import {
  assertConditions,
  assertUnversioned,
  type Conditions,
  isConditional,
  knownTags,
  readConditions,
} from '../headers/conditions.ts';
import { etagOf, matchesStrongly, matchesWeakly } from '../headers/etag.ts';
import { namedTenants } from '../headers/tenant.ts';
import type { Answered, Idempotency, KeyedCaller, KeyedRequest } from '../idempotency/idempotency.ts';
import { readIdempotencyKey } from '../idempotency/key.ts';
import { WITHOUT_KEY } from '../idempotency/once.ts';
import { canonicalJson } from '../idempotency/seal.ts';
import { type Access, type Answer, changesVersioned, type Endpoint, type HandlerInput, statusOf } from './endpoint.ts';

type Input = HandlerInput<Principal | null, unknown, unknown, unknown>;

/** An answer whose status, headers and body are final. */
class Prepared {
  readonly answered: Answered & { readonly isReplayed: boolean };
  constructor(answered: Answered & { readonly isReplayed: boolean }) {
    this.answered = answered;
  }
}

interface Rendered {
  readonly body: string;
  /** Null when the answer has no ETag. */
  readonly etag: string | null;
}

/** Sends what the operation has returned. */
export function send(declared: Endpoint, request: FastifyRequest, reply: FastifyReply, result: unknown): void {
  if (result instanceof Prepared) {
    const { status, headers, body, isReplayed } = result.answered;
    reply.code(status).headers(headers);
    if (isReplayed) reply.header('idempotency-replayed', 'true');
    sendJson(reply, body);
    return;
  }
  // The listener also runs when nothing is sent, which happens for a HEAD request or when the connection is already
  // closed.
  if (result instanceof Readable) reply.raw.once('close', () => result.destroy());
  const rendered = render(declared, reply.statusCode, result);
  if (!rendered) {
    reply.send(result ?? '');
    return;
  }
  const { body, etag } = rendered;
  if (etag !== null) {
    reply.header('etag', etag);
    if (declared.method === 'GET' && isKnown(request, etag)) {
      reply.code(304).send();
      return;
    }
  }
  sendJson(reply, body);
}

const unchanged = (text: string) => text;

function sendJson(reply: FastifyReply, body: string): void {
  reply.type('application/json; charset=utf-8').serializer(unchanged).send(body);
}

/** The body of an answer with this status; null when the reply is not JSON. */
function render(declared: Endpoint, status: number, result: unknown): Rendered | null {
  const schema = declared.reply[status];
  if (!(schema instanceof z.ZodType)) return null;
  // Members that the schema does not name are not sent, so an operation that returns too much leaks nothing.
  const body = JSON.stringify(schema.parse(result));
  const { versioned } = declared;
  if (versioned === undefined) return { body, etag: null };
  return { body, etag: etagOf(versioned === true ? body : JSON.stringify(versioned.parse(result))) };
}

const UNCONDITIONAL: Conditions = { match: null, noneMatch: null };

function conditionsOf(declared: Endpoint, request: FastifyRequest): Conditions {
  const { headers } = request.raw;
  if (headers['if-match'] === undefined && headers['if-none-match'] === undefined) return UNCONDITIONAL;
  if (declared.method === 'GET' || declared.wire === 'oauth' || declared.ignoresConditions) return UNCONDITIONAL;
  const conditions = readConditions({ headers: request.headers, rawHeaders: request.raw.rawHeaders });
  if (!changesVersioned(declared)) assertUnversioned(conditions);
  return conditions;
}

/**
 * Evaluates the conditions of a GET. Returns true when the caller already has the representation, so that the answer is
 * 304. Raises precondition_failed.
 */
function isKnown(request: FastifyRequest, etag: string): boolean {
  const { headers } = request.raw;
  if (headers['if-match'] === undefined && headers['if-none-match'] === undefined) return false;
  const { match } = readConditions({
    headers: { 'if-match': request.headers['if-match'] },
    rawHeaders: request.raw.rawHeaders,
  });
  if (match !== null && !matchesStrongly(match, etag)) throw problem('precondition_failed');
  const known = knownTags(request.headers['if-none-match']);
  return known !== null && matchesWeakly(known, etag);
}

export interface Guarded extends Pick<Input, 'once' | 'assertVersion'> {
  /** Raises when the operation has ignored an Idempotency-Key or a condition. */
  assertUsed(): void;
}

const MISUSED =
  'Only an endpoint that is idempotent calls `once`, and only a change of a versioned one `assertVersion`';

/** For endpoints that take no key and change nothing that is versioned. */
const UNGUARDED: Guarded = {
  async once() {
    throw new Error(MISUSED);
  },
  async assertVersion() {
    throw new Error(MISUSED);
  },
  assertUsed() {},
};

/** Returns the functions by which the operation of this request uses its key and its conditions. */
export function guardChange(
  declared: Endpoint,
  idempotency: Idempotency | undefined,
  request: FastifyRequest,
  input: Pick<Input, 'caller' | 'body' | 'query' | 'params' | 'answer'>,
): Guarded {
  const conditions = conditionsOf(declared, request);
  if (!declared.idempotent && !changesVersioned(declared)) return UNGUARDED;
  const key = declared.idempotent
    ? readIdempotencyKey({ headers: request.headers, rawHeaders: request.raw.rawHeaders })
    : null;
  let ran = false;
  let judged = false;
  return {
    async assertVersion(current) {
      judged = true;
      if (!isConditional(conditions)) return;
      const data = { data: await current() };
      const { versioned } = declared;
      const schema = versioned === true ? declared.reply[statusOf(declared)] : versioned;
      if (!(schema instanceof z.ZodType)) throw new Error(`${declared.id} has no representation`);
      assertConditions(conditions, etagOf(JSON.stringify(schema.parse(data))));
    },
    async once(work, toReply = (result) => ({ data: result }), assertMayRepeat) {
      ran = true;
      if (key === null) return toReply(await work(WITHOUT_KEY), input.answer);
      if (!idempotency) throw new Error('The server has no store for the answers of idempotent requests');
      const keyed = { ...keyedRequest(declared, key, request, input), assertMayRepeat };
      const answered = await idempotency.run(keyed, async (slot) => {
        let prepared: Answered | undefined;
        const result = await work({
          isKept: true,
          begin: slot.begin,
          async keep(tx, kept) {
            prepared = prepare(declared, (answer) => toReply(kept as never, answer));
            await slot.keep(tx, prepared);
            return kept;
          },
        });
        return prepared ?? prepare(declared, (answer) => toReply(result, answer));
      });
      return new Prepared(answered);
    },
    assertUsed() {
      const isIgnored = (key !== null && !ran) || (isConditional(conditions) && changesVersioned(declared) && !judged);
      if (isIgnored) throw new Error(`${declared.id} ignored an Idempotency-Key or a condition`);
    },
  };
}

/** Makes the answer that is kept, with the headers that the operation sets. */
function prepare(declared: Endpoint, toReply: (answer: Answer) => unknown): Answered {
  const headers: Record<string, string> = {};
  let status = statusOf(declared);
  const reply = toReply({
    header(name, value) {
      headers[name.toLowerCase()] = value;
    },
    status(code) {
      status = code;
    },
  });
  const rendered = render(declared, status, reply);
  if (!rendered) throw new Error(`${declared.id} has no JSON reply ${status}, so its answer cannot be kept`);
  if (rendered.etag !== null) headers.etag = rendered.etag;
  return { status, headers, body: rendered.body };
}

function keyedRequest(
  declared: Endpoint,
  key: string,
  request: FastifyRequest,
  { caller, query, params }: Pick<Input, 'caller' | 'query' | 'params'>,
): KeyedRequest {
  const { method, url, access } = declared;
  // A route for all signed-in users acts for no particular organization, and the organization of the token may change
  // between two attempts.
  const organizationId = access.kind === 'signed_in' ? null : (caller?.organizationId ?? null);
  const who = caller === null ? 'anybody' : `${caller.kind} ${caller.id}`;
  // The body is taken as it was sent. What validation makes of it may differ between versions of the service.
  const content = canonicalJson([params, query, namedTenants(request.headers), request.body ?? {}]);
  return {
    key,
    scope: `${who} in ${organizationId ?? 'none'} ${method} ${url}`,
    caller: caller && keyedCaller(caller, access),
    organizationId,
    content,
  };
}

function keyedCaller(caller: Principal, access: Access): KeyedCaller {
  // endpoint() refuses to declare an idempotent route for service clients.
  if (caller.kind !== 'user') throw new Error('The kept answers of service clients are not judged');
  const permission = access.kind === 'needs' ? access.permission : null;
  return { id: caller.id, sessionId: caller.sessionId, keyId: caller.keyId, permission };
}
