// A page is a declaration of path, access, form and limit, with one function that shows it and, for a page with a form,
// one that does what the form asks for. `page()` is the only way to create one. It makes a route that shows the page,
// and, for a page with a form, a route of the same URL to which the form is sent.
import type { Readable } from 'node:stream';
import { z } from 'zod';
import { validate } from '../bodies/validate.ts';
import { Problem, problem } from '../errors/problem.ts';
import { isNonce } from '../page-kit/browser-key.ts';
import { type Attempt, FRESH, NONCE_FIELD } from '../page-kit/form.ts';
import { Html } from '../page-kit/html.ts';
import { openView, type View } from '../page-kit/kit.ts';
import {
  type Answer,
  type CallerOf,
  type Endpoint,
  endpoint,
  type HandlerInput,
  type PageAccess,
  type RequestInfo,
} from './endpoint.ts';
import { pagePolicy } from './security-headers.ts';
import './wire.ts'; // sets the messages for missing fields

/** Everyone may open the page. The caller is null for somebody who is not signed in. */
export const visitor = () => ({ kind: 'visitor' }) as const;
/** The page is for browsers that are signed in. Any other browser is sent to the page where people sign in. */
export const browser = () => ({ kind: 'browser' }) as const;

/** Sends the browser to another page, which the browser requests with GET. */
export class Redirect {
  readonly location: string;
  constructor(location: string) {
    this.location = location;
  }
}

/** Returns a Redirect. The location is a path of this service, or a URL that was checked. */
export function seeOther(location: string): Redirect {
  return new Redirect(location);
}

/** A file that the browser downloads. */
export class Download {
  readonly file: { readonly name: string; readonly mediaType: string; readonly body: Readable };
  constructor(file: Download['file']) {
    this.file = file;
  }
}

export interface PageInput<CallerType, Query, Params> {
  readonly view: View;
  readonly caller: CallerType;
  readonly query: Query;
  readonly params: Params;
  readonly request: RequestInfo;
  readonly answer: Answer;
  /** Allows the redirect after the form of this page to lead to another origin. */
  readonly allowFormTo: (origin: string) => void;
}

type Shape = z.ZodObject;
type Output<S> = S extends Shape ? z.output<S> : Record<string, never>;

type Sent = Redirect | Download;

interface PageForm<Input, F extends Shape> {
  readonly schema: F;
  /** The fields whose values are shown again when the form is refused. Leave out every secret. */
  readonly keeps: readonly string[];
  readonly limit?: 'sign_in' | 'other';
  /** The id of the endpoint with which the form shares its sign-in allowance. */
  readonly limitAs?: string;
  /** True when `send` may return a Download. */
  readonly downloads?: true;
  /** Does what the form asks for. If it raises a problem with a status below 500, the form shows the problem. */
  readonly send: (input: Input & { readonly form: z.output<F> }) => Sent | Promise<Sent>;
}

export interface PageDefinition<A extends PageAccess, F extends Shape, Q, P> {
  readonly url: string;
  readonly access: A;
  /** The name of the page in upper camel case. */
  readonly name: string;
  readonly summary: string;
  readonly query?: Q;
  readonly params?: P;
  readonly show: (
    input: PageInput<CallerOf<A>, Output<Q>, Output<P>> & { readonly attempt: Attempt },
  ) => Html | Redirect | Promise<Html | Redirect>;
  readonly form?: PageForm<PageInput<CallerOf<A>, Output<Q>, Output<P>>, F>;
}

type AnyInput = PageInput<never, never, never>;
type AnyPage = PageDefinition<PageAccess, Shape, Shape | undefined, Shape | undefined>;

const HTML = 'text/html';
const FIELDS = z.record(z.string(), z.string());
const NO_QUERY = z.object({});

/** Declares a page. */
export function page<
  const A extends PageAccess,
  F extends Shape = Shape,
  Q extends Shape | undefined = undefined,
  P extends Shape | undefined = undefined,
>(definition: PageDefinition<A, F, Q, P>): Endpoint[] {
  const { url, access, name, summary, params, form } = definition;
  const declared = definition as unknown as AnyPage;
  const common = {
    url,
    access,
    wire: 'page',
    summary,
    tag: 'Pages',
    // Programs that count visits add parameters of their own to links, so unknown ones are ignored here.
    query: z.looseObject({}),
    ...(params === undefined ? {} : { params }),
    reply: { 200: { mediaType: HTML } },
  } as const;
  const shown = endpoint({
    ...common,
    method: 'GET',
    id: `show${name}`,
    handle: (input) => visit(declared, input as unknown as AnyHandlerInput, showPage),
  });
  if (!form) return [shown];
  const sent = endpoint({
    ...common,
    method: 'POST',
    id: `send${name}`,
    limit: form.limit ?? 'other',
    ...(form.limitAs === undefined ? {} : { limitAs: form.limitAs }),
    body: FIELDS,
    bodyOptional: true,
    ...(form.downloads === undefined ? {} : { streams: true }),
    handle: (input) => visit(declared, input as unknown as AnyHandlerInput, sendForm),
  });
  return [shown, sent];
}

type AnyHandlerInput = HandlerInput<never, Record<string, string>, Record<string, unknown>, never>;
type Step = (declared: AnyPage, input: AnyInput, fields: Record<string, string>) => Promise<Html | Sent>;

/** Opens the view of the request, runs the step, and writes its answer. */
async function visit(declared: AnyPage, input: AnyHandlerInput, step: Step): Promise<string | Readable> {
  const { kit, request, answer, params } = input;
  const caller = input.caller as { readonly sessionId: string } | null;
  const { target, acceptLanguage, cookie } = request;
  const cookieOf = cookie.bind(request);
  const opened = openView(kit, { target, acceptLanguage, cookie: cookieOf, sessionId: caller?.sessionId ?? null });
  const targets: string[] = [];
  const given = {
    ...{ view: opened.view, caller: input.caller, params, request, answer },
    query: readQuery(declared.query ?? NO_QUERY, input.query) as never,
    allowFormTo: (origin: string) => void targets.push(origin),
  };
  const result = await step(declared, given, input.body ?? {});
  for (const value of opened.cookies()) answer.header('set-cookie', value);
  if (result instanceof Redirect) {
    answer.status(303);
    answer.header('location', result.location);
    return '';
  }
  if (result instanceof Download) {
    const { name, mediaType, body } = result.file;
    answer.header('content-type', mediaType);
    answer.header('content-disposition', `attachment; filename="${name}"`);
    return body;
  }
  answer.header('content-type', `${HTML}; charset=utf-8`);
  answer.header('content-security-policy', pagePolicy(targets));
  return result.toString();
}

/**
 * Returns the parameters that fit the schema. A parameter that is wrong or that was sent twice counts as missing,
 * because people come by links that others wrote.
 */
function readQuery(schema: Shape, query: Record<string, unknown>): Record<string, unknown> {
  const read = Object.entries(schema.shape).flatMap(([name, field]) => {
    const parsed = (field as z.ZodType).safeParse(query[name]);
    return parsed.success && parsed.data !== undefined ? [[name, parsed.data] as const] : [];
  });
  return Object.fromEntries(read);
}

const showPage: Step = async ({ show }, input) => show({ ...input, attempt: FRESH });

async function sendForm(declared: AnyPage, input: AnyInput, fields: Record<string, string>): Promise<Html | Sent> {
  const { form, show } = declared;
  if (!form) throw new Error(`${declared.url} has no form`);
  const { [NONCE_FIELD]: nonce, ...values } = fields;
  const [path = ''] = input.view.target.split('?');
  if (!isNonce(nonce, input.view.nonce(path))) throw problem('form_expired');
  try {
    return await form.send({ ...input, form: validate(form.schema, values, '') as never });
  } catch (error) {
    if (!(error instanceof Problem) || error.status >= 500) throw error;
    input.answer.status(error.status);
    const { retryAfterSeconds } = error.extras;
    if (retryAfterSeconds !== undefined) input.answer.header('retry-after', String(Math.ceil(retryAfterSeconds)));
    if (error.status === 401) input.answer.header('www-authenticate', 'Bearer'); // RFC 9110 §15.5.2
    const typed = Object.fromEntries(Object.entries(values).filter(([name]) => form.keeps.includes(name)));
    const shown = await show({ ...input, attempt: { typed, problem: error } });
    return shown instanceof Html ? shown : seeOther(shown.location);
  }
}
