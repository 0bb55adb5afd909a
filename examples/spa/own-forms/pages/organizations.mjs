// The organizations of the person: switch to one, create one, invite somebody, leave.
import { done, h, show } from '../../shared/dom.mjs';
import { form } from '../../shared/form.mjs';
import { again } from '../../shared/router.mjs';
import { call, Problem, refresh, session, switchTo } from '../../shared/session.mjs';

export async function organizationsPage() {
  const { data: mine } = await call('GET', '/me/organizations?limit=100');
  const create = async (values) => {
    const { data } = await call('POST', '/organizations', values);
    await switchTo(data.id);
    await again();
  };
  const name = { name: 'name', label: 'Name', autocomplete: 'organization', codes: ['slug_taken'] };
  return {
    title: 'Your organizations',
    content: [
      mine.length === 0 ? h('p', {}, 'You have none yet.') : h('ul', {}, mine.map(organizationItem)),
      h('h2', {}, 'Create one'),
      form({ fields: [name], submit: 'Create the organization', send: create }),
      ...(await inviting()),
    ],
  };
}

function organizationItem({ organization, roles }) {
  const isCurrent = session().organization?.id === organization.id;
  const change = async () => {
    await switchTo(organization.id);
    await again();
  };
  const leave = async () => {
    await call('DELETE', `/me/organizations/${encodeURIComponent(organization.id)}`);
    await refresh();
    await again();
  };
  return h(
    'li',
    {},
    `${organization.name}: ${roles.join(', ') || 'no role'}${isCurrent ? ' (you work in it)' : ''}`,
    isCurrent ? null : form({ submit: `Switch to ${organization.name}`, send: change }),
    form({ submit: `Leave ${organization.name}`, send: leave }),
  );
}

/** The form to invite somebody, for people who may read the roles of the organization. */
async function inviting() {
  if (!session().organization) return [];
  const roles = await readRoles();
  if (roles === null) return [];
  const said = h('div', {});
  const send = async ({ email, role }) => {
    await call('POST', '/invitations', { email, roles: [{ role }] });
    show(said, done(`${email} gets a mail with the invitation.`));
  };
  const fields = [
    { name: 'email', label: 'E-mail', type: 'email', autocomplete: 'off', codes: ['already_member'] },
    { name: 'role', label: 'Role', options: roles.map(({ name }) => [name, name]) },
  ];
  const title = `Invite somebody to ${session().organization.name}`;
  return [h('h2', {}, title), form({ fields, submit: 'Invite', send }), said];
}

async function readRoles() {
  try {
    return (await call('GET', '/roles?limit=100')).data.toSorted((one, other) => one.level - other.level);
  } catch (problem) {
    if (problem instanceof Problem && problem.code === 'permission_denied') return null;
    throw problem;
  }
}
