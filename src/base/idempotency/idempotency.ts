// Runs a request with an Idempotency-Key at most once. A repeat of the request gets the stored answer. The row with the
// answer is written in the transaction of the change: see once.ts. So no row ever says that a request is running, and a
// killed process leaves nothing behind that has to expire. Only answers of requests that changed something are kept. A
// refused request has changed nothing, so its repeat is handled like a first request. Before a repeat gets a stored
// answer, the rights of its caller are checked again: see repeat-guard.ts.
import type { Database, OrganizationTx, SystemTx } from '../database/db.ts';
import { isOutage } from '../database/db.ts';
import { problem } from '../errors/problem.ts';
import type { Random } from '../platform/random.ts';
import type { AssertMayRepeat, KeptBody, RepeatGuard } from './repeat-guard.ts';
import { fingerprintOf, isSameFingerprint, rowIdOf, seal, unseal } from './seal.ts';
import { countKept, deleteExpired, insertKept, type KeptRow, keptFinder, tryLockKey } from './store.ts';

/** The secrets of the installation. They are the same in every process and not in the database. */
export interface Secrets {
  /** The secret for new rows. */
  current(): Promise<{ readonly id: string; readonly secret: Buffer }>;
  /** The secret with this id; null when it does not exist any more. */
  find(id: string): Promise<Buffer | null>;
}

export interface IdempotencyDeps {
  readonly db: Pick<Database, 'systemReader'>;
  readonly random: Random;
  readonly secrets: Secrets;
  readonly repeatGuard: RepeatGuard;
  /** How many keys of one caller are kept at a time. */
  readonly keysPerCallerMax: number;
}

export interface KeyedRequest {
  readonly key: string;
  /** The caller and the route. The same key means another request in another scope. */
  readonly scope: string;
  /** The signed-in user with the permission that the route needs, if any. Null for a caller who is not signed in. */
  readonly caller: KeyedCaller | null;
  /** The organization in whose transaction the answer is written, or null for the system scope. */
  readonly organizationId: string | null;
  /** Everything that decides what the request does, as a text that does not depend on the order of members. */
  readonly content: string;
  readonly assertMayRepeat?: AssertMayRepeat | undefined;
}

export interface KeyedCaller {
  readonly id: string;
  readonly sessionId: string;
  /** The key that signed the caller's token. */
  readonly keyId?: string | undefined;
  readonly permission: string | null;
}

/** An answer as it is sent, except for the headers that every answer has. */
export interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The steps that the transaction of the change takes. */
export interface KeySlot {
  begin(tx: OrganizationTx | SystemTx): Promise<void>;
  keep(tx: OrganizationTx | SystemTx, answered: Answered): Promise<void>;
}

export interface Idempotency {
  /**
   * Returns the kept answer of the key, or runs the work. Raises the errors of the RepeatGuard, of `assertMayRepeat`
   * and of the work, and idempotency_key_in_use, idempotency_key_reused, idempotency_answer_lost and too_many_requests.
   */
  run(
    request: KeyedRequest,
    work: (slot: KeySlot) => Promise<Answered>,
  ): Promise<Answered & { readonly isReplayed: boolean }>;
}

/** Another request with the key has committed its change. The transaction of this request must be undone. */
class AlreadyDone extends Error {
  override readonly name = 'AlreadyDone';
}

const RETRY_SECONDS = 1;

function inUse() {
  return problem('idempotency_key_in_use', { retryAfterSeconds: RETRY_SECONDS });
}

export function openIdempotency(deps: IdempotencyDeps): Idempotency {
  const running = new Set<string>();
  const findAnswer = answerFinder(deps);
  return {
    async run(request, work) {
      const row = rowIdOf(request.key, request.scope);
      const name = row.toString('hex');
      if (running.has(name)) throw inUse();
      running.add(name);
      try {
        const kept = await findAnswer(request, row);
        if (kept) return { ...kept, isReplayed: true };
        await assertMayKeep(deps, request);
        return { ...(await attempt(deps, request, row, work)), isReplayed: false };
      } catch (error) {
        // Another process may have executed the same request in the meantime, and its change is the conflict that was
        // raised here. Or the commit of this request succeeded although its answer was an error.
        if (isOutage(error)) throw error;
        const kept = await findAnswer(request, row);
        if (kept) return { ...kept, isReplayed: true };
        throw error instanceof AlreadyDone ? inUse() : error;
      } finally {
        running.delete(name);
      }
    },
  };
}

async function attempt(
  deps: IdempotencyDeps,
  request: KeyedRequest,
  row: Buffer,
  work: (slot: KeySlot) => Promise<Answered>,
): Promise<Answered> {
  const { key, content, organizationId } = request;
  const callerId = request.caller?.id ?? null;
  const { id: secretId, secret } = await deps.secrets.current();
  const fingerprint = fingerprintOf(key, secret, content);
  return work({
    async begin(tx) {
      if (!(await tryLockKey(tx, row))) throw inUse();
    },
    async keep(tx, answered) {
      const answer = seal(key, secret, row, JSON.stringify(answered), deps.random);
      const kept = { id: row, organizationId, callerId, secretId, fingerprint, answer };
      if (!(await insertKept(tx, kept))) throw new AlreadyDone();
    },
  });
}

/**
 * Returns the function that finds the kept answer of the same request; its result is null when there is none. It raises
 * the errors of the RepeatGuard and of `assertMayRepeat`, idempotency_key_reused for another request, and
 * idempotency_answer_lost.
 */
function answerFinder(deps: IdempotencyDeps) {
  const findKept = keptFinder(deps.repeatGuard.sql);
  return async (request: KeyedRequest, row: Buffer): Promise<Answered | null> => {
    const reader = deps.db.systemReader();
    const { caller, organizationId } = request;
    const { id: userId = null, sessionId = null, keyId = null } = caller ?? {};
    const kept = await findKept(reader, row, { organizationId, userId, sessionId, keyId });
    if (!kept) return null;
    if (kept.isExpired) {
      await deleteExpired(reader, row);
      return null;
    }
    const needed = { organizationId, permission: caller?.permission ?? null };
    const held = caller && deps.repeatGuard.assertAllowed(kept.caller, needed);
    const answered = await openAnswer(deps, request, row, kept);
    if (held) await request.assertMayRepeat?.(held, JSON.parse(answered.body) as KeptBody);
    return answered;
  };
}

async function openAnswer(deps: IdempotencyDeps, request: KeyedRequest, row: Buffer, kept: KeptRow): Promise<Answered> {
  const secret = await deps.secrets.find(kept.secretId);
  if (!secret) throw problem('idempotency_answer_lost');
  const fingerprint = fingerprintOf(request.key, secret, request.content);
  if (!isSameFingerprint(fingerprint, Buffer.from(kept.fingerprint, 'base64'))) throw problem('idempotency_key_reused');
  return JSON.parse(unseal(request.key, secret, row, Buffer.from(kept.answer, 'base64'))) as Answered;
}

async function assertMayKeep(deps: IdempotencyDeps, { caller }: KeyedRequest): Promise<void> {
  if (caller === null) return;
  const { held, nextSeconds } = await countKept(deps.db.systemReader(), caller.id, deps.keysPerCallerMax);
  if (held < deps.keysPerCallerMax) return;
  throw problem('too_many_requests', {
    detail: `You have used ${held} idempotency keys within 24 hours: send this request without a key, or wait.`,
    retryAfterSeconds: nextSeconds ?? RETRY_SECONDS,
  });
}
