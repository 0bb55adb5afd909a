// A process with several verifiers, each of which follows the feed of one replica. The verifiers check tokens all
// the time and note when each was first and last accepted and first refused. The process is controlled by messages: see
// Order. drive.ts decides which tokens are watched and when. history.ts judges the observations.
import { createVerifier, type Verifier } from '../../../src/verifier/index.ts';
import type { Observation } from './history.ts';
import { machineMilliseconds } from './machine-clock.ts';
import { answerOrders } from './workers.ts';

export interface VerifierSettings {
  readonly name: string;
  readonly issuer: string;
  readonly audience: string;
  /** The replica whose keys and feed the verifier reads. */
  readonly serviceUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
}

export interface Watched {
  readonly token: number;
  readonly text: string;
}

export type Order =
  | { readonly kind: 'open'; readonly settings: readonly VerifierSettings[]; readonly everyMilliseconds: number }
  | { readonly kind: 'watch'; readonly tokens: readonly Watched[] }
  /** Ends the watch of these tokens, and returns the observations of them. */
  | { readonly kind: 'settle'; readonly tokens: readonly number[] }
  | { readonly kind: 'report' };

export interface Report {
  readonly verifications: number;
  /**
   * The number of refusals for a reason other than a revocation, by code. The observer could not judge the token then.
   */
  readonly helpless: Readonly<Record<string, number>>;
  readonly staleSeconds: number;
}

interface Note {
  firstAccepted: number | null;
  lastAccepted: number | null;
  firstRefused: number | null;
}

const REFUSALS = new Set(['session_revoked', 'token_stale', 'organization_suspended']);

const verifiers: { readonly name: string; readonly verifier: Verifier; readonly notes: Map<number, Note> }[] = [];
const watched = new Map<number, string>();
const helpless: Record<string, number> = {};
let verifications = 0;

async function checkAll(): Promise<void> {
  for (const { verifier, notes } of verifiers) {
    for (const [token, text] of watched) {
      const note = notes.get(token) ?? { firstAccepted: null, lastAccepted: null, firstRefused: null };
      notes.set(token, note);
      verifications += 1;
      try {
        await verifier.verify(text);
        note.lastAccepted = machineMilliseconds();
        note.firstAccepted ??= note.lastAccepted;
      } catch (error) {
        const { code } = error as { code?: string };
        if (code !== undefined && REFUSALS.has(code)) note.firstRefused ??= machineMilliseconds();
        else helpless[code ?? String(error)] = (helpless[code ?? String(error)] ?? 0) + 1;
      }
    }
  }
}

async function open({ settings, everyMilliseconds }: Extract<Order, { kind: 'open' }>): Promise<void> {
  for (const { name, clientId, clientSecret, issuer, audience, serviceUrl } of settings) {
    const revocation = { credentials: { clientId, clientSecret } };
    const verifier = createVerifier({ issuer, audience, serviceUrl, revocation });
    verifiers.push({ name, verifier, notes: new Map() });
  }
  await Promise.all(verifiers.map(({ verifier }) => verifier.ready(30)));
  const again = () => void checkAll().then(() => setTimeout(again, everyMilliseconds));
  again();
}

function settle(tokens: readonly number[]): Observation[] {
  const found = verifiers.flatMap(({ name, notes }) =>
    tokens.flatMap((token) => {
      const note = notes.get(token);
      notes.delete(token);
      return note ? [{ observer: name, token, ...note }] : [];
    }),
  );
  for (const token of tokens) watched.delete(token);
  return found;
}

async function obey(order: Order): Promise<unknown> {
  if (order.kind === 'open') return open(order);
  if (order.kind === 'watch') return void order.tokens.forEach(({ token, text }) => void watched.set(token, text));
  if (order.kind === 'settle') return settle(order.tokens);
  const staleSeconds = Math.max(...verifiers.map(({ verifier }) => verifier.staleSeconds()));
  return { verifications, helpless, staleSeconds } satisfies Report;
}

if (process.send) answerOrders(async (order: Order) => (await obey(order)) ?? null);
