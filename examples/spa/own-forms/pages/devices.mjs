// The sessions of the person, each of which is one signed-in device.
import { h } from '../../shared/dom.mjs';
import { form } from '../../shared/form.mjs';
import { again } from '../../shared/router.mjs';
import { call } from '../../shared/session.mjs';

export async function devicesPage() {
  const { data: sessions } = await call('GET', '/me/sessions?limit=100');
  const endOthers = async () => {
    await call('DELETE', '/me/sessions');
    await again();
  };
  return {
    title: 'Your devices',
    content: [
      h('ul', {}, sessions.map(deviceItem)),
      sessions.length > 1
        ? form({ submit: 'End all others', look: 'danger', send: endOthers })
        : h('p', {}, 'No others.'),
    ],
  };
}

function deviceItem({ id, current, userAgent, lastSeenAt }) {
  const when = new Date(lastSeenAt).toLocaleString('en');
  const end = async () => {
    await call('DELETE', `/me/sessions/${encodeURIComponent(id)}`);
    await again();
  };
  const words = `${userAgent ?? 'An unknown device'}, last used ${when}`;
  if (current) return h('li', {}, `${words} (this one)`);
  return h('li', {}, words, form({ submit: 'End this session', send: end }));
}
