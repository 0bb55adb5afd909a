// What the parts of a running sidecar share, and how somebody with a token is let in.
import type { VerificationCode, VerifiedPrincipal } from '../../verifier/core/contract.ts';
import { VerificationError } from '../../verifier/core/error.ts';
import type { Live, LiveIndex } from '../sockets/live.ts';
import type { Slot, Slots } from '../sockets/slots.ts';
import type { Handshakes } from '../upgrade/handshake.ts';
import type { SidecarDeps, SidecarSettings } from './contract.ts';
import { Refusal } from './problems.ts';

/** A socket of a client, from the answer 101 to its end. */
export interface OpenSocket {
  close(code: number, reason: string): void;
  beat(): void;
}

export interface Parts extends SidecarDeps {
  readonly settings: SidecarSettings;
  readonly handshakes: Handshakes;
  readonly live: LiveIndex;
  /** Sockets, counted. */
  readonly sockets: Slots;
  /** Plain requests, counted. */
  readonly requests: Slots;
  /** Sockets that wait for their first message, counted. */
  readonly waiting: Slots;
  readonly open: Set<OpenSocket>;
  readonly isTrustedPeer: (address: string | undefined) => boolean;
  readonly isDraining: () => boolean;
}

/** A place of the total. Raises sidecar_full. */
export function enter(slots: Slots): Slot {
  const slot = slots.enter();
  if (slot) return slot;
  throw new Refusal('sidecar_full');
}

export interface Admission {
  readonly live: Live;
  /** Why it was ended, once it was. */
  ended(): VerificationCode | null;
  /** What is done when it must end; replaces what was said before. */
  onEnd(act: (code: VerificationCode) => void): void;
  /** It must end now: found by somebody else than the index. */
  end(code: VerificationCode): void;
  /** It is over: gives back its place. */
  release(): void;
}

/**
 * Lets somebody in who was verified: counts it for them and watches it. Raises too_many_sockets, and VerificationError
 * for what was revoked meanwhile or would end at once, because only the tolerance of clocks let it pass; the slot is given
 * back then.
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

/** What lines of the log say of a principal. */
export function idsOf(principal: VerifiedPrincipal): object {
  const { kind, id, organizationId } = principal;
  return { [kind === 'client' ? 'clientId' : 'userId']: id, organizationId: organizationId ?? undefined };
}
