// The pages on which people look after their own account: their profile, their devices and their organizations.
import { z } from 'zod';
import type { Database } from '../../base/database/db.ts';
import { Problem } from '../../base/errors/problem.ts';
import type { Endpoint } from '../../base/http/endpoint.ts';
import { browser, page, seeOther } from '../../base/http/page.ts';
import { wideNetworkOf } from '../../base/http/rate-limit.ts';
import { Id } from '../../base/http/wire.ts';
import { confirm, done, pagination, table, wrong } from '../../base/page-kit/blocks.ts';
import { ago, day } from '../../base/page-kit/dates.ts';
import { type Attempt, field, form, hidden, select } from '../../base/page-kit/form.ts';
import { type Html, html } from '../../base/page-kit/html.ts';
import type { View } from '../../base/page-kit/kit.ts';
import { CATALOGUES, LANGUAGES, type Language } from '../../base/page-kit/language.ts';
import type { Clock } from '../../base/platform/clock.ts';
import type { MemberChangeDeps } from '../../directory/members/event.ts';
import { leaveOrganization } from '../../directory/members/remove-member.ts';
import { getOwnOrganization, listOwnOrganizations } from '../../directory/organizations/list-own.ts';
import { changeProfile, getProfile, type ProfileDeps } from '../../directory/profile/profile.ts';
import { UserName } from '../../directory/users/schema.ts';
import type { Caller } from '../../protocol/caller.ts';
import { VERIFY } from '../password/pages.ts';
import { type EndSessionDeps, endOtherSessions, endOwnSession } from '../sessions/end-session.ts';
import { listOwnSessions } from '../sessions/list-sessions.ts';
import type { Refresh, RefreshDeps } from '../sessions/refresh.ts';
import { switchOrganization } from '../sessions/switch-organization.ts';
import { accountPage, badge, DEVICES, deviceText, ORGANIZATIONS, PROFILE } from './frame.ts';

export interface AccountPageDeps extends ProfileDeps, EndSessionDeps, RefreshDeps, MemberChangeDeps {
  readonly db: Database;
  readonly clock: Clock;
}

/**
 * The field of the form that ends sessions has the id of one session, or this word for all sessions but the current
 * one.
 */
const OTHERS = 'others';
const ROWS = 20;
/** The value of the select for the language that the service chooses. */
const NO_LOCALE = '';
const ProfileForm = z.strictObject({ name: UserName, locale: z.enum([NO_LOCALE, ...LANGUAGES]).optional() });
const Offset = z
  .string()
  .regex(/^\d{1,6}$/)
  .transform(Number);

export function accountPages(deps: AccountPageDeps): Endpoint[] {
  return [...profilePage(deps), ...devicesPage(deps), ...organizationsPage(deps), ...leavePage(deps)];
}

/** The notice about a change that has been made, if the address of the page names the change; otherwise null. */
function noticeOf(texts: Readonly<Record<string, string>>, name: string | undefined): Html | null {
  const text = name === undefined ? undefined : texts[name];
  return text === undefined ? null : done(text);
}

function profilePage(deps: AccountPageDeps): Endpoint[] {
  return page({
    url: PROFILE,
    access: browser(),
    name: 'Account',
    summary: 'Read and change one’s own profile',
    query: z.object({ done: z.enum(['saved']) }),
    async show({ view, caller, attempt, query }) {
      const profile = await getProfile(deps, caller);
      const { title, email, name, save, saved } = view.text.account;
      const { verifyEmail: verify } = view.text;
      const shown = { name: 'name', label: name, autocomplete: 'name', value: profile.name };
      const fields = html`${field(view, attempt, shown)}${localeField(view, attempt, profile.locale)}`;
      const body = html`${wrong(view, attempt)}${!attempt.problem && noticeOf({ saved }, query.done)}
<dl><dt>${email}</dt><dd dir="auto">${profile.email}</dd></dl>
${!profile.emailVerified && html`<p class="notice">${verify.unproven} <a href="${VERIFY}">${verify.title}</a></p>`}
${form(view, { action: PROFILE, submit: save, fields })}`;
      return accountPage(view, PROFILE, { title, body });
    },
    form: {
      schema: ProfileForm,
      keeps: ['name', 'locale'],
      async send({ caller, form: { name, locale } }) {
        await changeProfile(deps, caller, { name, locale: locale === NO_LOCALE ? null : locale });
        return seeOther(`${PROFILE}?done=saved`);
      },
    },
  });
}

function localeField(view: View, attempt: Attempt, locale: Language | null): Html {
  const { locale: label, localeDefault } = view.text.account;
  const { language: standard } = CATALOGUES[view.kit.defaultLanguage];
  const options = [
    { value: NO_LOCALE, label: localeDefault(standard) },
    ...LANGUAGES.map((language) => ({ value: language, label: CATALOGUES[language].language, language })),
  ];
  return select(view, attempt, { name: 'locale', label, options, value: locale ?? NO_LOCALE });
}

function devicesPage(deps: AccountPageDeps): Endpoint[] {
  return page({
    url: DEVICES,
    access: browser(),
    name: 'Devices',
    summary: 'List one’s own sessions, and end them',
    query: z.object({ done: z.enum(['ended', 'endedOthers']), offset: Offset }),
    async show({ view, caller, attempt, query: { done: what, offset = 0 } }) {
      const { data, pagination: at } = await listOwnSessions(deps, caller, { limit: ROWS, offset });
      const { title, intro, ended, endedOthers, endOthers, endOthersQuestion: question } = view.text.devices;
      const body = html`${wrong(view, attempt)}${!attempt.problem && noticeOf({ ended, endedOthers }, what)}
<p>${intro}</p>
${sessionTable(view, deps.clock, data)}
${pagination(view, DEVICES, at)}
${at.total > 1 && form(view, { action: DEVICES, submit: endOthers, look: 'danger', question, fields: hidden('session', OTHERS) })}`;
      return accountPage(view, DEVICES, { title, body });
    },
    form: {
      schema: z.strictObject({ session: z.union([z.literal(OTHERS), Id]) }),
      keeps: [],
      async send({ caller, form: { session } }) {
        if (session === OTHERS) await endOtherSessions(deps, caller);
        else await endIfLive(deps, caller, session);
        return seeOther(`${DEVICES}?done=${session === OTHERS ? 'endedOthers' : 'ended'}`);
      },
    },
  });
}

/** Ends a session. A session that has ended meanwhile, or that belongs to somebody else, causes no error on a page. */
async function endIfLive(deps: EndSessionDeps, caller: Caller, sessionId: string): Promise<void> {
  try {
    await endOwnSession(deps, caller, sessionId);
  } catch (error) {
    if (!(error instanceof Problem && error.code === 'not_found')) throw error;
  }
}

type Session = Awaited<ReturnType<typeof listOwnSessions>>['data'][number];

function sessionTable(view: View, clock: Clock, sessions: readonly Session[]): Html {
  const { language } = view;
  const text = view.text.devices;
  const device = ({ userAgent }: Session) => deviceText(view, userAgent);
  const end = (session: Session) =>
    form(view, {
      action: DEVICES,
      submit: text.end,
      label: text.endOf(device(session)),
      look: 'plain',
      fields: hidden('session', session.id),
    });
  return table(
    text.title,
    [
      { title: text.device, cell: (one) => html`${device(one)}${one.current && badge(text.thisOne)}` },
      { title: text.network, cell: ({ ip }) => (ip === null ? text.unknownNetwork : wideNetworkOf(ip)) },
      { title: text.lastSeen, cell: ({ lastSeenAt }) => ago(language, lastSeenAt, clock.now()) },
      { title: text.signedIn, cell: ({ createdAt }) => day(language, createdAt) },
      { title: text.action, cell: (one) => (one.current ? null : end(one)) },
    ],
    sessions,
  );
}

function organizationsPage(deps: AccountPageDeps): Endpoint[] {
  return page({
    url: ORGANIZATIONS,
    access: browser(),
    name: 'Organizations',
    summary: 'List one’s own organizations, and switch to one',
    query: z.object({ done: z.enum(['switched', 'left']), offset: Offset }),
    async show({ view, caller, attempt, query: { done: what, offset = 0 } }) {
      const { data, pagination: at } = await listOwnOrganizations(deps, caller, { limit: ROWS, offset });
      const { title, intro, none, switched, left } = view.text.organizations;
      const body = html`${wrong(view, attempt)}${!attempt.problem && noticeOf({ switched, left }, what)}
<p>${at.total === 0 ? none : intro}</p>
${data.length > 0 && organizationTable(view, caller, data)}
${pagination(view, ORGANIZATIONS, at)}`;
      return accountPage(view, ORGANIZATIONS, { title, body });
    },
    form: {
      schema: z.strictObject({ organization: Id }),
      keeps: [],
      async send({ caller, form: { organization }, request: { network } }) {
        const limitRefresh: Refresh['limitRefresh'] = (_session, _organization, work) => work(); // nothing is refreshed
        await switchOrganization(deps, caller, { organization, refreshToken: null, network, limitRefresh });
        return seeOther(`${ORGANIZATIONS}?done=switched`);
      },
    },
  });
}

type Own = Awaited<ReturnType<typeof listOwnOrganizations>>['data'][number];

function organizationTable(view: View, caller: Caller, organizations: readonly Own[]): Html {
  const text = view.text.organizations;
  const isCurrent = ({ organization }: Own) => organization.id === caller.organizationId;
  const actions = (own: Own) => {
    const { id, name } = own.organization;
    const use = { action: ORGANIZATIONS, submit: text.use, label: text.useOf(name), look: 'plain' } as const;
    return html`<div class="choices">${!isCurrent(own) && form(view, { ...use, fields: hidden('organization', id) })}
<a class="button" href="${leavePath(id)}" aria-label="${text.leaveOf(name)}">${text.leave}</a></div>`;
  };
  return table(
    text.title,
    [
      {
        title: text.organization,
        cell: (own) => html`<span dir="auto">${own.organization.name}</span>${isCurrent(own) && badge(text.current)}`,
      },
      { title: text.roles, cell: ({ roles }) => roles.join(', ') },
      { title: text.joined, cell: ({ joinedAt }) => day(view.language, String(joinedAt)) },
      { title: text.action, cell: actions },
    ],
    organizations,
  );
}

const leavePath = (id: string) => `${ORGANIZATIONS}/${id}/leave`;

function leavePage(deps: AccountPageDeps): Endpoint[] {
  return page({
    url: leavePath(':id'),
    access: browser(),
    name: 'Leave',
    summary: 'Leave an organization',
    params: z.strictObject({ id: Id }),
    async show({ view, caller, attempt, params: { id } }) {
      const { leave, leaveTitle, leaveQuestion } = view.text.organizations;
      const { name } = await getOwnOrganization(deps, caller, id);
      const asked = { action: leavePath(id), submit: leave, label: view.text.organizations.leaveOf(name) };
      const body = html`${wrong(view, attempt)}${confirm(view, leaveQuestion, { ...asked, back: ORGANIZATIONS })}`;
      return accountPage(view, ORGANIZATIONS, { title: leaveTitle(name), body });
    },
    form: {
      schema: z.strictObject({}),
      keeps: [],
      async send({ caller, params: { id } }) {
        await leaveOrganization(deps, caller, id);
        return seeOther(`${ORGANIZATIONS}?done=left`);
      },
    },
  });
}
