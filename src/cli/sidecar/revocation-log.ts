// What the log of the sidecar says about keys and revocations: errors, when the revocations become too old, and when
// they are followed again.
import type { SidecarLog } from '../../sidecar/core/contract.ts';
import type { Verifier } from '../../verifier/core/contract.ts';

export interface RevocationLog {
  /** Logs an error of the verifier. A new reason is logged at once, and the same reason at most once a minute. */
  onError(error: Error): void;
  /** Looks at the verifier every second from now on. Returns the function that stops this. */
  watch(verifier: Verifier, secondsMax: number): () => void;
}

const LOOK_MILLISECONDS = 1_000;
const REPEAT_MILLISECONDS = 60_000;
/** How the messages of the verifier about its feed begin. */
const ABOUT_FEED = /^The feed /;

export function createRevocationLog(log: SidecarLog): RevocationLog {
  const last = { reason: '', at: 0 };
  let troubledAt: number | undefined; // when an error of the feed was logged that is not over yet

  /** Whether everything was read after the error. */
  function isOver(staleSeconds: number): boolean {
    return troubledAt !== undefined && staleSeconds * 1000 < performance.now() - troubledAt;
  }

  return {
    onError({ message: reason }) {
      const at = performance.now();
      if (reason === last.reason && at - last.at < REPEAT_MILLISECONDS) return;
      Object.assign(last, { reason, at });
      if (ABOUT_FEED.test(reason)) troubledAt = at;
      log.warn({ reason }, 'keys or revocations cannot be read from the service');
    },
    watch(verifier, secondsMax) {
      let wasFresh: boolean | undefined;
      const look = () => {
        const staleSeconds = verifier.staleSeconds();
        const isFresh = staleSeconds <= secondsMax;
        if (isFresh && !wasFresh) log.info({}, 'revocations are followed');
        else if (isFresh && isOver(staleSeconds)) log.info({}, 'revocations are followed again');
        else if (!isFresh && wasFresh) log.warn({ staleSeconds }, 'revocations are unknown: new sockets are refused');
        if (isOver(staleSeconds)) troubledAt = undefined;
        wasFresh = isFresh;
      };
      const timer = setInterval(look, LOOK_MILLISECONDS).unref();
      return () => clearInterval(timer);
    },
  };
}
