// A network between the services and PostgreSQL of a testbed. It can be cut, and it can be connected to another server.
import { openTcpProxy, type TcpProxy } from '../../../test/support/servers/tcp-proxy.ts';
import type { Testbed } from '../testbed.ts';

export interface DatabaseNetwork {
  readonly network: TcpProxy;
  /** DATABASE_URL of the services whose queries pass the network. */
  readonly url: string;
}

export async function openDatabaseNetwork(testbed: Testbed): Promise<DatabaseNetwork> {
  const network = await openTcpProxy(testbed, testbed.postgres.port);
  const url = new URL(testbed.postgres.ownerUrl);
  url.port = String(network.port);
  return { network, url: url.href };
}
