// Taking one's own data along, and closing the account.
import { done, h, show } from '../../shared/dom.mjs';
import { form } from '../../shared/form.mjs';
import { go } from '../../shared/router.mjs';
import { call, Problem, signedOut } from '../../shared/session.mjs';

export async function dataPage() {
  return {
    title: 'Your data',
    content: [
      h('h2', {}, 'Take your data along'),
      exportForm(),
      h('h2', {}, 'Close your account'),
      h('p', {}, 'Your sessions end, you leave every organization, and your name and e-mail are erased.'),
      closeForm(),
    ],
  };
}

/** The copy comes in pages. Each needs a fresh proof, for which `call` asks the person if need be. */
function exportForm() {
  const said = h('div', {});
  const send = async () => {
    const pages = [];
    for (let cursor = null; pages.length === 0 || cursor !== null; ) {
      const query = cursor === null ? '' : `?cursor=${encodeURIComponent(cursor)}`;
      const { data, pagination } = await call('GET', `/me/export${query}`);
      pages.push(data);
      cursor = pagination.nextCursor;
    }
    const file = new Blob([JSON.stringify(pages, null, 2)], { type: 'application/json' });
    const address = URL.createObjectURL(file);
    h('a', { href: address, download: 'my-data.json' }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
    show(said, done('The copy was saved by your browser.'));
  };
  return h('div', {}, form({ submit: 'Download a copy', send }), said);
}

/**
 * The last owner of an organization has to say what becomes of it. The answer names these organizations, and those
 * that may be deleted with the account.
 */
function closeForm() {
  const owned = h('div', {});
  const send = async ({ password }) => {
    const boxes = [...owned.querySelectorAll('input:checked')];
    try {
      await call(
        'DELETE',
        '/me',
        { password, deleteOrganizations: boxes.map(({ value }) => value) },
        { withCookie: true },
      );
    } catch (problem) {
      if (problem instanceof Problem && problem.code === 'last_owner') show(owned, choices(problem.body.organizations));
      throw problem;
    }
    signedOut();
    await go('/register');
    document.querySelector('h1').after(done('Your account is closed.'));
  };
  const password = { name: 'password', label: 'Password', type: 'password', autocomplete: 'current-password' };
  const closing = form({
    fields: [{ ...password, codes: ['wrong_password'] }],
    submit: 'Close my account',
    look: 'danger',
    send,
  });
  return h('div', {}, owned, closing);
}

function choices(organizations) {
  return organizations.map(({ id, name, canBeDeleted }) => {
    if (!canBeDeleted)
      return h('p', {}, `${name} has other members, or is suspended. Make another member an owner first.`);
    const box = h('input', { type: 'checkbox', value: id, id: `delete-${id}` });
    return h('p', {}, h('label', { for: `delete-${id}` }, box, ` Delete ${name} and everything in it`));
  });
}
