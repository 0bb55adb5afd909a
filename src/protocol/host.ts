// Reads the value of a Host header.

const HOST = /^(?:[\w.-]+|\[[\da-f:.]+\])(?::(\d{0,5}))?$/i;

/**
 * Whether the value of a Host header is a host with or without a port (RFC 9112 §3.2). Names with percent-encoding are
 * refused, because no name in the DNS needs it and readers interpret it differently.
 */
export function isHost(value: string): boolean {
  const [host, port] = HOST.exec(value) ?? [];
  return host !== undefined && Number(port ?? 0) <= 65_535;
}
