// Adds a button that copies a text. Without this script the text can be selected.
for (const text of document.querySelectorAll('[data-copy]')) {
  if (!navigator.clipboard) break;
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'plain small';
  button.textContent = text.dataset.label;
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(text.dataset.copy);
    button.textContent = text.dataset.done;
  });
  text.after(' ', button);
}
