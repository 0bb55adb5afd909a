// Whether a host is this machine.
import { isIP } from 'node:net';

/** Whether the name or address of a host leads to this machine. An IPv6 address may be in brackets. */
export function isLocalHost(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, '').toLowerCase();
  return name === '' || name === 'localhost' || name === '::1' || (isIP(name) === 4 && name.startsWith('127.'));
}
