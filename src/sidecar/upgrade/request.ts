// A request for a WebSocket connection on its way through the sidecar.
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Presented } from '../http/credentials.ts';
import type { Head } from '../http/head.ts';

export interface UpgradeRequest {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  /** Bytes that arrived with the request. */
  readonly early: Buffer;
  readonly head: Head;
  readonly presented: Presented;
  readonly requestId: string;
}

/**
 * The subprotocol that a client may offer beside `bearer.<token>`, so that the server can select one: browsers close
 * the connection if they offered subprotocols and none was selected (WHATWG WebSockets §2.2). The upstream never sees
 * it.
 */
export const NEUTRAL_PROTOCOL = 'tenantry';

/** The subprotocols that the upstream may select from. */
export function offeredUpstream({ presented }: UpgradeRequest): string[] {
  return presented.protocols.filter((protocol) => protocol !== NEUTRAL_PROTOCOL);
}

/** The protocol for the client if the upstream selected none. */
export function selectedOtherwise({ presented }: UpgradeRequest): string | null {
  if (presented.protocols.includes(NEUTRAL_PROTOCOL)) return NEUTRAL_PROTOCOL;
  // If the token's entry is the only offer, it is selected.
  return presented.protocols.length === 0 ? presented.bearerEntry : null;
}
