// The frame of every page: head, header, content and the choice of the language.

import { form } from './form.ts';
import { type Html, html } from './html.ts';
import type { View } from './kit.ts';
import { CATALOGUES, LANGUAGES, type Language } from './language.ts';

export interface Layout {
  readonly title: string;
  readonly body: Html;
  /** The links between pages that belong together. */
  readonly navigation?: Html;
}

/** Returns a whole page. */
export function layout(view: View, { title, body, navigation }: Layout): Html {
  const { kit, language, text } = view;
  return html`<!doctype html>
<html lang="${language}" dir="ltr">
<head>
<meta charset="utf-8">
<title>${title} – ${kit.branding.name}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="${kit.assets.icon}">
<link rel="stylesheet" href="${kit.assets.style}">
<script type="module" src="${kit.assets.script}"></script>
</head>
<body>
<a class="skip" href="#content">${text.layout.skip}</a>
<header class="bar">
<a class="brand" href="/">${logo(view)}<span>${kit.branding.name}</span></a>
${view.isSignedIn && form(view, { action: '/sign-out', submit: text.layout.signOut, look: 'plain' })}
</header>
${navigation}
<main id="content" tabindex="-1">
<h1>${title}</h1>
${body}
</main>
${languages(view)}
</body>
</html>
`;
}

function logo({ kit }: View): Html | null {
  return kit.assets.logo === null ? null : html`<img src="${kit.assets.logo}" alt="" height="32">`;
}

function languages(view: View): Html {
  const link = (language: Language) => {
    const { language: name } = CATALOGUES[language];
    if (language === view.language) return html`<li><span aria-current="true" lang="${language}">${name}</span></li>`;
    return html`<li><a href="${inLanguage(view.target, language)}" lang="${language}" hreflang="${language}">${name}</a></li>`;
  };
  return html`<footer>
<nav aria-label="${view.text.layout.languages}"><ul class="languages">${LANGUAGES.map(link)}</ul></nav>
</footer>`;
}

/** The address of the same page in another language. */
function inLanguage(target: string, language: Language): string {
  const [path = '/', query = ''] = target.split('?');
  const parameters = new URLSearchParams(query);
  parameters.set('lang', language);
  return `${/^\/(?![/\\])[^\s\\]*$/.test(path) ? path : '/'}?${parameters}`;
}

export interface NavigationLink {
  readonly href: string;
  readonly label: string;
}

/** The links between pages that belong together. `current` is the path of this page. */
export function navigation(label: string, links: readonly NavigationLink[], current: string): Html {
  const one = ({ href, label: shown }: NavigationLink) =>
    html`<li><a href="${href}"${href === current && html` aria-current="page"`}>${shown}</a></li>`;
  return html`<nav class="tabs" aria-label="${label}"><ul>${links.map(one)}</ul></nav>`;
}
