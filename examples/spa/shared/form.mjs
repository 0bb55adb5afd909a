// A form with labels, and with every problem in words: beside the field that it is about, or above the fields.
import { h, show } from './dom.mjs';
import { Problem } from './session.mjs';
import { wordsFor } from './words.mjs';

let forms = 0;

/**
 * Makes a form. `fields` have name, label, and optionally type, autocomplete, hint, value, isOptional, options and
 * `codes`: the problems that are about this field. `send` gets the values, without optional fields that are empty.
 */
export function form({ fields = [], submit, look = null, send }) {
  forms += 1;
  const alert = h('div', { tabindex: -1 });
  const rows = fields.map((field) => rowOf(`form-${forms}-${field.name}`, field));
  const button = h('button', { type: 'submit', class: look }, submit);
  const onsubmit = async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    show(alert);
    for (const row of rows) row.complain(null);
    try {
      await send(valuesOf(rows));
    } catch (error) {
      explain(error, rows, alert);
    } finally {
      button.disabled = false;
    }
  };
  const elements = rows.map(({ element }) => element);
  return h('form', { novalidate: true, onsubmit }, alert, elements, h('p', {}, button));
}

/** A notice with the words for a problem. */
export function refusal(problem) {
  return h('div', { class: 'notice bad', role: 'alert' }, wordsFor(problem));
}

function rowOf(id, field) {
  const { name, label, hint, type = 'text', autocomplete, value, isOptional = false, options } = field;
  const problem = h('span', { class: 'problem', id: `${id}-problem` });
  const described = [hint && `${id}-hint`, `${id}-problem`].filter(Boolean).join(' ');
  const shared = { id, name, 'aria-describedby': described, required: !isOptional };
  const input = options
    ? h(
        'select',
        shared,
        options.map(([key, text]) => h('option', { value: key }, text)),
      )
    : h('input', { ...shared, type, autocomplete, value, autocapitalize: 'none', spellcheck: 'false' });
  const text = isOptional ? `${label} (optional)` : label;
  return {
    field,
    input,
    element: h('div', { class: 'field' }, h('label', { for: id }, text), hintOf(id, hint), input, problem),
    complain(words) {
      show(problem, words);
      if (words === null) input.removeAttribute('aria-invalid');
      else input.setAttribute('aria-invalid', 'true');
    },
  };
}

function hintOf(id, hint) {
  return hint ? h('span', { class: 'hint', id: `${id}-hint` }, hint) : null;
}

function valuesOf(rows) {
  const values = {};
  for (const { field, input } of rows) {
    if (!field.isOptional || input.value !== '') values[field.name] = input.value;
  }
  return values;
}

function explain(error, rows, alert) {
  // Any other error is a mistake in this application, and belongs in the console.
  if (!(error instanceof Problem)) {
    show(alert, refusal({ code: 'failure' }));
    throw error;
  }
  const rest = error.issues.filter(({ path, message }) => {
    const row = rows.find(({ field }) => field.name === path);
    row?.complain(sentenceOf(row.field.label, message));
    return !row;
  });
  const about = rows.find(({ field }) => field.codes?.includes(error.code));
  about?.complain(wordsFor(error));
  const words = rest.map(({ path, message }) => h('p', {}, sentenceOf(path, message)));
  if (!about) show(alert, refusal(error), words);
  const wrong = rows.find(({ input }) => input.getAttribute('aria-invalid') === 'true');
  (wrong?.input ?? alert).focus();
}

/**
 * An issue is a whole sentence for the person, such as for a weak password, or the rest of a sentence that begins with
 * the name of the field.
 */
function sentenceOf(name, message) {
  return /^\p{Lu}/u.test(message) ? message : `${name} ${message}.`;
}
