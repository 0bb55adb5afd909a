// A test database behind a proxy, so that a test can cut and stall the connections of a service to it.
import type { TestDatabase } from '../database.ts';
import type { Lifetime } from './process.ts';
import { openTcpProxy, type TcpProxy } from './tcp-proxy.ts';

export interface RoutedDatabase {
  readonly proxy: TcpProxy;
  /** The same database. The addresses of the two roles of the service lead through the proxy. */
  readonly routed: TestDatabase;
}

/** Opens a proxy to the server of the database. It ends with the test. */
export async function routeDatabase(t: Lifetime, database: TestDatabase): Promise<RoutedDatabase> {
  const proxy = await openTcpProxy(t, Number(new URL(database.appUrl).port));
  const through = (url: string) => {
    const changed = new URL(url);
    changed.host = `127.0.0.1:${proxy.port}`;
    return changed.href;
  };
  const routed = { ...database, appUrl: through(database.appUrl), systemUrl: through(database.systemUrl) };
  return { proxy, routed };
}
