// Slugs: which slugs are allowed, which slug a name gets, and how equal names get different slugs.
import t from 'tap';
import { deriveSlug, isSlugAllowed, numberedSlug } from '../../../src/directory/organizations/slug.ts';
import type { Api } from '../../support/client.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { openService } from '../../support/service.ts';

t.test('a requested slug has only lower-case letters, digits and inner hyphens', async (t) => {
  for (const slug of ['acme', 'a', '1', 'acme-1', 'a--b', 'x'.repeat(63), 'deadbeef', '0193c5a0'])
    t.ok(isSlugAllowed(slug), slug);
  const wrong = [
    '',
    '-',
    '-acme',
    'acme-',
    'Acme',
    'ac me',
    'acme.io',
    'ac_me',
    'acmé',
    'acme\n',
    'a/b',
    '%61',
    'current',
    'xn--80ak6aa92e',
    'x'.repeat(64),
  ];
  for (const slug of wrong) t.notOk(isSlugAllowed(slug), JSON.stringify(slug));
});

t.test('a slug cannot be a reserved name of the service or look like an id', async (t) => {
  for (const slug of [
    'admin',
    'api',
    'www',
    'auth',
    'login',
    'me',
    'organizations',
    'tenantry',
    'null',
    'undefined',
    'well-known',
    'support',
  ]) {
    t.notOk(isSlugAllowed(slug), slug);
  }
  t.notOk(isSlugAllowed('0193c5a0-7a2b-7c3d-8e4f-5a6b7c8d9e0f'));
  t.notOk(isSlugAllowed('00000000-0000-0000-0000-000000000000'));
});

t.test('each name gets a readable slug', async (t) => {
  const names: [name: string, slug: string][] = [
    ['Acme', 'acme'],
    ['Acme  --  Ltd.', 'acme-ltd'],
    ["O'Reilly & Söhne", 'oreilly-soehne'],
    ['Müller GmbH', 'mueller-gmbh'],
    ['Mu\u0308ller', 'mueller'],
    ['Straße', 'strasse'],
    ['Ñandú', 'nandu'],
    ['Łódź', 'lodz'],
    ['Škoda', 'skoda'],
    ['Øresund', 'oresund'],
    ['Æther', 'aether'],
    ['Đặng', 'dang'],
    ['İstanbul', 'istanbul'],
    ['Привет Мир', 'privet-mir'],
    ['Щука', 'shchuka'],
    ['Ελλάδα', 'ellada'],
    ['ＡＢＣ', 'abc'],
    ['ﬁrma', 'firma'],
    ['株式会社 24', '24'],
    ['株式会社', 'org'],
    ['🚀', 'org'],
    ['---', 'org'],
    ['Admin', 'admin-org'],
    ['0193c5a0-7a2b-7c3d-8e4f-5a6b7c8d9e0f', '0193c5a0-7a2b-7c3d-8e4f-5a6b7c8d9e0f-org'],
    ['x'.repeat(120), 'x'.repeat(48)],
  ];
  for (const [name, slug] of names) t.equal(deriveSlug(name), slug, name);
});

t.test('the slug of any name is an allowed slug, even with a number at its end', async (t) => {
  const letters = [..."aZ9 -_.'’äßИΩ株🚀\u0301\u200b\uffff"];
  let state = 1;
  const next = (below: number) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
  const names = Array.from({ length: 2000 }, () =>
    Array.from({ length: next(130) }, () => letters[next(letters.length)]).join(''),
  );
  const refused = [...names, 'Admin', 'API', 'org', 'Organization'].filter((name) => {
    const base = deriveSlug(name);
    return ![0, 1, 4_294_967_295].every((number) => isSlugAllowed(numberedSlug(base, number)));
  });
  t.same(refused, []);
});

t.test('each further organization with the same name gets the first free number', async (t) => {
  const { api } = await openService(t, await createDatabase(t));
  const { accessToken: token } = await newAccount(api, { organizationName: 'Acme' });
  const found = async (body: object) => (await create(api, token, body)).body.data.slug;
  t.equal(await found({ name: 'Acme' }), 'acme-1');
  t.equal(await found({ name: 'ACME!' }), 'acme-2');
  t.equal(await found({ name: 'Acme', slug: 'acme-7' }), 'acme-7');
  t.equal(await found({ name: 'Acme' }), 'acme-3', 'a higher number that was requested does not skip lower numbers');
  t.equal(await found({ name: 'Acme', slug: 'acme-x' }), 'acme-x');
  t.equal(await found({ name: 'Acme 7' }), 'acme-7-1', 'a number in the name is part of the name');
  t.equal(await found({ name: 'Acme', slug: 'acme-04' }), 'acme-04');
  t.equal(await found({ name: 'Acme' }), 'acme-4', 'the slug "acme-04" does not count as number 4');
  t.equal(await found({ name: 'Later', slug: 'gap-1' }), 'gap-1');
  t.equal(await found({ name: 'Gap' }), 'gap', 'a numbered slug does not use up the slug without a number');
  t.equal(await found({ name: 'Gap' }), 'gap-2');
  t.equal(await found({ name: '株式会社' }), 'org');
  t.equal(await found({ name: '🚀' }), 'org-1');
  t.equal(
    (await create(api, token, { name: 'Other', slug: 'acme' })).code,
    'slug_taken',
    'a requested slug is never replaced by another slug',
  );
  for (const slug of ['admin', 'Acme', '-a', '0193c5a0-7a2b-7c3d-8e4f-5a6b7c8d9e0f']) {
    t.equal((await create(api, token, { name: 'Other', slug })).code, 'validation_failed', slug);
  }
});

function create(api: Api, token: string, body: object) {
  return api.post('/organizations', body, { token });
}
