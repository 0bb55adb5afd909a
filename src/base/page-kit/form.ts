// Forms, their fields and their buttons. A form is sent by POST and holds the nonce of its purpose, which is the path
// to which it is sent. Every visible field has a label, and its problem stands beside it.
import type { Problem, ProblemCode } from '../errors/problem.ts';
import { type Html, html, NO_HTML } from './html.ts';
import type { View } from './kit.ts';
import { issueText, problemText } from './problem-text.ts';

/** The name of the field with the nonce. */
export const NONCE_FIELD = 'nonce';

/** What was sent before, when a form is shown again. Values of secret fields are never in it. */
export interface Attempt {
  readonly typed: Readonly<Record<string, string>>;
  readonly problem: Problem | null;
}

/** A form that has not been sent yet. */
export const FRESH: Attempt = { typed: {}, problem: null };

export interface Form {
  /** The path to which the form is sent. */
  readonly action: string;
  readonly submit: string;
  readonly fields?: Html;
  /** How the button looks: the main action of the page, a dangerous one, or one among others. */
  readonly look?: 'main' | 'danger' | 'plain';
  /** The name of the button for screen readers, when its text alone does not say what it is about. */
  readonly label?: string;
  /** A question that a browser with scripts asks before it sends the form. */
  readonly question?: string;
}

/** Returns a form with its button. */
export function form(view: View, { action, submit, fields, look = 'main', label, question }: Form): Html {
  const asked =
    question !== undefined &&
    html` data-confirm="${question}" data-yes="${submit}" data-no="${view.text.layout.cancel}"`;
  return html`<form method="post" action="${action}"${asked}>
${hidden(NONCE_FIELD, view.nonce(action))}
${fields}
<button type="submit" class="${look}"${label !== undefined && html` aria-label="${label}"`}>${submit}</button>
</form>`;
}

/** A hidden field. Returns nothing when there is no value. */
export function hidden(name: string, value: string | undefined): Html {
  return value === undefined ? NO_HTML : html`<input type="hidden" name="${name}" value="${value}">`;
}

export interface Field {
  readonly name: string;
  readonly label: string;
  readonly type?: 'text' | 'email' | 'password';
  /** The value of the HTML attribute `autocomplete`, such as `email` or `new-password`. */
  readonly autocomplete: string;
  readonly hint?: string;
  readonly isOptional?: boolean;
  /** The value before anything has been typed. */
  readonly value?: string;
  /** The codes of problems that are about this field although they name no field. */
  readonly codes?: readonly ProblemCode[];
}

/** Returns a field with its label, its hint and its problem. */
export function field(view: View, attempt: Attempt, asked: Field): Html {
  const { name, label, type = 'text', autocomplete, hint, isOptional = false, value, codes = [] } = asked;
  const id = `field-${name}`;
  const wrong = fieldProblem(view, attempt, name, codes);
  const isPlain = type === 'text' && autocomplete !== 'off';
  const described = [...(hint === undefined ? [] : [`${id}-hint`]), ...(wrong === null ? [] : [`${id}-problem`])];
  const isSecret = type === 'password';
  // An empty field that was refused stays empty, because its problem is about that.
  const shown = isSecret ? '' : (attempt.typed[name] ?? (wrong === null ? value : undefined) ?? '');
  const input = html`<input id="${id}" name="${name}" type="${type}" autocomplete="${autocomplete}"${
    shown !== '' && html` value="${shown}"`
  }${!isOptional && html` required`}${!isPlain && html` autocapitalize="none" spellcheck="false"`}${
    described.length > 0 && html` aria-describedby="${described.join(' ')}"`
  }${wrong !== null && html` aria-invalid="true" autofocus`} dir="auto">`;
  const { showPassword, hidePassword, optional } = view.text.layout;
  return html`<div class="field">
<label for="${id}">${label}${isOptional && html` <span class="optional">(${optional})</span>`}</label>
${hint !== undefined && html`<p class="hint" id="${id}-hint">${hint}</p>`}
${isSecret ? html`<div class="secret" data-show="${showPassword}" data-hide="${hidePassword}">${input}</div>` : input}
${wrong !== null && html`<p class="problem" id="${id}-problem">${wrong}</p>`}
</div>`;
}

export interface Option {
  readonly value: string;
  readonly label: string;
  /** The language of the label, if it is not that of the page. */
  readonly language?: string;
}

export interface Select {
  readonly name: string;
  readonly label: string;
  readonly options: readonly Option[];
  /** The value before anything has been chosen. */
  readonly value: string;
}

/** Returns a list of values with its label and its problem. One value is always chosen. */
export function select(view: View, attempt: Attempt, { name, label, options, value }: Select): Html {
  const id = `field-${name}`;
  const wrong = fieldProblem(view, attempt, name, []);
  const chosen = attempt.typed[name] ?? value;
  const one = (option: Option) =>
    html`<option value="${option.value}"${option.language !== undefined && html` lang="${option.language}"`}${option.value === chosen && html` selected`}>${option.label}</option>`;
  const described = wrong !== null && html` aria-describedby="${`${id}-problem`}" aria-invalid="true"`;
  return html`<div class="field">
<label for="${id}">${label}</label>
<select id="${id}" name="${name}"${described}>${options.map(one)}</select>
${wrong !== null && html`<p class="problem" id="${id}-problem">${wrong}</p>`}
</div>`;
}

export interface Checks {
  readonly legend: string;
  readonly hint: string;
  readonly boxes: readonly {
    readonly name: string;
    /** What is sent if the box is checked. */
    readonly value: string;
    readonly label: string;
    readonly isChecked: boolean;
  }[];
}

/** Returns checkboxes, of which any number may be checked. */
export function checks({ legend, hint, boxes }: Checks): Html {
  const one = ({ name, value, label, isChecked }: Checks['boxes'][number]) =>
    html`<label class="check"><input type="checkbox" name="${name}" value="${value}"${isChecked && html` checked`}><span dir="auto">${label}</span></label>`;
  return html`<fieldset class="field">
<legend>${legend}</legend>
<p class="hint">${hint}</p>
${boxes.map(one)}
</fieldset>`;
}

/** Whether the problem of a form is about this field. */
export function isAbout({ problem }: Attempt, name: string, codes: readonly ProblemCode[]): boolean {
  if (!problem) return false;
  return codes.includes(problem.code) || (problem.extras.issues ?? []).some(({ path }) => path === name);
}

function fieldProblem(view: View, { problem }: Attempt, name: string, codes: readonly ProblemCode[]): string | null {
  if (!problem) return null;
  if (codes.includes(problem.code)) return problemText(view.text, problem).detail;
  const issue = problem.extras.issues?.find(({ path }) => path === name);
  return issue ? issueText(view.text, issue.message) : null;
}
