// Opens a sidecar in this process in front of an upstream that records its requests, with tokens of the testkit.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';
import { type ClientOptions, WebSocket, WebSocketServer } from 'ws';
import type { Sidecar } from '../../src/sidecar/core/contract.ts';
import { openSidecar, type SidecarOptions } from '../../src/sidecar/core/sidecar.ts';
import type { VerifierOptions } from '../../src/verifier/core/options.ts';
import type { TestIssuer } from '../../src/verifier/testkit/testkit.ts';
import { openIssuer } from '../support/issuer.ts';

/** A socket on the side of the upstream. */
export interface Accepted {
  readonly socket: WebSocket;
  readonly request: IncomingMessage;
}

export interface Upstream {
  readonly url: URL;
  readonly server: Server;
  readonly sockets: WebSocketServer;
  /** The received requests, handshakes included, in order. */
  readonly requests: IncomingMessage[];
  readonly accepted: Accepted[];
  /** The next socket that is accepted. */
  next(): Promise<Accepted>;
}

export interface UpstreamOptions {
  readonly answer?: (request: IncomingMessage, response: ServerResponse) => void;
  /** Whether the upstream echoes messages. The default is true. */
  readonly echo?: boolean;
  readonly protocol?: (offered: Set<string>) => string | false;
  readonly maxPayload?: number;
}

/** Starts a server with `ws` and node:http on a free port. */
export async function openUpstream(t: Test, options: UpstreamOptions = {}): Promise<Upstream> {
  const requests: IncomingMessage[] = [];
  const accepted: Accepted[] = [];
  const waiting: ((one: Accepted) => void)[] = [];
  const answer = options.answer ?? ((_, response) => response.end('plain'));
  const server = createServer({ maxHeaderSize: 131_072 }, (request, response) => {
    requests.push(request);
    answer(request, response);
  });
  const sockets = new WebSocketServer({
    server,
    perMessageDeflate: true,
    maxPayload: options.maxPayload ?? 100_000_000,
    ...(options.protocol ? { handleProtocols: options.protocol } : {}),
  });
  sockets.on('connection', (socket, request) => {
    requests.push(request);
    socket.on('error', () => {});
    if (options.echo !== false) socket.on('message', (data, binary) => socket.send(data as Buffer, { binary }));
    const one = { socket, request };
    accepted.push(one);
    waiting.shift()?.(one);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets.clients) socket.terminate();
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  const next = () => new Promise<Accepted>((resolve) => waiting.push(resolve));
  return { url: new URL(`http://127.0.0.1:${port}`), server, sockets, requests, accepted, next };
}

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly [more: string]: unknown;
}

export interface Setup {
  readonly issuer: TestIssuer;
  readonly sidecar: Sidecar;
  readonly upstream: Upstream;
  readonly http: string;
  readonly ws: string;
  readonly lines: LogLine[];
  /** Opens a socket. The token is sent in Authorization. If `token` is null, no token is sent. */
  open(path?: string, token?: string | null, options?: ClientOptions, protocols?: string[]): Promise<Client>;
}

/** A client socket of `ws` and the messages that it has received. */
export interface Client {
  readonly socket: WebSocket;
  readonly messages: (string | Buffer)[];
  /** Resolves to the next message. A text message is a string. */
  message(): Promise<string | Buffer>;
  readonly closed: Promise<{ code: number; reason: string }>;
}

export interface SetupOptions {
  readonly settings?: Partial<SidecarOptions>;
  readonly upstream?: Upstream;
  readonly upstreamOptions?: UpstreamOptions;
  readonly verifier?: Partial<VerifierOptions>;
  readonly issuer?: TestIssuer;
}

/** Starts an upstream and a sidecar in front of it. The options may replace parts of both. */
export async function openSetup(t: Test, options: SetupOptions = {}): Promise<Setup> {
  const issuer = options.issuer ?? openIssuer();
  const upstream = options.upstream ?? (await openUpstream(t, options.upstreamOptions));
  const lines: LogLine[] = [];
  const write = (level: string) => (line: object, message: string) => void lines.push({ ...line, level, message });
  const log = { info: write('info'), warn: write('warn'), error: write('error') };
  const verifier = issuer.verifier(options.verifier);
  const sidecar = await openSidecar(
    { verifier, log, now: () => issuer.now() },
    { upstream: upstream.url, ...options.settings },
    { host: '127.0.0.1', port: 0 },
  );
  t.teardown(() => sidecar.close(0));
  const { port } = sidecar.address;
  const ws = `ws://127.0.0.1:${port}`;
  return {
    issuer,
    sidecar,
    upstream,
    lines,
    ws,
    http: `http://127.0.0.1:${port}`,
    open: (path = '/', token = issuer.token(), more = {}, protocols = []) => {
      const authorization = token === null ? {} : { authorization: `Bearer ${token}` };
      return openClient(`${ws}${path}`, protocols, { ...more, headers: { ...authorization, ...more.headers } });
    },
  };
}

/** Opens a socket and waits until it is open. Raises Refused if the handshake is not accepted. */
export async function openClient(url: string, protocols: string[], options: ClientOptions): Promise<Client> {
  const socket = new WebSocket(url, protocols, options);
  const messages: (string | Buffer)[] = [];
  const waiting: ((message: string | Buffer) => void)[] = [];
  let read = 0;
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
  });
  socket.on('message', (data, isBinary) => {
    messages.push(isBinary ? (data as Buffer) : data.toString());
    if (waiting.length > 0) waiting.shift()?.(messages[read++] ?? '');
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
    socket.once('unexpected-response', (_request, response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        socket.terminate();
        reject(new Refused(response, Buffer.concat(chunks).toString()));
      });
    });
  });
  socket.on('error', () => {});
  return {
    socket,
    messages,
    closed,
    message: async () =>
      read < messages.length ? (messages[read++] ?? '') : new Promise((resolve) => waiting.push(resolve)),
  };
}

/** The answer to a handshake that was not accepted. */
export class Refused extends Error {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  constructor(response: IncomingMessage, text: string) {
    super(`${response.statusCode} ${text}`);
    this.status = response.statusCode ?? 0;
    this.headers = response.headers;
    this.text = text;
  }
  get code(): unknown {
    return (JSON.parse(this.text) as { code: unknown }).code;
  }
}

/** Returns how a handshake was refused. Raises if it was accepted, or if the connection was lost. */
export async function refusal(opening: Promise<Client>): Promise<Refused> {
  try {
    const { socket } = await opening;
    socket.terminate();
  } catch (error) {
    if (error instanceof Refused) return error;
    throw error;
  }
  throw new Error('the socket was opened');
}
