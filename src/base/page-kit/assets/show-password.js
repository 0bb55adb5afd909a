// Adds to each field for a password a button that shows what was typed. Without this script the field works all the
// same.
for (const field of document.querySelectorAll('.secret')) {
  const input = field.querySelector('input');
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'reveal';
  button.setAttribute('aria-controls', input.id);
  const paint = (isShown) => {
    input.type = isShown ? 'text' : 'password';
    button.classList.toggle('shown', isShown);
    button.setAttribute('aria-label', isShown ? field.dataset.hide : field.dataset.show);
    button.title = isShown ? field.dataset.hide : field.dataset.show;
  };
  button.addEventListener('click', () => {
    paint(input.type === 'password');
    input.focus();
  });
  // A browser may remember the value of a text field, so the field becomes a password field again before the form is
  // sent.
  input.form?.addEventListener('submit', () => paint(false));
  paint(false);
  field.append(button);
}
