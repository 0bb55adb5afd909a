// Finds people by a part of their name or e-mail address. The database has keyed hashes of short parts. A longer query
// finds candidates, whose names or addresses are opened here and compared.
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { SystemReader } from '../../base/database/db.ts';
import { containing } from '../../base/secrets/grams.ts';
import { type Candidate, findAmongFew, findByGrams, listStored, listUnsealed } from './search-store.ts';

/** How many people one statement reads. */
const READ_AT_ONCE = 1_000;
/**
 * How many people are compared without a pause. With the longest names, comparing them takes about five milliseconds.
 */
const COMPARED_AT_ONCE = 50;

/** The ids of the members of a small organization whose name or e-mail contains the query. Null for a large one. */
export async function findFew(tx: SystemReader, query: string, organizationId: string): Promise<string[] | null> {
  const { grams, isExact } = tx.personal.searched(query);
  const found = await findAmongFew(tx, grams, organizationId);
  if (!found) return null;
  const unsealed = await listUnsealed(tx, organizationId);
  // The row of a person may have been sealed between the two statements. Such a person is found only now.
  const candidates = tx.personal.isSealed ? found : ((await findAmongFew(tx, grams, organizationId)) ?? found);
  return compare(tx, query, { candidates, unsealed, isExact });
}

/** The ids of all people whose name or e-mail contains the query, or of those who are members of the organization. */
export async function findPeople(tx: SystemReader, query: string, organizationId: string | null): Promise<string[]> {
  const { grams, isExact } = tx.personal.searched(query);
  const unsealed = await listUnsealed(tx, organizationId);
  const candidates = await findByGrams(tx, grams, organizationId);
  return compare(tx, query, { candidates, unsealed, isExact });
}

interface Found {
  /** The people whose row was not sealed before the candidates were read. One may have been sealed since. */
  readonly unsealed: readonly string[];
  readonly candidates: readonly Candidate[];
  readonly isExact: boolean;
}

async function compare(tx: SystemReader, query: string, { unsealed, candidates, isExact }: Found): Promise<string[]> {
  const isUnsealed = new Set(unsealed);
  const sealed = candidates.filter(({ id }) => !isUnsealed.has(id));
  const doubtful = [
    ...(isExact ? [] : sealed),
    ...Array.from(isUnsealed, (id): Candidate => ({ id, inName: true, inEmail: true })),
  ];
  const found = isExact ? sealed.map(({ id }) => id) : [];
  return [...found, ...(await findContaining(tx, query, doubtful))];
}

/** The ids of the candidates whose name or e-mail contains the query, in the order of the candidates. */
export async function findContaining(
  tx: SystemReader,
  query: string,
  candidates: readonly Candidate[],
): Promise<string[]> {
  const found: string[] = [];
  for (let at = 0; at < candidates.length; at += READ_AT_ONCE) {
    const some = candidates.slice(at, at + READ_AT_ONCE);
    const fitting = await compareSome(tx, query, some);
    for (const { id } of some) if (fitting.has(id)) found.push(id);
  }
  return found;
}

async function compareSome(tx: SystemReader, query: string, candidates: readonly Candidate[]): Promise<Set<string>> {
  const rows = await listStored(tx, candidates);
  const isContaining = containing(query);
  const fits = (text: string | null) => text !== null && isContaining(text);
  const found = new Set<string>();
  for (let at = 0; at < rows.length; at += COMPARED_AT_ONCE) {
    if (at > 0) await nextTurn();
    const some = rows.slice(at, at + COMPARED_AT_ONCE);
    const fitting = await tx.personal.opening(
      (open) =>
        some.filter(
          ({ id, name, email }) => fits(open('users.name', id, name)) || fits(open('users.email', id, email)),
        ),
      { bulk: true },
    );
    for (const { id } of fitting) found.add(id);
  }
  return found;
}
