// Takes the token of a link from a mail out of the address, and puts it into the field for it. Without this script a
// person pastes the link into the field. A form with data-link="send" is sent at once, because it does not use the
// token up.
function take() {
  const part = document.querySelector('[data-link]');
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  if (!part || !token) return;
  history.replaceState(null, '', location.pathname + location.search);
  const input = part.querySelector('input');
  input.value = token;
  if (part.dataset.link === 'send') input.form.requestSubmit();
  else part.hidden = true;
}
take();
// Runs when the same page is already open, and its address gets the token of another link.
addEventListener('hashchange', take);
