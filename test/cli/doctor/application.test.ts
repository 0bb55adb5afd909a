// The doctor reports whether the application has the page to which the links in invitations lead.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { openCli } from '../command-line.ts';

t.test('the doctor looks for the page of the application, and says what to do when there is none', async (t) => {
  const asked: string[] = [];
  let status = 200;
  const application = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.writeHead(status).end('<title>application</title>');
  });
  await new Promise<void>((resolve) => application.listen(0, '127.0.0.1', resolve));
  t.teardown(() => void application.close());
  const origin = `http://127.0.0.1:${(application.address() as AddressInfo).port}`;
  const finding = async (environment: Record<string, string>) => {
    const { stdout } = await openCli({ DATA_DIR: '/nonexistent', ...environment })('doctor');
    return stdout.split('\n').find((line) => / application /.test(line)) ?? null;
  };
  t.match(
    await finding({ PUBLIC_APP_URL: origin }),
    new RegExp(`^ok +application +${origin}/invitations/accept answers$`),
  );
  t.same(asked, ['GET /invitations/accept'], 'without a token');
  for (status of [404, 500, 204]) {
    const found = await finding({ PUBLIC_APP_URL: origin });
    t.match(found, new RegExp(`^warn +application +${origin}/invitations/accept answers ${status}, and the links in`));
    t.match(found, /: serve a page at this address, or leave out PUBLIC_APP_URL, so that the links lead to http/);
  }
  application.closeAllConnections();
  await new Promise((resolve) => application.close(resolve));
  t.match(await finding({ PUBLIC_APP_URL: origin }), /^warn +application +\S+ cannot be reached \(ECONNREFUSED\), and/);
  t.equal(await finding({}), null, 'no line without an application');
});
