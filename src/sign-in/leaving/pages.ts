// The pages on which people download their data and close their account, and the page that says that it is closed.
import { addAbortSignal, Readable } from 'node:stream';
import { z } from 'zod';
import { Problem } from '../../base/errors/problem.ts';
import type { Endpoint } from '../../base/http/endpoint.ts';
import { browser, Download, page, seeOther, visitor } from '../../base/http/page.ts';
import { Id, Secret } from '../../base/http/wire.ts';
import { wrong } from '../../base/page-kit/blocks.ts';
import { type Attempt, checks, field, form } from '../../base/page-kit/form.ts';
import { type Html, html, NO_HTML } from '../../base/page-kit/html.ts';
import type { View } from '../../base/page-kit/kit.ts';
import { layout } from '../../base/page-kit/layout.ts';
import { accountPage, DATA } from '../account/frame.ts';
import { assertFresh } from '../reauthentication/assert-fresh.ts';
import { reauthenticatePath } from '../reauthentication/return-path.ts';
import { clearCookie } from '../sessions/cookie.ts';
import { canBeDeletedBy, closeAccount } from './close-account.ts';
import { type HeldOrganization, listHeld } from './close-store.ts';
import { exportDocument } from './export-document.ts';
import { EXPORT_FILE, type LeavingRouteDeps } from './routes.ts';
import { DELETED_WITH_MAX } from './schema.ts';

const CLOSE = '/account/close';
const CLOSED = '/account-closed';
/** A download that takes longer ends unfinished. */
const DOWNLOAD_MS_MAX = 600_000;

export function leavingPages(deps: LeavingRouteDeps): Endpoint[] {
  return [...dataPage(deps), ...closePage(deps), ...closedPage()];
}

function dataPage(deps: LeavingRouteDeps): Endpoint[] {
  return page({
    url: DATA,
    access: browser(),
    name: 'OwnData',
    summary: 'Download a copy of the data of the signed-in user',
    show({ view, attempt }) {
      const { title, intro, download, closeTitle, closeIntro, close } = view.text.ownData;
      const body = html`${wrong(view, attempt)}<p>${intro}</p>
${form(view, { action: DATA, submit: download })}
<h2>${closeTitle}</h2>
<p>${closeIntro}</p>
<p><a class="button" href="${CLOSE}">${close}</a></p>`;
      return accountPage(view, DATA, { title, body });
    },
    form: {
      schema: z.strictObject({}),
      keeps: [],
      downloads: true,
      async send({ caller, request: { network } }) {
        try {
          await assertFresh(deps, caller, { network });
        } catch (error) {
          if (!(error instanceof Problem && error.code === 'reauthentication_required')) throw error;
          return seeOther(reauthenticatePath(DATA));
        }
        const body = await begun(exportDocument(deps, caller.id, caller.id));
        return new Download({ name: EXPORT_FILE, mediaType: 'application/json; charset=utf-8', body });
      },
    },
  });
}

/** A stream of the texts. The first one is ready, so that a problem that it raises is still shown on a page. */
async function begun(texts: AsyncGenerator<string, void>): Promise<Readable> {
  const first = await texts.next();
  async function* all() {
    if (!first.done) yield first.value;
    yield* texts;
  }
  return addAbortSignal(AbortSignal.timeout(DOWNLOAD_MS_MAX), Readable.from(all()));
}

/** The names of the fields for the organizations that are deleted with the account. */
const DELETED = Array.from({ length: DELETED_WITH_MAX }, (_, index) => `delete${index}`);
const boxShapes: Record<string, z.ZodOptional<typeof Id>> = Object.fromEntries(
  DELETED.map((name) => [name, Id.optional()]),
);
const CloseForm = z.strictObject({ ...boxShapes, password: Secret });

function closePage(deps: LeavingRouteDeps): Endpoint[] {
  return page({
    url: CLOSE,
    access: browser(),
    name: 'CloseAccount',
    summary: 'Close the account of the signed-in user',
    async show({ view, caller, attempt }) {
      const { title, goes, sessions, memberships, personal, again, password, submit, question } = view.text.closing;
      const alone = (await listHeld(deps.db.systemReader(), caller.id)).filter(({ isLastOwner }) => isLastOwner);
      const fields = html`${lonelyFields(view, attempt, alone.filter(canBeDeletedBy(caller)))}
${field(view, attempt, {
  name: 'password',
  label: password,
  type: 'password',
  autocomplete: 'current-password',
  codes: ['wrong_password'],
})}`;
      const what = [sessions, memberships, personal, again].map((text) => html`<li>${text}</li>`);
      const blocking = alone.filter((one) => !canBeDeletedBy(caller)(one));
      const body = html`${refusal(view, attempt)}<p>${goes}</p>
<ul>${what}</ul>
${blocking.length > 0 && html`<div class="notice"><p>${view.text.closing.blocking}</p>${names(blocking)}</div>`}
${form(view, { action: CLOSE, submit, look: 'danger', question, fields })}
<p class="after"><a class="button" href="${DATA}">${view.text.layout.cancel}</a></p>`;
      return accountPage(view, DATA, { title, body });
    },
    form: {
      schema: CloseForm,
      keeps: DELETED,
      limit: 'sign_in',
      limitAs: 'closeMyAccount',
      async send({ caller, form: { password, ...chosen }, request: { network }, answer, view }) {
        await assertFresh(deps, caller, { currentPassword: password, network });
        const deleteOrganizations = Object.values<string | undefined>(chosen).filter((id) => id !== undefined);
        await closeAccount(deps, { userId: caller.id, caller, deleteOrganizations });
        answer.header('set-cookie', view.kit.cookies.clear('session'));
        answer.header('set-cookie', clearCookie(deps.cookie));
        view.forgetToken();
        return seeOther(CLOSED);
      },
    },
  });
}

/** A box for each organization that can be deleted with the account, up to DELETED_WITH_MAX of them. */
function lonelyFields(view: View, attempt: Attempt, organizations: readonly HeldOrganization[]): Html {
  if (organizations.length === 0) return NO_HTML;
  const { lonely, lonelyHint } = view.text.closing;
  // The list may have changed since the form was sent, so what was chosen is recognized by its value.
  const chosen = new Set(Object.values(attempt.typed));
  const boxes = organizations.slice(0, DELETED_WITH_MAX).map(({ id, name }, index) => ({
    ...{ name: DELETED[index] ?? '', value: id, label: name },
    isChecked: chosen.has(id),
  }));
  return checks({ legend: lonely, hint: lonelyHint, boxes });
}

/** What is wrong with the form, with the names of the organizations that prevent the closing. */
function refusal(view: View, attempt: Attempt): Html {
  const { problem } = attempt;
  const organizations = problem?.extras.organizations;
  if (problem?.code !== 'last_owner' || !organizations) return wrong(view, attempt);
  const { title } = view.text.problems.last_owner;
  return html`<div class="notice bad" role="alert"><p><strong>${title}.</strong> ${view.text.closing.lastOwner}</p>
${names(organizations)}</div>`;
}

function names(organizations: readonly { readonly name: string }[]): Html {
  return html`<ul>${organizations.map(({ name }) => html`<li><bdi>${name}</bdi></li>`)}</ul>`;
}

function closedPage(): Endpoint[] {
  return page({
    url: CLOSED,
    access: visitor(),
    name: 'AccountClosed',
    summary: 'Read that the account is closed',
    show({ view }) {
      const { closedTitle: title, closed } = view.text.closing;
      return layout(view, { title, body: html`<p>${closed}</p>` });
    },
  });
}
