// How the service reaches PostgreSQL: on this machine, or over a network, with or without TLS.
import pg from 'pg';
import type { Config } from '../config/config.ts';
import { isLocalHost } from '../platform/local-host.ts';

type Transport = 'local' | 'verified' | 'unverified' | 'plain';

const NAMES = ['DATABASE_URL', 'DATABASE_APP_URL', 'DATABASE_SYSTEM_URL'] as const;

/** One warning for each address that is not on this machine and has no TLS, or TLS without a checked certificate. */
export function databaseRemarks(config: Pick<Config, (typeof NAMES)[number]>): string[] {
  return NAMES.flatMap((name) => {
    const url = config[name];
    const { transport, host } = url === undefined ? { transport: 'local', host: '' } : transportOf(url);
    if (transport === 'plain') {
      return [
        `${name}: PostgreSQL at ${host} is reached without TLS: add sslmode=verify-full, or make sure that the network to it is private`,
      ];
    }
    if (transport !== 'unverified') return [];
    return [
      `${name}: the certificate of PostgreSQL at ${host} is not checked, so anybody on the way can pretend to be it: use sslmode=verify-full, with sslrootcert for a private authority`,
    ];
  });
}

/**
 * Returns how this address is reached, and its host. The driver itself reads the address, with every form in which it
 * can require TLS. No connection is made.
 */
function transportOf(connectionString: string): { readonly transport: Transport; readonly host: string } {
  try {
    const { host, ssl } = new pg.Client({ connectionString }) as unknown as { host: string; ssl: unknown };
    if (isLocalHost(host) || host.startsWith('/')) return { transport: 'local', host };
    if (!ssl) return { transport: 'plain', host };
    const isChecked = (ssl as { rejectUnauthorized?: unknown }).rejectUnauthorized !== false;
    return { transport: isChecked ? 'verified' : 'unverified', host };
  } catch {
    return { transport: 'local', host: '' }; // the first connection reports the error, such as a missing file
  }
}
