// The parts of a page that are not fields: notices, tables, the links of a list that has several pages, and a question
// before something that cannot be undone.
import { type Attempt, type Form, form } from './form.ts';
import { type Html, html, NO_HTML, type Value } from './html.ts';
import type { View } from './kit.ts';
import { problemText } from './problem-text.ts';

/** Says that something was done. */
export function done(text: string): Html {
  return html`<p class="notice good" role="status">${text}</p>`;
}

/** Says something that a person should know before anything is done. */
export function remark(text: string): Html {
  return html`<p class="notice">${text}</p>`;
}

/** Says what is wrong with a form that was sent. Shows nothing when the form has no problem. */
export function wrong(view: View, { problem }: Attempt): Html {
  if (!problem) return NO_HTML;
  const { title, detail } = problemText(view.text, problem);
  return html`<div class="notice bad" role="alert"><strong>${title}.</strong> ${detail}</div>`;
}

export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => Value;
}

/** Returns a table. On a narrow screen each row becomes a list of its cells with their titles. */
export function table<Row>(caption: string, columns: readonly Column<Row>[], rows: readonly Row[]): Html {
  // Browsers no longer report a table as a table when its rows are laid out as lists. The roles restore this.
  const cells = (row: Row) =>
    columns.map(({ title, cell }, index) => {
      const shown = html`<span class="cell-title" aria-hidden="true">${title}</span><div>${cell(row)}</div>`;
      return index === 0 ? html`<th scope="row" role="rowheader">${shown}</th>` : html`<td role="cell">${shown}</td>`;
    });
  return html`<table role="table">
<caption>${caption}</caption>
<thead role="rowgroup"><tr role="row">${columns.map(({ title }) => html`<th scope="col" role="columnheader">${title}</th>`)}</tr></thead>
<tbody role="rowgroup">${rows.map((row) => html`<tr role="row">${cells(row)}</tr>`)}</tbody>
</table>`;
}

/** Returns the links to the other pages of a list. Shows nothing for a list with one page. */
export function pagination(
  view: View,
  path: string,
  { offset, limit, total }: { readonly offset: number; readonly limit: number; readonly total: number },
): Html {
  if (total <= limit && offset === 0) return NO_HTML;
  const { previous, next, range } = view.text.layout;
  const number = (value: number) => new Intl.NumberFormat(view.language).format(value);
  const link = (to: number, label: string, rel: string) =>
    html`<a href="${`${path}?offset=${to}`}" rel="${rel}">${label}</a>`;
  const last = Math.min(offset + limit, total);
  return html`<nav class="pagination" aria-label="${range(number(Math.min(offset + 1, total)), number(last), number(total))}">
${offset > 0 && link(Math.max(0, offset - limit), previous, 'prev')}
<span>${range(number(Math.min(offset + 1, total)), number(last), number(total))}</span>
${offset + limit < total && link(offset + limit, next, 'next')}
</nav>`;
}

/** Asks for a confirmation of something that cannot be undone. `back` is the page to which a person returns instead. */
export function confirm(view: View, question: string, asked: Form & { readonly back: string }): Html {
  return html`<p>${question}</p>
<div class="choices">
${form(view, { look: 'danger', ...asked })}
<a class="button" href="${asked.back}">${view.text.layout.cancel}</a>
</div>`;
}
