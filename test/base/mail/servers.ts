// Mail servers that refuse mails, for tests of the reasons that the service reports.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import type { Test } from 'tap';

/** Starts a server of the package smtp-server. Returns host and port. The server ends with the test. */
export async function smtp(t: Test, options: SMTPServerOptions = {}, host = '127.0.0.1'): Promise<string> {
  const server = new SMTPServer({ disableReverseLookup: true, authOptional: true, ...options });
  server.on('error', () => undefined);
  server.listen(0, host);
  await once(server.server, 'listening');
  t.teardown(() => new Promise<void>((resolve) => server.close(() => resolve())));
  return `${host}:${(server.server.address() as AddressInfo).port}`;
}

/** Starts a server that handles each connection with the given function. */
export async function raw(t: Test, talk: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    talk(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Options of a server that refuses every user and password. */
export const REFUSES_CREDENTIALS: SMTPServerOptions = {
  disabledCommands: ['STARTTLS'],
  allowInsecureAuth: true,
  authOptional: false,
  onAuth: (_auth, _session, done) => done(new Error('no such user-1 pass-of-user')),
};

/** Says that a mail needs TLS (RFC 3207 §4), although the server does not offer it. */
export function wantsTls(socket: Socket): void {
  socket.write('220 here\r\n');
  socket.on('data', (chunk) => {
    const said = chunk.toString();
    socket.write(said.startsWith('EHLO') ? '250 here\r\n' : '530 5.7.0 Must issue a STARTTLS command first\r\n');
  });
}
