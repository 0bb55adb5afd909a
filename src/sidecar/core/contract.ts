// The public types of the sidecar: its settings with their defaults, its dependencies and its handle.
import type { AddressInfo } from 'node:net';
import type { Verifier } from '../../verifier/core/contract.ts';

/** Writes lines of the log. The second argument is the message. */
export interface SidecarLog {
  info(line: object, message: string): void;
  warn(line: object, message: string): void;
  error(line: object, message: string): void;
}

export interface SidecarSettings {
  /** A URL with http: or https:. It has no path, because request targets are passed on unchanged. */
  readonly upstream: URL;
  /** The cookie that may hold the token; null for none. */
  readonly cookie: string | null;
  /** The query parameter that may hold the token; null for none. */
  readonly queryParameter: string | null;
  /** Whether a socket without a token is opened to wait for its first message. */
  readonly firstMessage: boolean;
  /** Whether the upstream gets the token in Authorization. */
  readonly forwardToken: boolean;
  /** Allowed origins of browser applications. Empty: any origin, except for requests with the token in a cookie. */
  readonly allowedOrigins: readonly string[];
  /**
   * Addresses and CIDR ranges of proxies whose headers about the original request are trusted, such as
   * X-Forwarded-Proto.
   */
  readonly trustedProxies: readonly string[];
  readonly messageBytesMax: number;
  readonly socketsMax: number;
  readonly socketsPerUserMax: number;
  /** Sockets that may wait for their first message at the same time. */
  readonly waitingMax: number;
  readonly firstMessageSeconds: number;
  /** How long the upstream may take to accept a socket. */
  readonly handshakeSeconds: number;
  /** How long the upstream may be silent within a plain request. */
  readonly upstreamSeconds: number;
  readonly pingSeconds: number;
  /** How long a receiver may leave all of its waiting messages unread. */
  readonly slowSeconds: number;
  /** How long messages may wait after a pause of this process, until the missed revocations are known. */
  readonly holdSeconds: number;
}

/** The defaults of the settings. */
export const SIDECAR_DEFAULTS: Omit<SidecarSettings, 'upstream'> = {
  cookie: null,
  queryParameter: null,
  firstMessage: false,
  forwardToken: false,
  allowedOrigins: [],
  trustedProxies: [],
  messageBytesMax: 1_048_576,
  socketsMax: 10_000,
  socketsPerUserMax: 100,
  waitingMax: 1_000,
  firstMessageSeconds: 5,
  handshakeSeconds: 10,
  upstreamSeconds: 60,
  pingSeconds: 30,
  slowSeconds: 30,
  holdSeconds: 10,
};

export interface SidecarDeps {
  readonly verifier: Verifier;
  readonly log: SidecarLog;
  /** The clock by which expiry is decided, in milliseconds since 1970. */
  readonly now: () => number;
}

export interface SidecarState {
  readonly isDraining: boolean;
  /** Open sockets, including those that are being opened. */
  readonly sockets: number;
  /** Plain requests under way. */
  readonly requests: number;
}

export interface Sidecar {
  readonly address: AddressInfo;
  state(): SidecarState;
  /**
   * Makes `state` report from now on that the sidecar is draining. It still serves everything, so that proxies in front
   * can notice the report before `close`.
   */
  announceEnd(): void;
  /**
   * Stops accepting connections, closes the sockets with 1001 spread over `drainSeconds`, lets requests finish in that
   * time, and resolves when everything is closed.
   */
  close(drainSeconds: number): Promise<void>;
}
