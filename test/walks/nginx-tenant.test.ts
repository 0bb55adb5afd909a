// A service behind a real nginx with the documented configuration: the organization that a request names.
import type { IncomingHttpHeaders } from 'node:http';
import t from 'tap';
import { isTenantHeader } from '../../src/protocol/tenant-headers.ts';
import { newAccountWithoutOrganization } from '../support/fixtures/accounts.ts';
import { requestHead, sendRaw } from '../support/raw.ts';
import { openFront, type Seen } from './proxied.ts';

const tenantOf = (headers: IncomingHttpHeaders) =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => isTenantHeader(name)));

t.test('the service never receives an organization that a client names, only that of the token', async (t) => {
  const front = await openFront(t);
  const { raw, api, organization, join } = front;
  const { token } = await join('agent');
  const own = { 'x-tenant-id': organization.id, 'x-organization-slug': organization.slug };
  const bearer = `Authorization: Bearer ${token}`;
  const [id, slug] = [`X-Tenant-ID: ${organization.id}`, `X-Organization-Slug: ${organization.slug}`];
  const passing = [
    [],
    [id],
    [slug, id],
    [`x-tenant-id: ${organization.slug.toUpperCase()}`],
    [id, 'X_Tenant_ID: other', 'X.Tenant.ID: other', 'X-Tenant_ID: other', 'x_organization_slug: other'],
    ['Connection: close, X-Tenant-ID, X-Organization-Slug'],
  ];
  for (const path of ['/', '/socket', '/deals/../', '/healthz']) {
    for (const fields of passing) {
      const reply = await raw('GET', path, bearer, ...fields);
      t.equal(reply.status, 200, `${path} ${fields}`);
      const { headers } = JSON.parse(reply.text) as Seen;
      t.strictSame(tenantOf(headers), path === '/healthz' ? {} : own, `${path} ${fields}`);
      t.notOk(reply.text.includes('other'));
    }
    // nginx before 1.23 sends only the first of two headers in its check. The service gets neither of them.
    for (const twice of [
      [id, 'X-Tenant-ID: other'],
      [slug, 'X-Organization-Slug: other'],
    ]) {
      const reply = await raw('GET', path, bearer, ...twice);
      t.ok(reply.status === 400 || !reply.text.includes('other'), `${path} ${twice}`);
    }
    const wrong = path === '/healthz' ? 200 : 403;
    for (const fields of [
      ['X-Tenant-ID: other'],
      ['X-Organization-Slug: other'],
      ['X-Tenant-ID: other', id],
      ['X-Organization-Slug: other', slug],
    ]) {
      const reply = await raw('GET', path, bearer, ...fields);
      t.ok(reply.status === wrong || reply.status === 400, `${path} ${fields}: ${reply.status}`);
      t.notOk(reply.text.includes('other'));
    }
  }
  t.equal((await raw('GET', '/', bearer, id, 'X-Organization-Slug: other')).status, 400, 'the two differ');
  const loner = await newAccountWithoutOrganization(api);
  const none = await raw('GET', '/', `Authorization: Bearer ${loner.accessToken}`);
  t.strictSame(tenantOf((JSON.parse(none.text) as Seen).headers), {});
  t.equal((await raw('GET', '/', `Authorization: Bearer ${loner.accessToken}`, id)).status, 403);
  const fields = [bearer, 'Transfer-Encoding: chunked', 'Trailer: X-Tenant-ID'];
  const body = '2\r\nok\r\n0\r\nX-Tenant-ID: other\r\nX-User-ID: other\r\n\r\n';
  const trailed = await sendRaw(front.nginx.url, requestHead('POST', '/', ...fields), body);
  t.equal(trailed.status, 200);
  t.strictSame(tenantOf((JSON.parse(trailed.text) as Seen).headers), own);
  t.notOk(trailed.text.includes('other'), 'a trailer does not arrive');
});
