// Asks before a form with data-confirm is sent. Without this script the form is sent at once.
for (const form of document.querySelectorAll('form[data-confirm]')) {
  form.addEventListener('submit', (event) => {
    if (form.dataset.agreed) return;
    event.preventDefault();
    const dialog = document.createElement('dialog');
    const question = document.createElement('p');
    question.id = 'question';
    question.textContent = form.dataset.confirm;
    dialog.setAttribute('aria-labelledby', question.id);
    const choices = document.createElement('div');
    choices.className = 'choices';
    const choice = (label, look, act) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.className = look;
      button.textContent = label;
      button.addEventListener('click', act);
      choices.append(button);
      return button;
    };
    choice(form.dataset.yes, 'danger', () => {
      form.dataset.agreed = 'true';
      dialog.close();
      form.requestSubmit();
    });
    choice(form.dataset.no, 'plain', () => dialog.close()).autofocus = true;
    dialog.addEventListener('close', () => dialog.remove());
    dialog.append(question, choices);
    document.body.append(dialog);
    dialog.showModal();
  });
}
