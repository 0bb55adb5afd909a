// The parts of a request that an operation may use, the answer that it prepares, and the work of the request. Each part
// is computed only when it is read, because most routes read few parts.
import type {} from '@fastify/cookie'; // declares the type of parseCookie
import type { FastifyReply, FastifyRequest } from 'fastify';
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
import { deadlineOf } from './deadline.ts';
import type { Answer, RequestInfo } from './endpoint.ts';
import type { LimitedWork } from './limit-around.ts';
import { WORK, type WorkNote } from './problems.ts';
import { type DrawLimit, networkOf } from './rate-limit.ts';

const USER_AGENT_LENGTH_MAX = 256;

/** The service client of a request that has no caller. */
export interface NamedClient {
  readonly clientId?: string;
  readonly claimedClientId?: string;
}

/** The RequestInfo of one Fastify request. */
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
    const named: NamedClient = isProven ? { clientId: id } : { claimedClientId: id };
    this.#request.setDecorator('serviceClient', named);
  }
  draw(limit: 'organization' | 'client', key: string): Promise<void> {
    return this.#draw(this.#request, this.#reply, limit, `${limit} ${key}`);
  }
  limitSession<T>(limited: LimitedWork<T>): Promise<T> {
    return this.#draw.around(this.#request, this.#reply, { ...limited, key: `session ${limited.key}` });
  }
}

/**
 * The headers and the status that an operation sets. They are applied only when the answer is sent, so that a late
 * operation has no effect.
 */
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

/** Whose share a caller takes. */
function subjectOf(caller: Principal): string {
  if (caller.organizationId !== null) return organizationSubject(caller.organizationId);
  return caller.kind === 'client' ? clientSubject(caller.id) : userSubject(caller.id);
}

/**
 * The work of one request: for whom it runs (platform/requester.ts), and what is known about it. It counts for the
 * network of the sender until the caller is known, and then for the organization that the caller acts for. A caller
 * without an organization counts alone.
 */
export class RequestWork implements Requester, WorkNote {
  readonly #request: FastifyRequest;
  #subject: string | null = null;
  #operation: 'not begun' | 'running' | 'ended' = 'not begun';
  isSent = false;

  constructor(request: FastifyRequest) {
    this.#request = request;
  }

  get subject(): string {
    this.#subject ??= networkSubject(networkOf(this.#request.ip)); // most work of strangers takes no share
    return this.#subject;
  }

  /** From now on the work counts for this caller. */
  isFor(caller: Principal): void {
    this.#subject = subjectOf(caller);
  }

  get isUnchanged(): boolean {
    return this.#operation === 'not begun' || (this.#operation === 'ended' && !this.isSent);
  }

  /** The operation begins. What the guard has sent before does not count. */
  begin(): void {
    this.isSent = false;
    this.#operation = 'running';
  }

  end(): void {
    this.#operation = 'ended';
  }

  onGone(listener: () => void): () => void {
    return deadlineOf(this.#request).onClose(listener);
  }
}

/** The work of a request. Every call for one request returns the same object. */
export function workOf(request: FastifyRequest): RequestWork {
  const known = request.getDecorator<RequestWork | null>(WORK);
  if (known) return known;
  const work = new RequestWork(request);
  request.setDecorator(WORK, work);
  return work;
}
