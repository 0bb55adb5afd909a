// The frame of the pages of an account, and the names of devices and the badges on them.
import { type Html, html } from '../../base/page-kit/html.ts';
import type { View } from '../../base/page-kit/kit.ts';
import { layout, navigation } from '../../base/page-kit/layout.ts';
import { nameDevice } from '../notices/device-name.ts';

export const PROFILE = '/account';
export const EMAIL = '/account/email';
export const PASSWORD = '/account/password';
export const DEVICES = '/account/devices';
export const ORGANIZATIONS = '/account/organizations';
export const DATA = '/account/data';

/**
 * Returns a page of the account, with the links to the other pages. `current` is the path of the link that is marked as
 * the current one.
 */
export function accountPage(view: View, current: string, { title, body }: { title: string; body: Html }): Html {
  const { account, layout: texts } = view.text;
  const links = [
    { href: PROFILE, label: account.profile },
    { href: EMAIL, label: account.email },
    { href: PASSWORD, label: account.password },
    { href: DEVICES, label: account.devices },
    { href: ORGANIZATIONS, label: account.organizations },
    { href: DATA, label: account.data },
  ];
  return layout(view, { title, body, navigation: navigation(texts.pages, links, current) });
}

/** The name of a device in the language of the page. */
export function deviceText({ text }: View, userAgent: string | null): string {
  const named = nameDevice(userAgent);
  if (!named) return text.devices.unknown;
  return named.system === null ? named.browser : text.devices.on(named.browser, named.system);
}

export function badge(text: string): Html {
  return html` <span class="badge">${text}</span>`;
}
