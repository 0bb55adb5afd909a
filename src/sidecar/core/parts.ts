// What the parts of a running sidecar share, and how a verified request or socket is admitted.
import type { VerificationCode, VerifiedPrincipal } from '../../verifier/core/contract.ts';
import { VerificationError } from '../../verifier/core/error.ts';
import type { Hold } from '../sockets/hold.ts';
import type { Live, LiveIndex } from '../sockets/live.ts';
import type { Slot, Slots } from '../sockets/slots.ts';
import type { Handshakes } from '../upgrade/handshake.ts';
import type { SidecarDeps, SidecarSettings } from './contract.ts';
import { Refusal } from './problems.ts';

/** A socket of a client, from the 101 answer until the socket is closed. */
export interface OpenSocket {
  close(code: number, reason: string): void;
  beat(): void;
}

export interface Parts extends SidecarDeps {
  readonly settings: SidecarSettings;
  readonly handshakes: Handshakes;
  readonly live: LiveIndex;
  readonly hold: Hold;
  /** Counts sockets. */
  readonly sockets: Slots;
  /** Counts plain requests. */
  readonly requests: Slots;
  /** Counts sockets that wait for their first message. */
  readonly waiting: Slots;
  readonly open: Set<OpenSocket>;
  readonly isTrustedPeer: (address: string | undefined) => boolean;
  readonly isDraining: () => boolean;
}

/** Takes a slot. Raises sidecar_full if none is left. */
export function enter(slots: Slots): Slot {
  const slot = slots.enter();
  if (slot) return slot;
  throw new Refusal('sidecar_full');
}

export interface Admission {
  readonly live: Live;
  /** Why the socket or request has been ended; null before that. */
  ended(): VerificationCode | null;
  /** Sets the function that is called when the socket or request must end. It replaces an earlier function. */
  onEnd(act: (code: VerificationCode) => void): void;
  /** Ends the socket or request now, for a reason that the index did not find. */
  end(code: VerificationCode): void;
  /** Releases the slot and removes the entry from the index. */
  release(): void;
}

/**
 * Admits a verified principal: counts the slot for the principal and watches the token. Raises too_many_sockets if the
 * user or client has the maximum. Raises VerificationError for a token that has been revoked since it was verified, or
 * that only the clock tolerance let pass. The slot is released when this function raises an error.
 */
export function admit(parts: Parts, principal: VerifiedPrincipal, slot: Slot, graceSeconds = 0): Admission {
  if (!slot.assign(principal.id)) {
    slot.leave();
    throw new Refusal('too_many_sockets');
  }
  let ended: VerificationCode | null = null;
  let act: (code: VerificationCode) => void = () => {};
  const end = (code: VerificationCode) => {
    if (ended) return;
    ended = code;
    act(code);
  };
  const live = parts.live.add(principal, end, graceSeconds);
  const release = () => {
    live.remove();
    slot.leave();
  };
  const code = live.judge();
  if (code) {
    release();
    throw new VerificationError(code);
  }
  return {
    live,
    ended: () => ended,
    onEnd(next) {
      act = next;
    },
    end(why) {
      live.remove();
      end(why);
    },
    release,
  };
}

/** The fields of a log line for a principal. */
export function idsOf(principal: VerifiedPrincipal): object {
  const { kind, id, organizationId } = principal;
  return { [kind === 'client' ? 'clientId' : 'userId']: id, organizationId: organizationId ?? undefined };
}
