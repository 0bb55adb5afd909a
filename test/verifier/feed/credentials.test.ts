// Following the feed with credentials that the service refuses.
import t from 'tap';
import { SYSTEM_TIMING } from '../../../src/verifier/core/clock.ts';
import { until } from '../../support/until.ts';
import { json } from '../local-server.ts';
import { createManualTiming } from '../manual-timing.ts';
import { PATHS } from '../stand-in.ts';
import { begin } from './following.ts';

t.test('if the token endpoint issues no token, the error names the endpoint and not the secret', async (t) => {
  const { errors, service } = await begin(t, SYSTEM_TIMING, ({ endpoints }) => {
    endpoints.token = (_, response) => json(response, 401, { error: 'invalid_client' });
  });
  await until(() => errors.length > 0);
  t.match(errors[0], /oauth\/token gave no token \(401 invalid_client\): check the credentials/);
  t.notMatch(errors[0], /secret/);
  t.same(service.at(PATHS.feed), []);
});

t.test('refused credentials are sent again after Retry-After, limited to 300 s, or else after 30 s', async (t) => {
  for (const { status, error, retryAfter, said, wait } of [
    { status: 401, error: 'invalid_client', retryAfter: '60', said: /check the credentials/, wait: 60 },
    { status: 401, error: 'invalid_client', retryAfter: undefined, said: /check the credentials/, wait: 30 },
    { status: 429, error: 'temporarily_unavailable', retryAfter: '2', said: /the next attempt is in 2 s$/, wait: 2 },
    { status: 429, error: 'temporarily_unavailable', retryAfter: '45', said: /the next attempt is in 45 s$/, wait: 45 },
    { status: 429, error: 'temporarily_unavailable', retryAfter: '86400', said: /in 300 s$/, wait: 300 },
  ]) {
    const timing = createManualTiming();
    const { errors, service } = await begin(t, timing, ({ endpoints }) => {
      endpoints.token = (_, response) => {
        if (retryAfter) response.setHeader('retry-after', retryAfter);
        json(response, status, { error });
      };
    });
    await until(() => errors.length === 1);
    t.match(errors[0], said);
    await timing.advance(wait - 0.1);
    t.equal(service.at(PATHS.token).length, 1, `${status}: no retry within ${wait} s`);
    await timing.advance(1);
    await until(() => service.at(PATHS.token).length === 2);
  }
});

t.test('after an error that is not about the credentials, the retry comes soon', async (t) => {
  for (const status of [200, 401, 404, 408, 503]) {
    const timing = createManualTiming();
    const { errors, service } = await begin(t, timing, ({ endpoints }) => {
      endpoints.token = (_, response) => {
        response.writeHead(status, { 'content-type': 'text/html', 'retry-after': '60' });
        response.end('<h1>Back soon</h1>');
      };
    });
    await until(() => errors.length === 1);
    t.match(errors[0], new RegExp(`oauth/token gave no token \\(${status}\\)$`));
    await timing.advance(5);
    await until(() => service.at(PATHS.token).length > 1);
  }
});
