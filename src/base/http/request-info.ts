// The parts of a request that an operation may use, the answer that it prepares, and the requester of the request. Each
// part is computed only when it is read, because most routes read few parts.
import type {} from '@fastify/cookie'; // declares the type of parseCookie
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Principal } from '../../protocol/caller.ts';
import { namedTenants } from '../headers/tenant.ts';
import {
  clientSubject,
  networkSubject,
  organizationSubject,
  type Requester,
  userSubject,
} from '../platform/requester.ts';
import { isVisible } from '../platform/visible.ts';
import type { Answer, RequestInfo } from './endpoint.ts';
import { type DrawLimit, networkOf } from './rate-limit.ts';

const USER_AGENT_LENGTH_MAX = 256;

/** Returns the RequestInfo of one Fastify request. */
export class FastifyRequestInfo implements RequestInfo {
  readonly #request: FastifyRequest;
  readonly #reply: FastifyReply;
  readonly #draw: DrawLimit;

  constructor(request: FastifyRequest, reply: FastifyReply, draw: DrawLimit) {
    this.#request = request;
    this.#reply = reply;
    this.#draw = draw;
  }

  #header(name: string): string | undefined {
    const value = this.#request.headers[name];
    return typeof value === 'string' ? value : undefined;
  }

  get ip(): string {
    return this.#request.ip ?? 'unknown';
  }
  get network(): string {
    return networkOf(this.#request.ip);
  }
  get userAgent(): string | null {
    const shown = this.#header('user-agent')
      ?.replace(/[^\x20-\x7e]/g, '?')
      .slice(0, USER_AGENT_LENGTH_MAX);
    return shown !== undefined && isVisible(shown) ? shown : null;
  }
  get authorization(): string | undefined {
    return this.#header('authorization');
  }
  get origin(): string | undefined {
    return this.#header('origin');
  }
  get fetchSite(): string | undefined {
    return this.#header('sec-fetch-site');
  }
  get ifNoneMatch(): string | undefined {
    return this.#header('if-none-match');
  }
  get accept(): string | undefined {
    return this.#header('accept');
  }
  get acceptLanguage(): string | undefined {
    return this.#header('accept-language');
  }
  get target(): string {
    return this.#request.url;
  }
  get lastEventId(): string | undefined {
    return this.#header('last-event-id');
  }
  get requiredPermission(): string | undefined {
    return this.#header('x-required-permission');
  }
  get tenants(): readonly string[] {
    return namedTenants(this.#request.headers);
  }
  cookie(name: string): string | undefined {
    return this.#request.server.parseCookie(this.#header('cookie') ?? '')[name];
  }
  noteServiceClient(id: string, isProven: boolean): void {
    this.#request.setDecorator('serviceClient', { [isProven ? 'clientId' : 'claimedClientId']: id });
  }
  draw(limit: 'session' | 'organization' | 'client', key: string): Promise<void> {
    return this.#draw(this.#request, this.#reply, limit, `${limit} ${key}`);
  }
}

/** What an operation sets of its answer. It is applied only when the answer is sent, so that a late one has no effect. */
export class PreparedAnswer implements Answer {
  readonly #headers: (readonly [name: string, value: string])[] = [];
  #status: number | null = null;

  header(name: string, value: string): void {
    this.#headers.push([name, value]);
  }
  status(code: number): void {
    this.#status = code;
  }
  applyTo(reply: FastifyReply): void {
    for (const [name, value] of this.#headers) reply.header(name, value);
    if (this.#status !== null) reply.code(this.#status);
  }
}

const REQUESTER = 'requester';

/**
 * Prepares the requests of a server for `requesterOf`. A WeakMap would keep every request until the next collection of
 * the whole heap, because its values refer to its keys.
 */
export function keepRequesters(app: FastifyInstance): void {
  app.decorateRequest(REQUESTER, null);
}

/**
 * For whom a request runs (platform/requester.ts). A request counts for the network of its sender until the caller is
 * known, and then for the organization that the caller acts for. A caller without an organization counts alone. Every
 * call for one request returns the same object.
 */
export function requesterOf(request: FastifyRequest, reply: FastifyReply): Requester {
  const known = request.getDecorator<Requester | null>(REQUESTER);
  if (known) return known;
  const requester: Requester = {
    subject: networkSubject(networkOf(request.ip)),
    onGone: (listener) => onClosed(reply, listener),
  };
  request.setDecorator(REQUESTER, requester);
  return requester;
}

/** Calls the listener when the connection ends, or when the answer has been sent because the time was over. */
function onClosed({ raw }: FastifyReply, listener: () => void): () => void {
  if (raw.closed) {
    listener();
    return () => undefined;
  }
  raw.once('close', listener);
  return () => raw.off('close', listener);
}

/** Whose share a caller takes. */
export function subjectOf(caller: Principal): string {
  if (caller.organizationId !== null) return organizationSubject(caller.organizationId);
  return caller.kind === 'client' ? clientSubject(caller.id) : userSubject(caller.id);
}
