// Mounts one endpoint: the guard before the body is read, then validation, the operation, and the answer held to its
// schema.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { type FieldIssue, problem } from '../errors.ts';
import type { Caller } from '../protocol/caller.ts';
import { permits } from '../protocol/permission.ts';
import { RequestClient } from './client.ts';
import { type Endpoint, isEndpoint } from './endpoint.ts';
import { type DrawLimit, networkOf } from './rate-limit.ts';

/** Marks the routes that came from endpoints. */
export const ROUTE_MARK = Symbol('endpoint');

export interface Guard {
  readonly authenticate: (authorization: string | undefined) => Promise<Caller>;
  readonly draw: DrawLimit;
}

const ID_BODY_BYTES_MAX = 16 * 1024;

/** Registers the endpoint with the server. Raises unless `endpoint()` made it. */
export function mountEndpoint(app: FastifyInstance, declared: Endpoint, guard: Guard): void {
  if (!isEndpoint(declared)) throw new Error(`${declared.method} ${declared.url} was not declared by endpoint()`);
  app.route({
    method: declared.method,
    url: declared.url,
    config: { mark: ROUTE_MARK } as object,
    bodyLimit: declared.bodyBytesMax ?? (declared.limit === 'sign_in' ? ID_BODY_BYTES_MAX : 64 * 1024),
    onRequest: async (request, reply) => {
      await admit(declared, guard, request, reply);
    },
    handler: async (request, reply) => {
      const caller = request.getDecorator<Caller | null>('caller');
      const status = Number(Object.keys(declared.reply)[0]);
      reply.code(status);
      const result = await declared.handle({
        caller,
        body: declared.body && validate(declared.body, bodyOf(declared, request), ''),
        query: validate(declared.query ?? NOTHING, request.query, 'query'),
        params: validate(declared.params ?? ANYTHING, request.params, 'path'),
        client: new RequestClient(request, reply, guard.draw),
        answer: { header: (name, value) => void reply.header(name, value), status: (code) => void reply.code(code) },
      });
      return send(declared, reply, result);
    },
  });
}

const NOTHING = z.strictObject({});
const ANYTHING = z.looseObject({});

/** Before the body is read: an open route draws on the network's allowance, any other on its principal's. */
async function admit(declared: Endpoint, guard: Guard, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  if (declared.access.kind === 'open' && declared.limit === 'none') return;
  const network = `ip ${networkOf(request.ip)}`;
  if (declared.access.kind === 'open') {
    if (declared.limit === 'sign_in') await guard.draw(request, reply, 'signIn', `${declared.id} ${network}`);
    else await guard.draw(request, reply, 'other', `${declared.limit} ${network}`);
    return;
  }
  let caller: Caller;
  try {
    caller = await guard.authenticate(request.headers.authorization);
  } catch (refused) {
    await guard.draw(request, reply, 'other', network); // guessing is bounded, too
    throw refused;
  }
  request.setDecorator('caller', caller);
  await guard.draw(request, reply, 'other', `user ${caller.id}`);
  if (declared.access.kind === 'needs') {
    if (caller.organizationId === null) throw problem('organization_required');
    if (!permits(caller.permissions, declared.access.permission)) throw problem('permission_denied');
  }
}

function bodyOf(declared: Endpoint, request: FastifyRequest): unknown {
  if (request.body === undefined && declared.bodyOptional) return {};
  return request.body;
}

function validate(schema: z.ZodType, value: unknown, place: string): unknown {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues: FieldIssue[] = parsed.error.issues.slice(0, 20).flatMap((issue) => {
    if (issue.code !== 'unrecognized_keys') return { path: pathOf(place, issue.path), message: issue.message };
    return issue.keys
      .slice(0, 20)
      .map((key) => ({ path: pathOf(place, [...issue.path, key.slice(0, 100)]), message: 'is not known here' }));
  });
  throw problem('validation_failed', { issues });
}

function pathOf(place: string, path: readonly PropertyKey[]): string {
  return [place, ...path.map(String)].filter((part) => part !== '').join('.');
}

function send(declared: Endpoint, reply: FastifyReply, result: unknown): FastifyReply {
  const schema = declared.reply[reply.statusCode];
  if (!(schema instanceof z.ZodType)) return reply.send(result ?? '');
  // What the schema does not name is not sent: an operation cannot leak by returning too much.
  const body = JSON.stringify(schema.parse(result));
  return reply
    .type('application/json; charset=utf-8')
    .serializer((text: string) => text)
    .send(body);
}
