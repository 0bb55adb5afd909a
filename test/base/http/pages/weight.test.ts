// How much a browser loads for a page.
import t from 'tap';
import { createDatabase } from '../../../support/database.ts';
import { sum, weighPage } from '../../../support/pages/weight.ts';
import { openService } from '../../../support/service.ts';

const BYTES_MAX = 30_000;

const { url } = await openService(t, await createDatabase(t));

for (const path of ['/sign-in', '/register', '/verify-email', '/accept-invitation']) {
  t.test(`${path} and everything that it loads have less than 30 kB, compressed`, async (t) => {
    const weights = await weighPage(url, path);
    const names = weights.map((one) => one.path).join(' ');
    t.match(names, /\.css/, 'the stylesheet is one of them');
    t.ok(weights.length >= 7, `the scripts and the icon, too: ${names}`);
    t.ok(sum(weights, 'compressed') < BYTES_MAX, `${sum(weights, 'compressed')} bytes`);
  });
}
